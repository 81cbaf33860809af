"""Spellings of strings. Each is one regular expression, told to the API server as CEL and checked again when a model is read."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError, core_schema

from dharma_crds.cel import UNIT, VALIDATIONS, Rule
from dharma_crds.duration import format_duration, parse_duration
from dharma_crds.quantity import Quantity

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue


@dataclass(frozen=True, slots=True)
class Format:
    """Annotated metadata for a string or quantity: `rule` for the API server and `accepts` for Python are twins.

    `sentence` completes "this value …" and holds an example; `unit` goes into the field's description.
    """

    name: str
    sentence: str
    max_length: int
    rule: str
    accepts: Callable[[str], bool]
    unit: str | None = None
    text_only: bool = False
    """A quantity that the API server takes as a string alone: nobody writes bytes as a number, and `kubectl explain` shows its type."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        keywords: JsonSchemaValue = {"type": "string"} if self.text_only else handler(schema)
        keywords["maxLength"] = min(self.max_length, keywords.get("maxLength", self.max_length))
        keywords[VALIDATIONS] = [*keywords.get(VALIDATIONS, []), Rule(self.name, self.rule, self.sentence).as_schema()]
        if self.unit is not None:
            keywords[UNIT] = self.unit
        return keywords

    def _check(self, value: object) -> object:
        if isinstance(value, str | int | Quantity) and not isinstance(value, bool):
            text = str(value)
            if len(text) > self.max_length or not self.accepts(text):
                raise PydanticCustomError("format", "{sentence}", {"sentence": self.sentence})
        return value


def matching(
    name: str,
    pattern: str,
    sentence: str,
    max_length: int,
    *,
    refused: tuple[str, ...] = (),
    also: str = "",
    accepts: Callable[[str], bool] = lambda _: True,
) -> Format:
    """Strings that match `pattern` as a whole (RE2 syntax) and are none of `refused`; `also` (CEL) and `accepts` say more, as twins."""
    compiled = re.compile(pattern)
    rule = f"self.matches(r'^({pattern})$')"
    if refused:
        rule += f" && !(self in {list(refused)})"

    def accepted(text: str) -> bool:
        return compiled.fullmatch(text) is not None and text not in refused and accepts(text)

    return Format(name, sentence, max_length, rule + also, accepted)


_BYTES: Final = r"[0-9]+(\.[0-9]+)?([KMGTPE]i|[kMGTPE])?"
_CPU: Final = r"[0-9]+m|[0-9]+(\.[0-9]{1,3})?"
DURATION: Final = r"([0-9]+(\.[0-9]+)?(h|m|s|ms))+"
_WHOLE_SECONDS: Final = r"([0-9]+(h|m|s))+"


def byte_format(least: str = "1") -> Format:
    """Sizes in bytes from `least` on."""
    what = "a size in bytes with a unit, such as 512Mi or 50Gi"
    return _quantity_format("bytes", _BYTES, least, what, "bytes, as a Kubernetes quantity", text_only=True)


def cpu_format(least: str = "1m") -> Format:
    """CPU shares from `least` on."""
    return _quantity_format(
        "cpu",
        _CPU,
        least,
        "CPUs as a number or in thousandths, such as 2 or 500m",
        "CPUs, as a Kubernetes quantity (fractions in quotes or thousandths)",
    )


def _quantity_format(name: str, pattern: str, least: str, what: str, unit: str, *, text_only: bool = False) -> Format:
    compiled, floor = re.compile(pattern), Quantity(least)
    bound = f", and at least {least}" if least not in {"1", "1m", "0"} else ""
    text = "self" if text_only else "string(self)"
    rule = f"{text}.matches(r'^({pattern})$') && quantity({text}).compareTo(quantity('{least}')) >= 0"
    return Format(
        f"{name}-{least}" if bound else name,
        f"must be {what}{bound}",
        32,
        rule,
        lambda value: compiled.fullmatch(value) is not None and Quantity(value) >= floor,
        unit,
        text_only,
    )


def duration_format(least: str, most: str = "87600h") -> Format:
    """Go durations from `least` to `most`."""
    compiled, shortest, longest = re.compile(DURATION), parse_duration(least), parse_duration(most)
    rule = f"self.matches(r'^({DURATION})$') && duration(self) >= duration('{least}') && duration(self) <= duration('{most}')"
    return Format(
        f"duration-{least}-{most}",
        f"must be a Go duration from {least} to {most}, such as 90s or 1h30m",
        32,
        rule,
        lambda text: compiled.fullmatch(text) is not None and shortest <= parse_duration(text) <= longest,
        "a Go duration such as 90s or 1h30m",
    )


