"""What people are told about quota, and what Kubernetes tells about requests that it refused."""

import re
from collections.abc import Collection, Mapping
from typing import Final

from dharma_handlers.outcome import Condition
from dharma_handlers.tenant.quota_amounts import BACKUPS, BLUEPRINTS, DEPLOYMENTS, STORAGE, amount_of, text_of
from dharma_handlers.tenant.quota_state import NAME, QuotaObserved

FIGURES: Final = {STORAGE: "storage", BLUEPRINTS: "blueprints", DEPLOYMENTS: "deployments", BACKUPS: "backups"}
"""Names that `spec.quota` and `status.quota` have for resources of a ResourceQuota."""
_EXCEEDED: Final = re.compile(rf"exceeded quota: {NAME}, requested: (?P<requested>\S+?), used: (?P<used>\S+?), limited: ")
_LONGEST: Final = 3


def used_by_all(limits: Mapping[str, int], namespaces: Collection[str], observed: Mapping[str, QuotaObserved]) -> Mapping[str, int]:
    """Sum what the namespaces of the tenant use of each limited resource, as far as Kubernetes has counted it."""
    return {name: sum(observed[namespace].used.get(name, 0) for namespace in namespaces if namespace in observed) for name in limits}


def usage(limits: Mapping[str, int], namespaces: Collection[str], observed: Mapping[str, QuotaObserved]) -> Mapping[str, Mapping[str, str]]:
    """Return the entries of `status.quota` for all limited resources, under the names that `spec.quota` has for them."""
    return {
        FIGURES.get(name, name): {"used": text_of(name, used), "hard": text_of(name, limits[name])}
        for name, used in used_by_all(limits, namespaces, observed).items()
    }


def within_quota(limits: Mapping[str, int], namespaces: Collection[str], observed: Mapping[str, QuotaObserved]) -> Condition:
    """Say whether no more is in use than the limits, and if so, of what and by how much."""
    over = {name: used for name, used in used_by_all(limits, namespaces, observed).items() if used > limits[name]}
    if over:
        words = [
            f"{FIGURES.get(name, name)}: {text_of(name, used)} of {text_of(name, limits[name])} in use, "
            f"{text_of(name, used - limits[name])} too much"
            for name, used in over.items()
        ]
        more = f"; and {len(words) - _LONGEST} more" if len(words) > _LONGEST else ""
        message = f"{'; '.join(words[:_LONGEST])}{more}; nothing is evicted, nothing more is let in: delete some or raise spec.quota"
        return Condition("WithinQuota", "False", "OverQuota", message)
    uncounted = sorted(name for name in namespaces if name not in observed or not observed[name].enforced(limits))
    if uncounted:
        listed = ", ".join(uncounted[:_LONGEST]) + (f" and {len(uncounted) - _LONGEST} more" if len(uncounted) > _LONGEST else "")
        return Condition("WithinQuota", "Unknown", "NotCounted", f"not counted yet: {listed}")
    return Condition("WithinQuota", "True", "Within")


def refused(message: str) -> Mapping[str, int]:
    """Read the message of an event or error about a request that `dharma-quota` refused: by resource, the total that would have fit it.

    Empty when it is about something else. The wording is Kubernetes' own (`exceeded quota: …, requested: …, used: …, limited: …`).
    """
    match = _EXCEEDED.search(message)
    if match is None:
        return {}
    used = _listed(match["used"])
    return {name: amount + used.get(name, 0) for name, amount in _listed(match["requested"]).items()}


def _listed(text: str) -> dict[str, int]:
    pairs = (item.partition("=") for item in text.split(","))
    try:
        return {name: amount_of(name, amount) for name, _, amount in pairs}
    except ValueError:
        return {}
