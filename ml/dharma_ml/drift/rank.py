"""Ranks changes: rule prior x blast radius x rarity in the fleet x context of the change; each factor is told beside the score."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dharma_ml.drift.benign import is_benign
from dharma_ml.drift.changes import Change, Leaf, leaves
from dharma_ml.drift.rules import Category, Rule
from dharma_ml.drift.table import AVAILABILITY, COSMETIC, COST, SECURITY
from dharma_ml.drift.values import FleetValues
from dharma_ml.findings import Finding, Severity


@dataclass(frozen=True, slots=True)
class RankParameters:
    """How much each factor may take away from the prior. Chosen by judgement, before anything was measured, and not tuned since."""

    blast: float = 0.15
    """A change that one pod sees keeps 85 % of the prior; what over a hundred see keeps all."""
    rarity: float = 0.10
    """A value that the whole fleet has keeps 90 %."""
    machine: float = 0.10
    """What a controller wrote keeps 90 %: people are who makes drift that nobody reviewed."""
    critical: float = 0.8
    high: float = 0.55
    medium: float = 0.3
    """Scores from which the severity holds."""


SHIPPED: Final = RankParameters()
CLUSTER: Final = frozenset({
    "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "MutatingWebhookConfiguration", "Namespace", "PersistentVolume",
    "StorageClass", "ValidatingWebhookConfiguration",
})  # fmt: skip
"""Kinds that concern the whole cluster."""
PERSON: Final = re.compile(r"kubectl|edit|patch|console|dashboard|lens|k9s|curl|mozilla|^$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Ranked:
    """A change with its place. Factors in 0..1; the score is their product."""

    change: Change
    category: Category
    score: float
    severity: Severity
    prior: float
    blast: float
    rarity: float
    context: float
    reason: str
    """One sentence for people."""
    security: float
    """How much it is about security alone, in 0..1: the greatest prior of its security leaves times the same factors."""


def rank(changes: Sequence[Change], fleet: FleetValues, parameters: RankParameters = SHIPPED) -> list[Ranked]:
    """Rank changes, the most serious first; equal scores stay in their order. Never raises for odd values."""
    judged = [judge(change, fleet, parameters) for change in changes]
    return sorted(judged, key=lambda ranked: -ranked.score)


def judge(change: Change, fleet: FleetValues, parameters: RankParameters = SHIPPED) -> Ranked:
    """Judge one change by the most serious of the values that differ."""
    found = [(*classify(change.kind, leaf, change.manager), leaf) for leaf in leaves(change)]
    if change.path == "":
        found = _whole(change, found)
    category, prior, leaf = max(found, key=lambda one: one[1], default=(Category.BENIGN, 0.0, Leaf(change.path, "", None, None)))
    blast = 1.0 if change.kind in CLUSTER else min(1.0, math.log2(1 + max(change.reach, 0)) / math.log2(101))
    rare = fleet.rarity(change.kind, leaf)
    machine = 0.0 if PERSON.search(change.manager) else 1.0
    guarded = max((prior for about, prior, _ in found if about is Category.SECURITY), default=0.0)
    factors = 1 - parameters.blast * (1 - blast), 1 - parameters.rarity * (1 - rare), 1 - parameters.machine * machine
    score = prior * math.prod(factors)
    severity = (
        Severity.CRITICAL if score >= parameters.critical
        else Severity.HIGH if score >= parameters.high
        else Severity.MEDIUM if score >= parameters.medium
        else Severity.LOW
    )  # fmt: skip
    return Ranked(change, category, score, severity, prior, *factors, _reason(change, category, leaf), guarded * math.prod(factors))


def classify(kind: str, leaf: Leaf, manager: str) -> tuple[Category, float]:
    """Tell what a leaf is about and its prior in 0..1."""
    if is_benign(kind, leaf, manager):
        return Category.BENIGN, 0.0
    for rules in (SECURITY, COST + COSMETIC, AVAILABILITY):
        best = max((rule for rule in rules if rule.holds(kind, leaf)), key=_weight, default=None)
        if best is not None:
            return best.category, best.weight
    return Category.AVAILABILITY, 0.5


def findings(ranked: Sequence[Ranked], now: float) -> list[Finding]:
    """Make findings of all that is drift at all, in the order given."""
    return [
        Finding(
            stream=f"{one.change.kind}/{one.change.name}",
            kind="Drift",
            severity=one.severity,
            confidence=min(one.score, 1.0),
            message=one.reason,
            time=one.change.time or now,
            numbers={"score": one.score, "prior": one.prior, "blast": one.blast, "rarity": one.rarity, "context": one.context},
        )
        for one in ranked
        if one.category is not Category.BENIGN
    ]


def _weight(rule: Rule) -> float:
    return rule.weight


def _whole(change: Change, found: list[tuple[Category, float, Leaf]]) -> list[tuple[Category, float, Leaf]]:
    """Judge an object that vanished by what it was for; one that appeared by what is in it."""
    if change.after is None:
        guards = change.kind in {"NetworkPolicy", "ValidatingWebhookConfiguration", "ResourceQuota", "LimitRange"}
        return [(Category.SECURITY if guards else Category.AVAILABILITY, 0.85, Leaf("", "", change.kind, None))]
    return found


def _reason(change: Change, category: Category, leaf: Leaf) -> str:
    who = f"by {change.manager}" if change.manager else "by an unknown manager"
    where = leaf.path.replace("[]", f"[{leaf.key}]", 1) if leaf.path.count("[]") == 1 and leaf.key else leaf.path or "the object"
    return f"{change.kind} {change.name}: {where} was {_short(leaf.before)}, is {_short(leaf.after)} ({category.value}, {who})."


def _short(value: object) -> str:
    if value is None:
        return "absent"
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
