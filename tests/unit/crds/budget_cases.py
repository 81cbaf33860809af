"""Cases of the connection budget, for its two spellings: Python (unit tests) and CEL (the real API server)."""

from dataclasses import dataclass
from typing import Any

PASSES = ""


@dataclass(frozen=True)
class BudgetCase:
    """`pools` are (name, target, replicas, maxServerConnections); `sentence` is empty when it fits."""

    name: str
    max_connections: int | str | None
    pools: tuple[tuple[str, str, int, int], ...]
    sentence: str

    def components(self) -> list[dict[str, Any]]:
        postgres: dict[str, Any] = {"storage": {"size": "1Gi"}}
        if self.max_connections is not None:
            postgres["parameters"] = {"max_connections": self.max_connections}
        return [
            {"name": "db", "postgres": postgres},
            {"name": "other", "postgres": {"storage": {"size": "1Gi"}}},
            *(
                {"name": name, "pgbouncer": {"target": target, "replicas": replicas, "maxServerConnections": most, "poolSize": 1}}
                for name, target, replicas, most in self.pools
            ),
        ]


def _too_small(limit: int, pools: str, needed: int) -> str:
    return (
        f"parameters.max_connections {limit} of component db is too small for its poolers [{pools}] and 5 reserved, which need {needed}; "
        f"raise it to {needed} or lower replicas or maxServerConnections"
    )


CASES = (
    BudgetCase("derived: nothing is set", None, (("pool", "db", 20, 5000),), PASSES),
    BudgetCase("exactly enough", 205, (("pool", "db", 2, 100),), PASSES),
    BudgetCase("one too few", 204, (("pool", "db", 2, 100),), _too_small(204, '"2 x 100 (pool)"', 205)),
    BudgetCase("as text", "204", (("pool", "db", 2, 100),), _too_small(204, '"2 x 100 (pool)"', 205)),
    BudgetCase("two poolers fit", 255, (("pool", "db", 2, 100), ("ro", "db", 1, 50)), PASSES),
    BudgetCase(
        "two poolers together do not",
        254,
        (("pool", "db", 2, 100), ("ro", "db", 1, 50)),
        _too_small(254, '"2 x 100 (pool)", "1 x 50 (ro)"', 255),
    ),
    BudgetCase("a pooler of another component does not count", 25, (("pool", "db", 1, 20), ("far", "other", 20, 5000)), PASSES),
    BudgetCase("no pooler at all", 5, (), PASSES),
    BudgetCase("less than what is reserved", 4, (), _too_small(4, "", 5)),
    BudgetCase(
        "no whole number",
        "many",
        (("pool", "db", 1, 20),),
        "parameters.max_connections of component db must be a whole number such as 200",
    ),
    BudgetCase("absurdly long", "1234567", (), "parameters.max_connections of component db must be a whole number such as 200"),
)
