"""All settings of the operator process: one typed model, read from `DHARMA_*` variables and from flags."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _split(value: object) -> object:
    """`a,b` as a tuple of names; anything else as it is."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


class Settings(BaseSettings):
    """Reconciles the dharma.io kinds: watches Tenants, Blueprints, Deployments and Backups and makes what they ask for exist.

    Every flag is also an environment variable: --log-level is DHARMA_LOG_LEVEL. A flag wins over its variable.
    """

    model_config = SettingsConfigDict(
        env_prefix="DHARMA_",
        cli_prog_name="dharma-operator",
        cli_kebab_case=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        frozen=True,
        extra="ignore",
    )

    namespaces: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=(), description="Namespaces to serve, separated by commas. Empty: all of them."
    )
    pod_namespace: str = Field(default="default", description="Namespace the operator runs in; its Lease is kept there.")
    pod_name: str = Field(
        default="",
        description="Name of the pod, by which a restarted container takes its own Lease back at once; no two replicas share it.",
    )
    service_account: str = Field(
        default="iac-dharma",
        description="The operator's ServiceAccount in its own namespace, which gets rights in namespaces with Blueprints.",
    )
    namespace_cluster_role: str = Field(
        default="iac-dharma-namespace",
        description="ClusterRole that the operator binds itself to in a namespace with Blueprints, for its Secrets.",
    )
    lease_name: str = Field(default="iac-dharma", description="Lease by which replicas agree on the one that acts.")
    lease_seconds: int = Field(
        default=15,
        ge=3,
        le=300,
        description="Seconds without renewal after which another replica takes over; renewed three times as often.",
    )
    concurrency: int = Field(default=16, ge=1, le=256, description="Objects that are reconciled at the same time.")
    resync_seconds: float = Field(
        default=600, ge=1, description="Every object is looked at again after about this many seconds, though nothing changed."
    )
    postgres_image: str = Field(default="", description="Image of Postgres with Patroni, by tag or digest.")
    pgbouncer_image: str = Field(default="", description="Image of PgBouncer, by tag or digest.")
    redis_image: str = Field(default="", description="Image of Redis, by tag or digest.")
    address: str = Field(default="0.0.0.0", description="Address that /metrics, /healthz and /readyz are served on.")  # noqa: S104 (a pod's)
    port: int = Field(default=8080, ge=0, le=65535, description="Port of the same; 0 takes a free one and logs it.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="Least severe log lines to write.")
