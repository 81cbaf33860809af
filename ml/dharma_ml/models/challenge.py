"""Champion and challenger: a new model first runs in the shadow, is promoted only when it is not worse, and can be taken back."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dharma_ml.models.card import ArtefactError
from dharma_ml.models.store import Roles, Shadow, Store

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ChallengeParameters:
    """When a challenger may take over."""

    hours: float = 24.0
    """In the shadow: a whole day, so that each hour of the day was seen."""
    points: int = 24
    """At least: one an hour."""
    margin: float = 0.01
    """Share of the champion's loss by which the challenger's may be higher: below what 24 hourly points can tell apart."""


SHIPPED: Final = ChallengeParameters()


def enter(store: Store, name: str, ident: str) -> Roles:
    """Let an artefact compete. The first one of a model becomes champion at once: there is nothing it could be worse than.

    Raises ArtefactError when the artefact is not there or not whole.
    """
    roles = store.roles(name)
    if ident == roles.champion:
        return roles
    entered = replace(roles, champion=ident) if roles.champion is None else replace(roles, challenger=ident, shadow=None)
    store.assign(name, entered)
    return entered


def compare(store: Store, name: str, hours: float, champion_losses: Floats, challenger_losses: Floats) -> Roles:
    """Add what came of the same points for both, shape (n,) each: losses, smaller is better; pairs with a NaN are left out.

    `hours`: how long these points took. Raises ArtefactError without a challenger, ValueError for shapes that differ.
    """
    roles = store.roles(name)
    if roles.challenger is None:
        raise ArtefactError(f"{name} has no challenger")
    if champion_losses.shape != challenger_losses.shape:
        raise ValueError("both must be judged on the same points")
    usable = np.isfinite(champion_losses) & np.isfinite(challenger_losses)
    count = int(usable.sum())
    before = roles.shadow or Shadow(0.0, 0, 0.0, 0.0)
    total = before.points + count

    def mean(old: float, new: Floats) -> float:
        return (old * before.points + float(new[usable].sum())) / total if total else 0.0

    shadow = Shadow(
        before.hours + hours, total, mean(before.champion_loss, champion_losses), mean(before.challenger_loss, challenger_losses)
    )
    compared = replace(roles, shadow=shadow)
    store.assign(name, compared)
    return compared


def objection(roles: Roles, parameters: ChallengeParameters = SHIPPED) -> str | None:
    """Tell in a sentence why the challenger may not take over, None when it may."""
    if roles.challenger is None:
        return "There is no challenger."
    shadow = roles.shadow
    if shadow is None:
        return "The challenger did not run in the shadow yet."
    if shadow.hours < parameters.hours or shadow.points < parameters.points:
        return (
            f"The challenger ran {shadow.hours:.0f} h and {shadow.points} points in the shadow; "
            f"{parameters.hours:.0f} h and {parameters.points} points are needed."
        )
    if shadow.challenger_loss > shadow.champion_loss * (1 + parameters.margin):
        return f"The challenger is worse: a mean loss of {shadow.challenger_loss:.4g} against {shadow.champion_loss:.4g} of the champion."
    return None


def promote(store: Store, name: str, *, force: bool = False, parameters: ChallengeParameters = SHIPPED) -> Roles:
    """Make the challenger champion. Raises ArtefactError with the objection, unless forced; without a challenger in any case."""
    roles = store.roles(name)
    against = objection(roles, parameters)
    if against is not None and (not force or roles.challenger is None):
        raise ArtefactError(against)
    former = (*roles.former, roles.champion) if roles.champion is not None else roles.former
    promoted = Roles(champion=roles.challenger, former=former)
    store.assign(name, promoted)
    return promoted


def rollback(store: Store, name: str) -> Roles:
    """Make the champion before this one champion again; this one is forgotten as champion, its artefact stays.

    Raises ArtefactError when there was none, or its artefact is no longer whole.
    """
    roles = store.roles(name)
    if not roles.former:
        raise ArtefactError(f"{name} had no champion before this one.")
    back = replace(roles, champion=roles.former[-1], former=roles.former[:-1], shadow=None)
    back = replace(back, challenger=None if back.challenger == back.champion else back.challenger)
    store.assign(name, back)
    return back
