"""Go durations (`90s`, `1h30m`, `250ms`) as `timedelta`, exact."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Final

_MICROSECONDS: Final = {
    "ns": Decimal("0.001"),
    "us": Decimal(1),
    "µs": Decimal(1),
    "μs": Decimal(1),
    "ms": Decimal(1_000),
    "s": Decimal(1_000_000),
    "m": Decimal(60_000_000),
    "h": Decimal(3_600_000_000),
}
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_WHOLE: Final = re.compile(rf"([+-]?)(0|(?:{_PART.pattern})+)")
_LONGEST: Final = 64
_UNITS_DOWN: Final = (("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1))


def parse_duration(text: str) -> timedelta:
    """Read a Go duration.

    Raises ValueError when `text` is no Go duration, is finer than a microsecond or longer than a timedelta can be.
    """
    match = _WHOLE.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        message = f"{text[:_LONGEST]!r} is not a Go duration; write numbers with units h, m, s or ms, such as 90s or 1h30m"
        raise ValueError(message)
    microseconds = sum((Decimal(number) * _MICROSECONDS[unit] for number, unit in _PART.findall(match[2])), Decimal(0))
    if microseconds != microseconds.to_integral_value():
        message = f"{text!r} is finer than a microsecond; round it"
        raise ValueError(message)
    try:
        span = timedelta(microseconds=int(microseconds))
    except OverflowError:
        message = f"{text!r} is longer than {timedelta.max.days} days; shorten it"
        raise ValueError(message) from None
    return -span if match[1] == "-" else span


def format_duration(span: timedelta) -> str:
    """`span` as a Go duration in whole units, largest first: 5400 seconds are `1h30m`, none is `0s`."""
    microseconds = span // timedelta(microseconds=1)
    parts: list[str] = []
    rest = abs(microseconds)
    for unit, size in _UNITS_DOWN:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return ("-" if microseconds < 0 else "") + ("".join(parts) or "0s")
