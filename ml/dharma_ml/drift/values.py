"""How common a value is in the fleet: what nobody else has is more likely a mistake or an attack."""

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from dharma_ml.drift.changes import Change, Json, Leaf, leaves
from dharma_ml.drift.rules import repository

KEPT: Final = 200
"""Different values that are remembered a field; free text has more and is rare in any case."""
UNKNOWN: Final = 0.5
"""The rarity of a field that the fleet never had: it tells nothing."""


@dataclass(slots=True)
class FleetValues:
    """Counts of values by kind and path, brackets emptied."""

    counts: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])

    def learn(self, kind: str, manifest: dict[str, Json]) -> None:
        """Count all values of one object as it should be."""
        for leaf in leaves(Change(kind, "", "", None, manifest)):
            counter = self.counts.setdefault(f"{kind} {leaf.path}", Counter())
            value = _value(leaf, leaf.after)
            if value in counter or len(counter) < KEPT:
                counter[value] += 1

    def rarity(self, kind: str, leaf: Leaf) -> float:
        """Tell how rare the new value is, 0 (all have it) to 1 (nobody of many); for a removed one, how common it was to have it."""
        counter = self.counts.get(f"{kind} {leaf.path}")
        if not counter:
            return UNKNOWN
        total = counter.total()
        if leaf.after is None:
            return total / (total + 2)
        share = (counter[_value(leaf, leaf.after)] + 0.5) / (total + 1)
        return min(1.0, max(0.0, 1.0 - share))

    def save(self) -> bytes:
        """Give the counts as bytes."""
        return json.dumps(self.counts, sort_keys=True).encode()

    @classmethod
    def restore(cls, state: bytes) -> "FleetValues":
        """Read what `save` gave. Raises ValueError for anything else."""
        try:
            content = json.loads(state)
            return cls(
                {str(path): Counter({str(value): int(count) for value, count in counts.items()}) for path, counts in content.items()}
            )
        except (AttributeError, TypeError) as error:
            raise ValueError("these are no counts of a fleet") from error


def _value(leaf: Leaf, value: Json) -> str:
    """Give an image without its tag: its origin is what should be common, not its version."""
    text = str(value)[:100]
    return repository(text) if leaf.path.endswith("image") else text
