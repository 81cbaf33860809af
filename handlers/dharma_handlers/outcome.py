"""What a handler returns: the objects that should exist, and the status that tells people about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, TypeAlias

Manifest: TypeAlias = dict[str, Any]
"""A Kubernetes object as JSON: `apiVersion`, `kind`, `metadata` and the fields that we want to own, no others."""

RETAIN_ANNOTATION = "dharma.io/retain"
"""Set to `"true"` on a child that stays when nothing wants it any more (volumes, credentials)."""


class Mode(Enum):
    """How a wanted object is brought about."""

    APPLY = "Apply"
    """Made when absent, made equal when different."""
    CREATE_ONLY = "CreateOnly"
    """Made when absent; from then on another process fills it."""
    UPDATE_ONLY = "UpdateOnly"
    """Made equal when present, not made yet: what it depends on is not ready for the first time."""
    KEEP = "Keep"
    """Never made, changed or pruned by an apply: the controller itself writes it, by rules of its own."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One object that should exist."""

    manifest: Manifest
    mode: Mode = Mode.APPLY
    adopt: bool = False
    """Whose it is was decided with the live object in view: it is taken over as it stands. Otherwise nobody's object is ever taken."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a status, without its times: those are the operator's to add."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    """Stable CamelCase word that programs may rely on."""
    message: str = ""
    """One sentence for people, fit for a printer column."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth telling once; the operator joins repetitions."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that one reconcile decided."""

    conditions: tuple[Condition, ...]
    """Must hold `Ready`, `Reconciling` and `Stalled`."""
    objects: tuple[Wanted, ...] | None = None
    """The complete set of children; others are pruned. None: leave the children as they are (suspended, invalid spec)."""
    correct_drift: bool = True
    """False: differences that did not come from a change of the spec are reported and left."""
    release: tuple[Manifest, ...] = ()
    """Children that are let go instead of pruned. Each says what of it stays ours (its name alone: nothing), and is then nobody's child."""
    hold: bool = False
    """Tell nothing yet: what comes next comes within moments, and a status for each step would cost more than the steps. Drift is told."""
    status: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The kind's own status fields: without conditions, observedGeneration, drift and the applied revision, which the operator adds."""
    requeue_after: float | None = None
    """Seconds until the object must be looked at again, though nothing changed. None: an event or the resync will do."""
    events: tuple[Event, ...] = ()
