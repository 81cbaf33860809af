from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dharma_crds.duration import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90s", timedelta(seconds=90)),
        ("1h30m", timedelta(minutes=90)),
        ("1.5h", timedelta(minutes=90)),
        ("250ms", timedelta(milliseconds=250)),
        ("0", timedelta()),
        ("0s", timedelta()),
        ("-2m", timedelta(minutes=-2)),
        ("+.5s", timedelta(milliseconds=500)),
        ("1000ns", timedelta(microseconds=1)),
        ("3us", timedelta(microseconds=3)),
        ("3µs", timedelta(microseconds=3)),
        ("1m1m", timedelta(minutes=2)),
        ("720h", timedelta(days=30)),
    ],
)
def test_reads_what_go_reads(text: str, span: timedelta) -> None:
    assert parse_duration(text) == span


@pytest.mark.parametrize("text", ["", "s", "90", "1d", "1 h", "1h 30m", "h1", "1,5h", "1e3s", "--1s", "1s\n", "1" * 70 + "s"])
def test_refuses_what_is_no_duration_and_says_so(text: str) -> None:
    with pytest.raises(ValueError, match="is not a Go duration; write numbers with units h, m, s or ms"):
        parse_duration(text)


def test_refuses_what_a_timedelta_cannot_hold() -> None:
    with pytest.raises(ValueError, match="finer than a microsecond"):
        parse_duration("1ns")
    with pytest.raises(ValueError, match="longer than 999999999 days"):
        parse_duration("99999999999999h")


@given(st.timedeltas())
def test_what_is_written_is_read_back_exactly(span: timedelta) -> None:
    assert parse_duration(format_duration(span)) == span


@given(st.integers(0, 10**6), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_sums_its_parts(hours: int, minutes: int, seconds: int, milliseconds: int) -> None:
    expected = timedelta(hours=hours, minutes=minutes, seconds=seconds, milliseconds=milliseconds)
    assert parse_duration(f"{hours}h{minutes}m{seconds}s{milliseconds}ms") == expected


def test_writes_whole_units_largest_first() -> None:
    spans = (timedelta(), timedelta(seconds=5400), timedelta(days=30), timedelta(milliseconds=-1500), timedelta(microseconds=7))
    assert [format_duration(span) for span in spans] == ["0s", "1h30m", "720h", "-1s500ms", "7us"]