def whole_seconds_format() -> Format:
    """Go durations in whole seconds, for what Kubernetes counts in seconds."""
    compiled = re.compile(_WHOLE_SECONDS)
    rule = f"self.matches(r'^({_WHOLE_SECONDS})$') && duration(self) >= duration('1s') && duration(self) <= duration('24h')"
    return Format(
        "whole-seconds",
        "must be a Go duration in whole seconds from 1s to 24h, such as 90s or 1h30m",
        32,
        rule,
        lambda text: compiled.fullmatch(text) is not None and timedelta(seconds=1) <= parse_duration(text) <= timedelta(hours=24),
        "a Go duration in whole seconds such as 90s",
    )


def _read_duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


GoDuration = Annotated[
    timedelta,
    BeforeValidator(_read_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string"}),
]
"""A timedelta in Python, a Go duration in YAML; combine with `duration_format`."""

Seconds = Annotated[GoDuration, duration_format("1s", "24h")]
"""A short wait, from a second to a day."""
WholeSeconds = Annotated[GoDuration, whole_seconds_format()]
"""The same for fields that Kubernetes itself counts in seconds."""
Bytes = Annotated[Quantity, byte_format()]
Cpu = Annotated[Quantity, cpu_format()]


def _cron_field(value: str) -> str:
    part = rf"(\*|({value})(-({value}))?)(/[1-9][0-9]?)?"
    return f"{part}(,{part})*"


_CRON: Final = " +".join(
    _cron_field(value)
    for value in (
        "[0-5]?[0-9]",
        "[01]?[0-9]|2[0-3]",
        "0?[1-9]|[12][0-9]|3[01]",
        "0?[1-9]|1[0-2]|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC",
        "[0-7]|SUN|MON|TUE|WED|THU|FRI|SAT",
    )
)
Cron = Annotated[
    str,
    matching(
        "cron",
        _CRON,
        'must be a cron schedule of five fields (minute hour day month weekday), such as "0 2 * * *" for each night at two',
        100,
    ),
]
TimeZone = Annotated[
    str,
    matching(
        "time-zone",
        r"UTC|[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){1,2}",
        "must be a time zone of the IANA data base, such as Etc/UTC or Asia/Kolkata",
        64,
    ),
]
_LABEL: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
DnsLabel = Annotated[
    str,
    matching("dns-label", _LABEL, "must be lower-case letters, digits and hyphens, at most 63, with a letter or digit at both ends", 63),
]
ObjectName = Annotated[
    str,
    matching(
        "object-name",
        rf"{_LABEL}(\.{_LABEL})*",
        "must be the name of a Kubernetes object: lower-case letters, digits, hyphens and dots, with a letter or digit at both ends",
        253,
    ),
]
PortName = Annotated[str, matching("port-name", _LABEL, "must be lower-case letters, digits and hyphens, at most 15, such as http", 15)]


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text


Cidr = Annotated[str, Format("cidr", "must be an address range in CIDR notation, such as 203.0.113.0/24", 43, "isCIDR(self)", _is_network)]
HttpUrl = Annotated[
    str,
    matching("url", r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[^ ]*)?", "must be an address that begins with https:// or http://", 512),
]
ImageReference = Annotated[
    str,
    matching(
        "image",
        r"[a-z0-9][A-Za-z0-9._:/-]*(@sha256:[0-9a-f]{64})?",
        "must be a container image such as registry.example/shop:1.4.2, without spaces and without https://",
        512,
        also=" && !self.contains('://')",
        accepts=lambda text: "://" not in text,
    ),
]
DecimalNumber = Annotated[
    str,
    matching("decimal", r"-?[0-9]{1,15}(\.[0-9]{1,9})?", 'must be a number in quotes, such as "0.01"', 32),
]
EnvironmentName = Annotated[
    str,
    matching("environment-name", r"[A-Za-z_][A-Za-z0-9_]*", "must be letters, digits and underscores, not beginning with a digit", 128),
]
LabelValue = Annotated[
    str,
    matching(
        "label-value",
        r"([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?",
        "must be letters, digits, dots, hyphens and underscores, at most 63",
        63,
    ),
]
