"""All Tenants, a line each."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.markup import escape
from rich.table import Table

from dharma_operator.cli.cluster import Manifest
from dharma_operator.cli.tree import condition
from dharma_operator.store import part

_NONE = "[dim]-[/]"
_UNITS = (("d", 86400), ("h", 3600), ("m", 60))


def table(tenants: Sequence[Manifest], now: datetime) -> Table:
    """Draw them. What the operator has not told yet is a dash."""
    drawn = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("NAME", "PLAN", "PROJECTS", "BLUEPRINTS", "DEPLOYMENTS", "STORAGE", "READY", "REASON", "AGE"):
        drawn.add_column(title, overflow="fold")
    for one in tenants:
        told = part(part(one, "status"), "summary")
        figures = (escape(str(told.get(name) or "")) or _NONE for name in ("projects", "blueprints", "deployments", "storage"))
        drawn.add_row(one["metadata"]["name"], one["spec"]["plan"], *figures, *_ready(one), age(one, now))
    return drawn


def age(manifest: Manifest, now: datetime) -> str:
    """Return how long an object has existed, in its largest unit: `3d`, `5h`, `12m`, `40s`."""
    seconds = max(0, int((now - datetime.fromisoformat(manifest["metadata"]["creationTimestamp"]).astimezone(UTC)).total_seconds()))
    return next((f"{seconds // size}{unit}" for unit, size in _UNITS if seconds >= size), f"{seconds}s")


def _ready(tenant: Manifest) -> tuple[str, str]:
    ready = condition(tenant, "Ready")
    if not ready:
        return _NONE, "[yellow]not seen by an operator yet[/]"
    colour = "green" if ready["status"] == "True" else "red" if condition(tenant, "Stalled").get("status") == "True" else "yellow"
    return f"[{colour}]{ready['status']}[/]", escape(ready.get("reason") or "")
