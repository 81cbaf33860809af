"""Names of everything that a component is made of, and the addresses it is reached by."""

from dataclasses import dataclass

from dharma_crds.names import user_name_part

POSTGRES_PORT = 5432
PATRONI_PORT = 8008
PGBOUNCER_PORT = 6432
REDIS_PORT = 6379

POSTGRES_USER_ID = 5432
PGBOUNCER_USER_ID = 6432
REDIS_USER_ID = 6379


@dataclass(frozen=True, slots=True)
class Names:
    """Names of one component's objects."""

    blueprint: str
    component: str

    @property
    def base(self) -> str:
        """Its workload, ServiceAccount, PodDisruptionBudget, NetworkPolicy; Patroni's scope; the Service of a pooler or a Redis."""
        return f"{self.blueprint}-{self.component}"

    @property
    def settings(self) -> str:
        """ConfigMap with its configuration files."""
        return f"{self.base}-settings"

    @property
    def internal(self) -> str:
        """Secret with the passwords between the parts. The dot keeps it apart from users' Secrets: no user's name has one."""
        return f"{self.base}.internal"

    def connection(self, user: str) -> str:
        """Secret by which `user` connects."""
        return f"{self.base}-{user_name_part(user)}"

    def pod(self, ordinal: int) -> str:
        """Pod of a StatefulSet."""
        return f"{self.base}-{ordinal}"

    def claim(self, ordinal: int) -> str:
        """Volume claim of a StatefulSet's pod."""
        return f"data-{self.base}-{ordinal}"

    @property
    def read_write(self) -> str:
        """Service of the Postgres primary."""
        return f"{self.base}-rw"

    @property
    def read_only(self) -> str:
        """Service of the Postgres replicas."""
        return f"{self.base}-ro"

    @property
    def any_member(self) -> str:
        """Service of all Postgres instances."""
        return f"{self.base}-r"

    @property
    def replicas(self) -> str:
        """Service of the Redis replicas."""
        return f"{self.base}-replicas"

    @property
    def pods(self) -> str:
        """Headless Service that gives a Redis pod its name in DNS."""
        return f"{self.base}-pods"

    @property
    def patroni(self) -> tuple[str, ...]:
        """ConfigMaps that Patroni keeps its state in."""
        return tuple(f"{self.base}-{suffix}" for suffix in ("config", "leader", "failover", "sync"))


def ordinal_of(pod: str) -> int:
    """Ordinal of a StatefulSet's pod: 2 for `shop-db-2`; -1 for another pod."""
    tail = pod.rpartition("-")[2]
    return int(tail) if tail.isdigit() else -1
