"""A PgBouncer component: a pool of connections in front of a Postgres component."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dharma_crds.base import Struct
from dharma_crds.blueprint.component_name import ComponentName
from dharma_crds.cel import Rule, says, unit
from dharma_crds.common import LIMITS_COVER_REQUESTS, ResourceAmounts
from dharma_crds.formats import byte_format, cpu_format
from dharma_crds.quantity import Quantity

PoolMode = Literal["transaction", "session", "statement"]


class PgBouncerRequests(Struct):
    """What the scheduler sets aside for each replica."""

    cpu: Annotated[Quantity, cpu_format("10m")] = Field(
        default=Quantity("50m"), description="Processor share; PgBouncer uses one CPU at most."
    )
    memory: Annotated[Quantity, byte_format("16Mi")] = Field(
        default=Quantity("64Mi"), description="Memory; about 10 KiB for each client connection."
    )


class PgBouncerResources(Struct):
    """CPU and memory of each replica."""

    cel_rules = LIMITS_COVER_REQUESTS
    requests: PgBouncerRequests = Field(default=PgBouncerRequests(), description="What the scheduler sets aside for each replica.")
    limits: ResourceAmounts | None = Field(
        default=None,
        description="What a replica may use at most; over its memory it is killed. Default: memory as requested, CPU without limit.",
    )


class PgBouncer(Struct):
    """A pool of connections to a Postgres component of the same Blueprint."""

    cel_rules = (
        Rule(
            "pool-fits-server-connections",
            "self.poolSize <= self.maxServerConnections",
            "pgbouncer.poolSize must not be more than maxServerConnections; lower it or raise maxServerConnections",
            message_expression=says(
                "poolSize %s is more than maxServerConnections %s; lower it or raise maxServerConnections",
                "self.poolSize",
                "self.maxServerConnections",
            ),
            field_path=".poolSize",
        ),
    )
    target: ComponentName = Field(description="Name of the Postgres component to pool connections to.")
    replicas: Annotated[int, unit("pods")] = Field(
        default=2,
        ge=1,
        le=20,
        description="PgBouncer pods behind one Service. With 1, a lost pod is an outage. "
        "A HorizontalPodAutoscaler on their Deployment decides instead, as long as there is one.",
    )
    pool_mode: PoolMode = Field(
        default="transaction",
        description="When a server connection goes back to the pool: after each transaction, session or statement. "
        "In transaction mode session state (SET, advisory locks, LISTEN) does not last.",
    )
    max_client_connections: Annotated[int, unit("connections of each replica")] = Field(
        default=1000, ge=1, le=20000, description="Clients that may be connected; more are refused."
    )
    pool_size: Annotated[int, unit("connections of each replica")] = Field(
        default=25, ge=1, le=1000, description="Server connections for each pair of user and database; further transactions wait in line."
    )
    max_server_connections: Annotated[int, unit("connections of each replica")] = Field(
        default=100,
        ge=1,
        le=5000,
        description="Server connections over all users of a database. "
        "Replicas times this, over all poolers of a Postgres, plus 5 reserved, must fit its max_connections.",
    )
    resources: PgBouncerResources = Field(default=PgBouncerResources(), description="CPU and memory of each replica.")
