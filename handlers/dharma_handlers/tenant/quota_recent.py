"""What was in use a moment ago: Kubernetes may count too little for as long as its caches lag.

Admission adds to `used` before the object is stored. The quota controller counts from caches, after each change of `spec.hard` and each
deletion (not after a creation), and replaces `used` if the ResourceQuota is still the one it read. An object that was admitted but has not
come to its cache yet drops out of `used`, until the next count. So a fall soon after a rise may be such a slip.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from dharma_handlers.tenant.quota_state import QuotaObserved

RECENT_SECONDS: Final = 2.0
"""How long a rise counts. Caches lag for milliseconds, under load for some hundred. What is freed just after a rise waits so long."""


@dataclass(frozen=True, slots=True)
class Recent:
    """The rises of `used` in one ResourceQuota. One for each, kept from event to event."""

    used: Mapping[str, int] = field(default_factory=dict[str, int])
    rises: Mapping[str, tuple[tuple[float, int], ...]] = field(default_factory=dict[str, tuple[tuple[float, int], ...]])
    """By resource, when it rose (monotonic, in seconds) and to what; the amounts fall. Empty where nothing rose lately."""

    def then(self, counted: Mapping[str, int], now: float) -> "Recent":
        """Take in `used` of the next version. Every one must be: a rise that was not seen is not known."""
        rises: dict[str, tuple[tuple[float, int], ...]] = {}
        for name, used in counted.items():
            kept = tuple(rise for rise in self.rises.get(name, ()) if rise[0] + RECENT_SECONDS > now)
            if used > self.used.get(name, used):
                kept = (*(rise for rise in kept if rise[1] > used), (now, used))
            if kept:
                rises[name] = kept
        return Recent(counted, rises)

    def counted(self, seen: QuotaObserved, now: float) -> QuotaObserved:
        """Return what was seen with what was in use lately, where that is more."""
        recent = {
            name: amount
            for name, rises in self.rises.items()
            if (amount := max((to for since, to in rises if since + RECENT_SECONDS > now), default=0)) > seen.used.get(name, 0)
        }
        return replace(seen, recent=recent) if recent else seen

    def ends(self, now: float) -> float | None:
        """Return in how many seconds to decide anew, because something that was counted as in use then no longer is."""
        left = [
            since + RECENT_SECONDS - now
            for name, rises in self.rises.items()
            for since, to in rises
            if to > self.used.get(name, 0) and since + RECENT_SECONDS > now
        ]
        return min(left, default=None)
