"""Where a rollout stands: what is kept in status, and all that a restarted operator knows of it."""

import dataclasses
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, cast

from dharma_crds.deployment import CheckStatus, DeploymentRevision, DeploymentRevisions, DeploymentStatus, Pin, Rollback

Phase = Literal["Idle", "Provision", "Warm", "PreCheck", "AwaitPromotion", "Switch", "Propagate", "Bake", "Drain", "Aborting", "Degraded"]

AT_REST: Final = frozenset({"Idle", "Degraded"})
BEFORE_SWITCH: Final = frozenset({"Provision", "Warm", "PreCheck", "AwaitPromotion"})
AFTER_SWITCH: Final = frozenset({"Propagate", "Bake", "Drain"})
"""The new version is the active one, and the one before it stays ready to take over again."""

_NONE: Final = DeploymentRevision()


@dataclass(frozen=True, slots=True)
class State:
    """The persistent state of one Deployment. What is not in it is observed anew each time."""

    phase: Phase = "Idle"
    since: datetime | None = None
    """When the phase began, to the second."""
    active: DeploymentRevision = _NONE
    """The version that serves, or, in Switch and Aborting, that is to serve from now on. Hash empty: none yet."""
    target: DeploymentRevision = _NONE
    """The version that is, or was last, made ready: the active one at rest; while aborting, the one that is left."""
    previous: DeploymentRevision = _NONE
    """The version that served before the active one; from Switch to Drain it is ready to take over again."""
    color: str = "Blue"
    """Of the active version."""
    refused: tuple[str, ...] = ()
    checks: tuple[CheckStatus, ...] = ()
    """Of the version and stage under way."""
    rollback: Rollback | None = None
    pin: Pin | None = None
    """The older version that a person asked for last, and what for."""

    def enter(self, phase: Phase, now: datetime, **changes: Any) -> "State":  # noqa: ANN401 (fields of this class)
        """Return the state in another phase, which begins now."""
        return dataclasses.replace(self, phase=phase, since=now, **changes)

    def age(self, now: datetime) -> timedelta:
        """How long the phase has lasted."""
        return now - self.since if self.since is not None else timedelta(0)

    @property
    def other_color(self) -> str:
        """Of the version beside the active one; of the first one, while none is active."""
        return "Green" if self.color == "Blue" and self.active.hash else "Blue"

    @property
    def left(self) -> str:
        """The version other than the active one that still has pods, by the phase; empty: there is none."""
        if self.phase in BEFORE_SWITCH or self.phase == "Aborting":
            return self.target.hash
        return self.previous.hash if self.phase == "Switch" or self.phase in AFTER_SWITCH else ""


_PHASES: Final = frozenset({*AT_REST, *BEFORE_SWITCH, *AFTER_SWITCH, "Switch", "Aborting"})


def read_state(status: DeploymentStatus) -> State:
    """Read the state back from a status."""
    revisions = status.revisions or DeploymentRevisions()
    return State(
        phase=cast("Phase", status.phase) if status.phase in _PHASES else "Idle",
        since=status.phase_since,
        active=revisions.active or _NONE,
        target=revisions.target or _NONE,
        previous=revisions.previous or _NONE,
        color=status.active or "Blue",
        refused=status.refused,
        checks=status.checks,
        rollback=status.last_rollback,
        pin=status.pinned,
    )


def written_state(state: State) -> dict[str, Any]:
    """Write the state as fields of a status, those without a value left out."""
    revisions = {"active": state.active, "target": state.target, "previous": state.previous}
    built = DeploymentStatus(
        phase=state.phase,
        phase_since=state.since,
        active=state.color if state.active.hash else None,
        preview=state.other_color if state.left else None,
        revisions=DeploymentRevisions(**{name: revision if revision.hash else None for name, revision in revisions.items()}),
        refused=state.refused,
        checks=state.checks,
        last_rollback=state.rollback,
        pinned=state.pin,
    ).to_dict()
    return {name: value for name, value in built.items() if value not in ([], {})}
