"""What all models share: immutability, camelCase in YAML, rules for the API server, and the envelope of a custom resource."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, dataclass_transform

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, GetJsonSchemaHandler, PlainSerializer
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from dharma_crds.cel import VALIDATIONS, Rule


def format_time(moment: datetime) -> str:
    """`moment` as Kubernetes writes times: RFC 3339 in whole seconds, `2026-11-20T08:00:00Z`. Naive times raise ValueError."""
    offset = moment.utcoffset()
    if offset is None:
        raise ValueError(f"{moment} has no time zone; give one")
    return (moment - offset).strftime("%Y-%m-%dT%H:%M:%SZ")


Time = Annotated[AwareDatetime, PlainSerializer(format_time, return_type=str, when_used="unless-none")]
"""A moment, RFC 3339 in YAML, an aware datetime in Python."""


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
class Struct(BaseModel):
    """An immutable part of a custom resource: snake_case attributes here, camelCase keys in YAML.

    Unknown keys are ignored on reading, so that an older operator reads the objects of a newer schema; on writing the API server
    refuses them.
    """

    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        extra="ignore",
    )
    cel_rules: ClassVar[tuple[Rule, ...]] = ()
    """Rules of this object as a whole; `self` in them is the object."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /) -> JsonSchemaValue:
        schema = handler(core_schema)
        if cls.cel_rules:
            handler.resolve_ref_schema(schema)[VALIDATIONS] = [rule.as_schema() for rule in cls.cel_rules]
        return schema

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data under camelCase keys, without what is unset."""
        return self.model_dump(mode="json", exclude_none=True)


class ObjectMeta(Struct):
    """The part of a Kubernetes object's metadata that decisions need."""

    name: str = ""
    namespace: str | None = None
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: tuple[str, ...] = ()
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None


@dataclass(frozen=True, slots=True)
class PrinterColumn:
    """A column of `kubectl get`; `wide` ones are shown with `-o wide` only."""

    name: str
    path: str
    description: str
    type: Literal["string", "integer", "date"] = "string"
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Scale:
    """Paths of the scale subresource (`kubectl scale`)."""

    spec_replicas: str
    status_replicas: str
    label_selector: str


@dataclass(frozen=True, slots=True)
class CrdMeta:
    """What a CRD says beside its schema."""

    plural: str
    singular: str
    short_name: str
    scope: Literal["Namespaced", "Cluster"]
    summary: str
    columns: tuple[PrinterColumn, ...]
    selectable: tuple[str, ...] = ()
    scale: Scale | None = None


class CustomResource(Struct):
    """The envelope of all four kinds. Subclasses add `kind`, `spec` and `status`."""

    crd: ClassVar[CrdMeta]

    api_version: Literal["dharma.io/v1alpha1"] = Field(
        default="dharma.io/v1alpha1", description="The version of this API that the object is written in."
    )
    metadata: ObjectMeta = Field(description="The object's name, labels and annotations.")

    @property
    def name(self) -> str:
        """The object's name."""
        return self.metadata.name

    @property
    def namespace(self) -> str:
        """The object's namespace; empty for a kind of cluster scope."""
        return self.metadata.namespace or ""
