"""Kubernetes quantities (`500m`, `1.5Gi`, `2e3`), exact: no float is ever made of them."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Context, Decimal
from functools import lru_cache, total_ordering
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

_DECIMAL_EXPONENTS: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_EXPONENTS: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_GRAMMAR: Final = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?:(?P<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?P<exponent>[+-]?[0-9]{1,3}))?"
)
_LONGEST: Final = 64
_EXACT: Final = Context(prec=1_200, rounding=ROUND_CEILING)
"""Enough digits for any text of that length with an exponent of three digits, so that nothing is ever rounded on the way."""


@lru_cache(maxsize=4096)
def parse_quantity(text: str) -> Decimal:
    """Read the exact number that `text` stands for, in the unit's base (bytes, cores, pieces).

    Remembered, for the same few texts are read again and again. Raises ValueError when it is not a Kubernetes quantity.
    """
    match = _GRAMMAR.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise ValueError(
            f"{text[:_LONGEST]!r} is not a Kubernetes quantity; "
            "write a number with one of n, u, m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei, or none"
        )
    number = Decimal(match["number"])
    suffix = match["suffix"] or ""
    if suffix in _BINARY_EXPONENTS:
        return _EXACT.multiply(number, Decimal(2 ** _BINARY_EXPONENTS[suffix]))
    return _EXACT.scaleb(number, int(match["exponent"]) if match["exponent"] else _DECIMAL_EXPONENTS[suffix])


@total_ordering
class Quantity:
    """A quantity as it was written, which compares and hashes by its exact value: `Quantity("1Gi") == Quantity("1024Mi")`."""

    __slots__ = ("_text", "_value")

    def __init__(self, text: str | int) -> None:
        """Parse `text`; raises ValueError when it is not a Kubernetes quantity."""
        self._text = str(text)
        self._value = parse_quantity(self._text)

    @classmethod
    def of_bytes(cls, count: int) -> Quantity:
        """`count` bytes in the largest binary unit that holds it exactly: 1073741824 is `1Gi`."""
        for suffix, bits in reversed(_BINARY_EXPONENTS.items()):
            if count and count % (1 << bits) == 0:
                return cls(f"{count >> bits}{suffix}")
        return cls(count)

    @property
    def value(self) -> Decimal:
        """The exact number in the base unit (bytes, cores, pieces)."""
        return self._value

    @property
    def bytes(self) -> int:
        """Whole bytes, rounded up as Kubernetes does."""
        return int(self._value.to_integral_value(context=_EXACT))

    @property
    def millicores(self) -> int:
        """Whole thousandths of a CPU, rounded up as Kubernetes does."""
        return int(_EXACT.scaleb(self._value, 3).to_integral_value(context=_EXACT))

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Quantity({self._text!r})"

    def __eq__(self, other: object) -> bool:
        return self._value == other._value if isinstance(other, Quantity) else NotImplemented

    def __lt__(self, other: Quantity) -> bool:
        return self._value < other._value

    def __hash__(self) -> int:
        return hash(self._value)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        from_text = core_schema.no_info_after_validator_function(
            cls, core_schema.union_schema([core_schema.int_schema(strict=True), core_schema.str_schema(strict=True)])
        )
        return core_schema.union_schema(
            [core_schema.is_instance_schema(cls), from_text],
            mode="left_to_right",
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: core_schema.CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema: dict[str, Any] = {"x-kubernetes-int-or-string": True}
        return schema
