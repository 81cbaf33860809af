"""Validation rules that the API server evaluates (`x-kubernetes-validations`), and the list kinds that merge by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

Reason = Literal["FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired"]
"""Not FieldValueDuplicate: with it the API server leaves the message out."""
VALIDATIONS = "x-kubernetes-validations"
RULE_NAME = "x-dharma-rule"
"""Names a rule for the tests' coverage table; the generator drops it."""
UNIT = "x-dharma-unit"
"""What a field is measured in; the generator writes it into the description."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One CEL rule. `message` says what is wrong and the remedy; `message_expression` says it with the object's own values."""

    name: str
    rule: str
    message: str
    message_expression: str | None = None
    reason: Reason | None = None
    field_path: str | None = None

    def as_schema(self) -> dict[str, str]:
        """Make the entry of `x-kubernetes-validations`, with the rule's name under a key that the generator drops."""
        optional = {"messageExpression": self.message_expression, "reason": self.reason, "fieldPath": self.field_path}
        return {RULE_NAME: self.name, "rule": self.rule, "message": self.message} | {k: v for k, v in optional.items() if v is not None}


@dataclass(frozen=True, slots=True)
class SchemaExtra:
    """Annotated metadata that adds keywords to a field's schema and changes nothing else."""

    keywords: tuple[tuple[str, Any], ...]

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | dict(self.keywords)


def list_map(*keys: str) -> SchemaExtra:
    """Make a list one whose entries are told apart by `keys`: doubles are refused, and two appliers may own an entry each."""
    return SchemaExtra((("x-kubernetes-list-type", "map"), ("x-kubernetes-list-map-keys", list(keys))))


def says(template: str, *values: str) -> str:
    """CEL for `template` with the CEL expressions `values` in the places of its `%s`.

    Formatting is what the API server can price: text joined by `+` is priced by the longest that a number or a list could become,
    and the CRD is refused.
    """
    return f"'{template}'.format([{', '.join(values)}])"


LIST_SET = SchemaExtra((("x-kubernetes-list-type", "set"),))
"""A list of distinct scalars."""

PRESERVE_UNKNOWN = SchemaExtra((("type", "object"), ("additionalProperties", None), ("x-kubernetes-preserve-unknown-fields", True)))
"""An object of a shape that is not ours: kept as it was written."""


def unit(text: str) -> SchemaExtra:
    """Say what a number counts or measures; the generator writes it into the field's description."""
    return SchemaExtra(((UNIT, text),))
