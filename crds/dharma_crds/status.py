"""What all kinds report: conditions, as kstatus, Argo CD and Flux read them, revision and drift; and the columns that show it.

Bounds of lists and texts are kept by the writer and are not in the schema: a status that is refused would hide what it has to say.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from dharma_crds.base import PrinterColumn, Struct, Time
from dharma_crds.cel import list_map
from dharma_crds.common import FreeForm

ConditionStatus = Literal["True", "False", "Unknown"]


class Condition(Struct):
    """One statement about the object, true, false or not known yet."""

    type: str = Field(description="What the statement is about, such as Ready.")
    status: ConditionStatus = Field(description="Whether the statement holds: True, False or Unknown.")
    reason: str = Field(default="", description="One stable CamelCase word for the cause, fit for scripts and alerts.")
    message: str = Field(default="", description="The cause in a sentence for people, with the remedy where there is one.")
    last_transition_time: Time | None = Field(default=None, description="When the status last changed from one value to another.")
    observed_generation: int | None = Field(default=None, description="The generation of the object that this statement was made about.")


class Revision(Struct):
    """Which state of the spec is in force."""

    current: int | None = Field(default=None, description="Number of the newest revision of the spec.")
    last_good: int | None = Field(
        default=None, description="Number of the newest revision that became ready; what runs when a later one is refused."
    )
    generation: int | None = Field(default=None, description="The newest metadata.generation whose objects were applied.")
    hash: str | None = Field(default=None, description="Digest of the objects that the current revision asks for.")


class DriftItem(Struct):
    """One child that someone else changed."""

    object: str = Field(description="The object, as kind/name.")
    fields: tuple[str, ...] = Field(default=(), description="Paths of the fields that differ; empty when the object is missing.")
    manager: str | None = Field(default=None, description="Field manager that changed it, where the API server knows.")
    time: Time | None = Field(default=None, description="When it was seen.")


class DriftStatus(Struct):
    """What others changed."""

    count: int = Field(default=0, description="Changes found since the Blueprint was made, corrected ones included.")
    items: tuple[DriftItem, ...] = Field(
        default=(), description="The latest ones, at most twenty; under policy Correct those that were put back."
    )
    last_corrected: Time | None = Field(default=None, description="When something was last put back.")


class Status(Struct):
    """What every kind reports."""

    observed_generation: int | None = Field(
        default=None,
        description="The newest metadata.generation that was acted on. While it is smaller, the rest of the status is about an older spec.",
    )
    conditions: Annotated[tuple[Condition, ...], list_map("type")] = Field(
        default=(),
        description="Ready, Reconciling, Stalled and the kind's own; wait for one by `kubectl wait --for=condition=Ready`.",
    )

    revision: Revision | None = Field(default=None, description="Which state of the spec is in force.")
    drift: DriftStatus | None = Field(default=None, description="What others changed.")
    findings: tuple[FreeForm, ...] = Field(default=(), description="What looks unusual or risky; the latest fifty at most.")
    cost: FreeForm | None = Field(default=None, description="What it costs a month.")


READY_COLUMN: Final = PrinterColumn("Ready", '.status.conditions[?(@.type=="Ready")].status', "Whether all of it works now.")
REASON_COLUMN: Final = PrinterColumn("Reason", '.status.conditions[?(@.type=="Ready")].reason', "Why it is ready or not, in a word.")
MESSAGE_COLUMN: Final = PrinterColumn("Message", '.status.conditions[?(@.type=="Ready")].message', "The same in a sentence.", wide=True)
AGE_COLUMN: Final = PrinterColumn("Age", ".metadata.creationTimestamp", "Since when it exists.", type="date")
