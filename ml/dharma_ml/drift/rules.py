"""What a changed field is about, and how much: security, availability, cost, cosmetic, or nothing at all.

The rules follow the field's meaning in the Kubernetes API and the Pod Security Standards, family by family.
Weights are judgements in 0..1: a way out of the container 0.9 and over, weaker walls 0.6 to 0.85, an outage 0.7 and over, less reserve 0.5.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from dharma_ml.drift.changes import Json, Leaf, quantity


class Category(Enum):
    """What a change is about, ascending in how much it matters."""

    BENIGN = "benign"
    COSMETIC = "cosmetic"
    COST = "cost"
    AVAILABILITY = "availability"
    SECURITY = "security"


Test = Callable[[Leaf], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: where it holds, when, and what it says."""

    category: Category
    weight: float
    path: re.Pattern[str]
    test: Test
    kinds: frozenset[str]
    """Empty: all."""

    def holds(self, kind: str, leaf: Leaf) -> bool:
        """Tell whether this rule speaks about that leaf."""
        return (not self.kinds or kind in self.kinds) and self.path.search(leaf.path) is not None and self.test(leaf)


def changed(_: Leaf) -> bool:
    """Hold for any difference."""
    return True


def added(leaf: Leaf) -> bool:
    """Hold where nothing was before."""
    return leaf.before is None


def removed(leaf: Leaf) -> bool:
    """Hold where nothing is now."""
    return leaf.after is None


def replaced(leaf: Leaf) -> bool:
    """Hold where one value took another's place."""
    return leaf.before is not None and leaf.after is not None


def on(leaf: Leaf) -> bool:
    """Hold where it is true now."""
    return leaf.after is True


def off(leaf: Leaf) -> bool:
    """Hold where it was true."""
    return leaf.before is True and leaf.after is not True


def less(leaf: Leaf) -> bool:
    """Hold where a number became smaller."""
    before, after = quantity(leaf.before), quantity(leaf.after)
    return before is not None and after is not None and after < before


def more(leaf: Leaf) -> bool:
    """Hold where a number became larger."""
    before, after = quantity(leaf.before), quantity(leaf.after)
    return before is not None and after is not None and after > before


def became(*values: Json) -> Test:
    """Hold where it is one of these now."""
    return lambda leaf: leaf.after in values and type(leaf.after) in {type(value) for value in values}


def keyed(pattern: str, test: Test = changed) -> Test:
    """Hold where what is in the last brackets fits the pattern."""
    found = re.compile(pattern, re.IGNORECASE)
    return lambda leaf: found.search(leaf.key) is not None and test(leaf)


def both(*tests: Test) -> Test:
    """Hold where all of them hold."""
    return lambda leaf: all(test(leaf) for test in tests)


def image_moved(leaf: Leaf) -> bool:
    """Hold where an image comes from another repository, or is no longer pinned by a digest."""
    before, after = str(leaf.before), str(leaf.after)
    return replaced(leaf) and (repository(before) != repository(after) or ("@" in before and "@" not in after))


def repository(image: str) -> str:
    """Cut tag and digest off an image."""
    return re.sub(r":[^/:]*$", "", image.partition("@")[0])


def text(pattern: str) -> Test:
    """Hold where the new text has what the old one had not."""
    found = re.compile(pattern, re.IGNORECASE)
    return lambda leaf: found.search(_said(leaf, leaf.after)) is not None and found.search(_said(leaf, leaf.before)) is None


def _said(leaf: Leaf, value: Json) -> str:
    return "" if value is None else f"{leaf.key}={value}"


def rule(category: Category, weight: float, path: str, test: Test = changed, kinds: str = "") -> Rule:
    """Write a row; `kinds` separated by spaces."""
    return Rule(category, weight, re.compile(path), test, frozenset(kinds.split()))


INSECURE: Final = (
    r"insecure|anonymous|no-?auth|disable-?(auth|tls|ssl)|allow-?all|skip-?verif|verify\w*=(false|no|none|0|off)"
    r"|(tls|ssl|auth|authn|authz|rbac|encrypt\w*)[\w.-]*[=:]\s*\"?(false|no|none|off|0|disable\w*|trust)\b"
)
"""Words by which programs are told to let anybody in or not to check whom they talk to."""
