"""The connection budget of a Postgres component: what its poolers may open must fit `max_connections`.

This is the one place of the arithmetic in Python. `rules.py` holds its CEL twin; a test puts both through the same table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dharma_crds.blueprint.spec import Component

SUPERUSER_RESERVED: Final = 3
"""`superuser_reserved_connections`, for Patroni and emergencies."""
OPERATOR_RESERVED: Final = 2
"""For the operator's own sessions: users, databases, readiness queries."""
RESERVED: Final = SUPERUSER_RESERVED + OPERATOR_RESERVED


@dataclass(frozen=True, slots=True)
class Pool:
    """One PgBouncer component that targets the Postgres component."""

    name: str
    replicas: int
    max_server_connections: int

    @property
    def connections(self) -> int:
        """The most server connections that all its replicas together may open."""
        return self.replicas * self.max_server_connections


@dataclass(frozen=True, slots=True)
class ConnectionBudget:
    """What the poolers of one Postgres component need, in connections. Streaming replication has its own slots and does not count."""

    component: str
    pools: tuple[Pool, ...]
    max_connections: int | None
    """As the user set it; None when it is to be derived, and then always fits."""

    @property
    def needed(self) -> int:
        """The smallest `max_connections` that serves all poolers and the reserved connections."""
        return sum(pool.connections for pool in self.pools) + RESERVED

    @property
    def fits(self) -> bool:
        """Whether every connection that a pooler may open would be accepted."""
        return self.max_connections is None or self.needed <= self.max_connections

    def sentence(self) -> str:
        """Show the arithmetic and the remedy, word for word as the API server does."""
        pools = [f"{pool.replicas} x {pool.max_server_connections} ({pool.name})" for pool in self.pools]
        return (
            f"parameters.max_connections {self.max_connections} of component {self.component} is too small for its poolers "
            f"{json.dumps(pools)} and {RESERVED} reserved, which need {self.needed}; "
            f"raise it to {self.needed} or lower replicas or maxServerConnections"
        )


def connection_budgets(components: Iterable[Component]) -> tuple[ConnectionBudget, ...]:
    """Draw up the budget of each Postgres component, in the order written.

    Raises ValueError when `parameters.max_connections` is not a whole number.
    """
    components = tuple(components)
    return tuple(
        ConnectionBudget(
            component.name,
            tuple(
                Pool(other.name, other.pgbouncer.replicas, other.pgbouncer.max_server_connections)
                for other in components
                if other.pgbouncer is not None and other.pgbouncer.target == component.name
            ),
            _whole_number(component.name, component.postgres.parameters.get("max_connections")),
        )
        for component in components
        if component.postgres is not None
    )


def _whole_number(component: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise ValueError(f"parameters.max_connections of component {component} must be a whole number such as 200")
    return int(text)
