"""Amounts of limited resources as whole numbers, and the limits of a Tenant in them.

The unit follows from the resource's name: thousandths of a CPU for `…cpu`, bytes for `…memory`, `…storage` and huge pages, pieces for all
others. Limits are rounded down and what is in use is rounded up, so that rounding never lets more in.
"""

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from dharma_crds.quantity import Quantity, parse_quantity
from dharma_crds.tenant import PLANS, Tenant

STORAGE: Final = "requests.storage"
BLUEPRINTS: Final = "count/blueprints.dharma.io"
DEPLOYMENTS: Final = "count/deployments.dharma.io"
BACKUPS: Final = "count/backups.dharma.io"
BACKUPS_PER_BLUEPRINT: Final = 5
"""A Backup is a schedule or a single save of one Blueprint: nightly, weekly, monthly, and two by hand."""

KNOWN: Final = frozenset({STORAGE, BLUEPRINTS, DEPLOYMENTS, BACKUPS}.union(*(plan.compute for plan in PLANS.values())))
"""All resources that some plan limits."""

UNLIMITED: Final = 1 << 100
"""Stands for "no bound" in comparisons and sums: larger than any amount there can be."""
_UNLIMITED_TEXT: Final = "unlimited"
_MIB: Final = 1 << 20


def limits_of(tenant: Tenant) -> Mapping[str, int]:
    """Return what all namespaces of the tenant may use together, by ResourceQuota's names; absent is unlimited.

    The spec's figures win over the plan's, each resource of `compute` by itself. Where `compute` also names a resource that has a figure of
    its own (storage), the smaller one holds. Backups have no figure: five for each Blueprint that is allowed.
    """
    quota, plan = tenant.spec.quota, PLANS[tenant.spec.plan]
    compute = {**plan.compute, **{name: str(amount) for name, amount in quota.compute.items()}}
    limits = {name: amount_of(name, text, rounding=ROUND_FLOOR) for name, text in compute.items()}
    storage = str(quota.storage) if quota.storage is not None else plan.storage
    blueprints = quota.blueprints if quota.blueprints is not None else plan.blueprints
    deployments = quota.deployments if quota.deployments is not None else plan.deployments
    figures = {
        STORAGE: None if storage is None else amount_of(STORAGE, storage, rounding=ROUND_FLOOR),
        BLUEPRINTS: blueprints,
        DEPLOYMENTS: deployments,
        BACKUPS: None if blueprints is None else BACKUPS_PER_BLUEPRINT * blueprints,
    }
    for name, figure in figures.items():
        if figure is not None:
            limits[name] = min(figure, limits.get(name, figure))
    return dict(sorted(limits.items()))


def amount_of(resource: str, text: str | int, *, rounding: str = ROUND_CEILING) -> int:
    """Read a quantity as a whole number of the resource's unit. Raises ValueError when it is no quantity."""
    value = parse_quantity(str(text)) * (1000 if _is_cpu(resource) else 1)
    return int(value.to_integral_value(rounding=rounding))


def text_of(resource: str, amount: int) -> str:
    """Write an amount as the API server would: `500m`, `2`, `1Gi`."""
    if _is_cpu(resource):
        return str(amount // 1000) if amount % 1000 == 0 else f"{amount}m"
    return str(Quantity.of_bytes(amount)) if _is_bytes(resource) else str(amount)


def grain_of(resource: str, limit: int) -> int:
    """Return the step in which a first division is made, so that people see round figures: 1 Mi, 10 thousandths of a CPU, one piece."""
    step = _MIB if _is_bytes(resource) else 10 if _is_cpu(resource) else 1
    return step if limit >= 1000 * step else 1


def amounts_from(quantities: Mapping[str, str | int]) -> dict[str, int]:
    """Read `spec.hard`, `status.hard`, `status.used`, or the amounts of the ledger."""
    return {name: UNLIMITED if text == _UNLIMITED_TEXT else amount_of(name, text) for name, text in quantities.items()}


def texts_from(amounts: Mapping[str, int]) -> dict[str, str]:
    """Write them again, sorted by name."""
    return {name: _UNLIMITED_TEXT if amounts[name] >= UNLIMITED else text_of(name, amounts[name]) for name in sorted(amounts)}


def percent_of(limit: int, share: int) -> int:
    """`share` percent of the limit, rounded down."""
    return int(Decimal(limit) * share // 100)


def _is_cpu(resource: str) -> bool:
    return resource.rpartition(".")[2] == "cpu"


def _is_bytes(resource: str) -> bool:
    last = resource.rpartition(".")[2]
    return last in {"memory", "storage", "ephemeral-storage"} or last.startswith("hugepages-")
