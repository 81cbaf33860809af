"""`dharma.io/rollback-to`: an older version in the place of the one that the spec asks for, until the spec asks for another."""

import dataclasses
from typing import Final

from dharma_crds.deployment import DharmaDeployment, Pin
from dharma_handlers.deployment.observed import View
from dharma_handlers.deployment.revision import Revision
from dharma_handlers.deployment.state import State

ROLLBACK_TO: Final = "dharma.io/rollback-to"


def pin_of(deployment: DharmaDeployment, view: View, asked: Revision, before: Pin | None) -> Pin | None:
    """Return what the annotation means by now. It holds for the spec that it was first seen with, and says nothing about later ones."""
    to = deployment.metadata.annotations.get(ROLLBACK_TO, "")
    if before is not None and before.to == to:
        return before
    known = view.revision(to) is not None and to != asked.hash
    return Pin(to=to, instead_of=asked.hash) if known else None


def wanted_by(view: View, asked: Revision, pin: Pin | None) -> Revision:
    """Return the version to bring about: the spec's, or the older one."""
    older = view.revision(pin.to) if pin is not None and pin.instead_of == asked.hash else None
    return older or asked


def with_pin(state: State, pin: Pin | None) -> State:
    """Return the state with the pin. What a person asks for by name is tried again, though it was refused once."""
    if pin == state.pin:
        return state
    refused = tuple(version for version in state.refused if pin is None or version != pin.to)
    return dataclasses.replace(state, pin=pin, refused=refused)
