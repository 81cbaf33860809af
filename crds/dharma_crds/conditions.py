"""Conditions, as kstatus, Argo CD and Flux read them, and the status fields that all kinds share."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from dharma_crds.base import PrinterColumn, Struct, Time
from dharma_crds.cel import list_map

ConditionStatus = Literal["True", "False", "Unknown"]

READY: Final = "Ready"
RECONCILING: Final = "Reconciling"
STALLED: Final = "Stalled"


class Condition(Struct):
    """One statement about the object, true, false or not known yet."""

    type: str = Field(description="What the statement is about, such as Ready.")
    status: ConditionStatus = Field(description="Whether the statement holds: True, False or Unknown.")
    reason: str = Field("", description="One stable CamelCase word for the cause, fit for scripts and alerts.")
    message: str = Field("", description="The cause in a sentence for people, with the remedy where there is one.")
    last_transition_time: Time | None = Field(None, description="When the status last changed from one value to another.")
    observed_generation: int | None = Field(None, description="The generation of the object that this statement was made about.")


class Status(Struct):
    """What every kind reports."""

    observed_generation: int | None = Field(
        None,
        description="The newest metadata.generation that was acted on. While it is smaller, the rest of the status is about an older spec.",
    )
    conditions: Annotated[tuple[Condition, ...], list_map("type")] = Field(
        (),
        description="Ready, Reconciling, Stalled and the kind's own; wait for one by `kubectl wait --for=condition=Ready`.",
    )

    def condition(self, kind: str) -> Condition | None:
        """The condition of that type, if it was ever stated."""
        return next((condition for condition in self.conditions if condition.type == kind), None)


READY_COLUMN: Final = PrinterColumn("Ready", '.status.conditions[?(@.type=="Ready")].status', "Whether all of it works now.")
REASON_COLUMN: Final = PrinterColumn("Reason", '.status.conditions[?(@.type=="Ready")].reason', "Why it is ready or not, in a word.")
MESSAGE_COLUMN: Final = PrinterColumn("Message", '.status.conditions[?(@.type=="Ready")].message', "The same in a sentence.", wide=True)
AGE_COLUMN: Final = PrinterColumn("Age", ".metadata.creationTimestamp", "Since when it exists.", type="date")
