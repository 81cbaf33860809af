"""What was in use a moment ago, from each version of the ResourceQuotas. Why: `dharma_handlers.tenant.quota_recent`."""

import time
from collections.abc import Callable, Iterable

from dharma_handlers.outcome import Manifest
from dharma_handlers.tenant.quota_amounts import amounts_from
from dharma_handlers.tenant.quota_recent import Recent
from dharma_handlers.tenant.quota_state import NAME, QuotaObserved
from dharma_operator.kube.resources import ObjectKey
from dharma_operator.store import part


class Recency:
    """By namespace, the rises of `used` that still count."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._recent: dict[str, Recent] = {}

    def take(self, key: ObjectKey, quota: Manifest | None) -> None:
        """Take in the next version of a ResourceQuota."""
        if key.name != NAME or key.namespace is None:
            return
        if quota is None:
            self._recent.pop(key.namespace, None)
            return
        used = amounts_from(part(part(quota, "status"), "used"))
        self._recent[key.namespace] = self._recent.get(key.namespace, Recent()).then(used, self._clock())

    def counted(self, seen: QuotaObserved) -> QuotaObserved:
        """Return what was seen with what was in use a moment ago, where that is more."""
        return self._recent.get(seen.namespace, Recent()).counted(seen, self._clock())

    def ends(self, namespaces: Iterable[str]) -> float | None:
        """Return in how many seconds something there does not count any more, so that it is to be decided anew."""
        now = self._clock()
        left = (self._recent[name].ends(now) for name in namespaces if name in self._recent)
        return min((each for each in left if each is not None), default=None)
