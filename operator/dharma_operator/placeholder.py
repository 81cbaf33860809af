"""Kinds whose controllers are still to come: accepted, and their status says so."""

from dharma_handlers.outcome import Condition, Outcome
from dharma_operator.controllers import Controller, KindInfo, Request
from dharma_operator.status import READY, RECONCILING, STALLED

NOT_IMPLEMENTED = "NotImplemented"


class Placeholder(Controller):
    """Does nothing to objects of a kind, and says so."""

    def __init__(self, kind: KindInfo) -> None:
        self._kind = kind

    @property
    def kind(self) -> KindInfo:
        """The kind it is for."""
        return self._kind

    async def reconcile(self, request: Request) -> Outcome:
        """Tell that nothing is done."""
        del request
        message = f"This version accepts a {self._kind.name} and does nothing with it yet."
        return Outcome(
            conditions=(
                Condition(READY, "Unknown", NOT_IMPLEMENTED, message),
                Condition(RECONCILING, "False", NOT_IMPLEMENTED, message),
                Condition(STALLED, "False", NOT_IMPLEMENTED, message),
            )
        )

    def forget(self, namespace: str, name: str) -> None:
        """Nothing is kept."""
