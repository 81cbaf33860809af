"""What a Tenant uses of what it may use, from its ResourceQuotas as the API server counts them now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rich.console import Group
from rich.table import Table

from dharma_crds.tenant import PLANS, Tenant
from dharma_handlers.tenant.quota_amounts import UNLIMITED, limits_of, text_of
from dharma_handlers.tenant.quota_report import FIGURES
from dharma_handlers.tenant.quota_state import QuotaObserved

_WIDTH: Final = 20
"""Characters of a full bar."""
_SHARES: Final = 4
"""How many namespaces are named for one resource."""
_ORANGE, _RED = 80, 100
"""Percent from which a bar is yellow, then red."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one namespace uses, and may use at this moment."""

    namespace: str
    used: str
    hard: str


@dataclass(frozen=True, slots=True)
class Row:
    """One limited resource, under the name that `spec.quota` has for it."""

    name: str
    used: int
    hard: int
    """Both in the resource's unit: thousandths of a CPU, bytes, or pieces."""
    resource: str
    shares: tuple[Share, ...] = ()

    @property
    def percent(self) -> int:
        """How much of it is used, rounded down; what may not be used at all and is not counts as nothing."""
        return 100 * self.used // self.hard if self.hard else 100 if self.used else 0

    def text(self, amount: int) -> str:
        """Write an amount of it."""
        return text_of(self.resource, amount)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        namespaces = {one.namespace: {"used": one.used, "hard": one.hard} for one in self.shares}
        return {"used": self.text(self.used), "hard": self.text(self.hard), "percent": self.percent, "namespaces": namespaces}


def rows(tenant: Tenant, quotas: Mapping[str, QuotaObserved]) -> list[Row]:
    """Return all that is limited: what the spec counts, then what Kubernetes does, by name."""
    spec, plan = tenant.spec.quota, PLANS[tenant.spec.plan]
    counted = (
        ("projects", len(tenant.spec.projects), plan.projects if spec.projects is None else spec.projects),
        ("users", len(tenant.spec.members), plan.users if spec.users is None else spec.users),
    )
    found = [Row(name, used, hard, name) for name, used, hard in counted if hard is not None]
    for resource, hard in limits_of(tenant).items():
        used = sum(quota.used.get(resource, 0) for quota in quotas.values())
        found.append(Row(FIGURES.get(resource, resource), used, hard, resource, _shares(resource, quotas)))
    return found


def _shares(resource: str, quotas: Mapping[str, QuotaObserved]) -> tuple[Share, ...]:
    ordered = sorted(quotas.items(), key=lambda item: (-item[1].used.get(resource, 0), item[0]))
    return tuple(
        Share(name, text_of(resource, quota.used.get(resource, 0)), _hard(resource, quota.status_hard.get(resource, UNLIMITED)))
        for name, quota in ordered
    )


def _hard(resource: str, amount: int) -> str:
    return "unlimited" if amount >= UNLIMITED else text_of(resource, amount)


def next_out(found: Sequence[Row]) -> str:
    """Say what is used up, or what would be next, in a sentence."""
    over = [row for row in found if row.used > row.hard]
    if over:
        listed = ", ".join(f"{row.name} by {row.text(row.used - row.hard)}" for row in over)
        return f"Above the limit: {listed}; nothing more is let in until some is deleted or spec.quota raised."
    out = [row for row in found if row.used and row.used == row.hard]
    if out:
        return f"Used up: {', '.join(f'{row.name} ({row.text(row.hard)})' for row in out)}; delete some or raise spec.quota."
    first = max((row for row in found if row.used), key=lambda row: row.used / row.hard, default=None)
    if first is None:
        return "Nothing is used yet." if found else "Nothing is limited."
    left = first.text(first.hard - first.used)
    return f"Next to run out: {first.name}, {first.percent} % used ({first.text(first.used)} of {first.text(first.hard)}), {left} left."


def drawn(name: str, found: Sequence[Row], uncounted: Sequence[str], now: datetime) -> Group:
    """Draw it. `uncounted`: namespaces without a ResourceQuota that Kubernetes has counted."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title, justify in (("resource", "left"), ("used", "right"), ("of", "right"), ("", "left"), ("%", "right")):
        table.add_column(title, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("by namespace: used/may use now", overflow="fold")
    for row in found:
        table.add_row(row.name, row.text(row.used), row.text(row.hard), _bar(row.percent), str(row.percent), _split(row.shares))
    lines: list[Table | str] = [f"[bold]dht/{name}[/] [dim]{now:%Y-%m-%d %H:%M:%S} UTC[/]", table, next_out(found)]
    if uncounted:
        lines.append(f"[yellow]Not counted, as no quota is in force there yet:[/] {', '.join(uncounted)}")
    return Group(*lines)


def _bar(percent: int) -> str:
    full = min(_WIDTH, -(-percent * _WIDTH // 100))
    colour = "green" if percent < _ORANGE else "yellow" if percent < _RED else "red"
    return f"[{colour}]{'█' * full}[/][dim]{'░' * (_WIDTH - full)}[/]"


def _split(shares: Sequence[Share]) -> str:
    using = [one for one in shares if one.used != "0"]
    more = f" and {len(using) - _SHARES} more" if len(using) > _SHARES else ""
    return ", ".join(f"{one.namespace} {one.used}/{one.hard}" for one in using[:_SHARES]) + more
