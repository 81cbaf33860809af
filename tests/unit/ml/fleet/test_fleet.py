import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dharma_ml.findings import Finding, Sample, Severity
from dharma_ml.fleet import FORGET, Fleet, Moment, Stream, tick
from dharma_ml.packing import pack, unpack


@dataclass
class Adder:
    """Adds up one channel; calls a sum over 100 an anomaly; cannot bear 13."""

    stream: str
    total: float = 0.0
    moments: list[Moment] = field(default_factory=list)

    def observe(self, samples: Sequence[Sample], moment: Moment) -> list[Finding]:
        self.moments.append(moment)
        for sample in samples:
            value = sample.values.get("x", 0.0)
            if value == 13:
                raise ValueError("thirteen")
            self.total += value
        kind = "Anomaly" if self.total > 100 else "Sum"
        return [Finding(self.stream, kind, Severity.LOW, 1.0, f"{self.total}", moment.now, {"total": self.total})]

    def save(self) -> bytes:
        if self.total < 0:
            raise RuntimeError("cannot say")
        return json.dumps(self.total).encode()


@dataclass
class Adders:
    sort: str = "adder-1"
    made: list[Adder] = field(default_factory=list)

    def create(self, stream: str) -> Adder:
        self.made.append(Adder(stream))
        return self.made[-1]

    def restore(self, stream: str, state: bytes) -> Adder:
        return Adder(stream, float(json.loads(state)))


def stream(name: str, *values: float, start: float = 0.0) -> Stream:
    return Stream(name, [Sample(start + i, {"x": value}) for i, value in enumerate(values)])


def test_state_goes_on_where_it_was() -> None:
    found, state = tick([stream("a", 1, 2), stream("b", 5)], 10, b"", [Adders()])
    assert [finding.numbers["total"] for finding in found] == [3, 5]
    found, state = tick([stream("b", 1, start=10)], 20, state, [Adders()])
    assert [finding.numbers["total"] for finding in found] == [6]
    found, _ = tick([stream("a", 1, start=20)], 30, state, [Adders()])
    assert [finding.numbers["total"] for finding in found] == [4], "a stream that is silent for a tick keeps its state"


def test_one_fleet_and_many_restores_tell_the_same() -> None:
    ticks = [[stream("a", i, i + 1, start=10.0 * i), stream("b", 2 * i, start=10.0 * i)] for i in range(5)]
    fleet = Fleet([Adders()])
    whole = [fleet.tick(streams, 10.0 * i + 5) for i, streams in enumerate(ticks)]
    state, parts = b"", []
    for i, streams in enumerate(ticks):
        found, state = tick(streams, 10.0 * i + 5, state, [Adders()])
        parts.append(found)
    assert parts == whole
    assert fleet.save() == state


def test_a_model_that_fails_is_a_finding_and_disturbs_no_other() -> None:
    fleet = Fleet([Adders()])
    found = fleet.tick([stream("a", 1), stream("bad", 13), stream("c", 3)], 10)
    assert [(finding.stream, finding.kind) for finding in found] == [("a", "Sum"), ("bad", "ModelFailed"), ("c", "Sum")]
    assert "ValueError: thirteen" in found[1].message
    assert [finding.numbers["total"] for finding in fleet.tick([stream("bad", 2, start=5)], 20)] == [2], "it learns anew"


def test_a_state_that_cannot_be_saved_is_left_out() -> None:
    fleet = Fleet([Adders()])
    fleet.tick([stream("a", -1), stream("b", 7)], 10)
    assert sorted(unpack(fleet.save())) == ["a\nheard", "a\nintake", "b\nadder-1", "b\nheard", "b\nintake"]


@pytest.mark.parametrize("state", [b"x", b"DHARMA-ML-STATE-1\nshort", b"\x80\x04N."])
def test_a_foreign_state_is_one_finding(state: bytes) -> None:
    found, again = tick([stream("a", 1)], 10, state, [Adders()])
    assert [finding.kind for finding in found] == ["StateLost", "Sum"]
    found, _ = tick([stream("a", 1, start=10)], 20, again, [Adders()])
    assert [finding.kind for finding in found] == ["Sum"]


def test_a_damaged_state_is_noticed() -> None:
    _, state = tick([stream("a", 1)], 10, b"", [Adders()])
    damaged = state[:-1] + bytes([state[-1] ^ 1])
    assert [finding.kind for finding in tick([stream("a", 1)], 10, damaged, [Adders()])[0]] == ["StateLost", "Sum"]


def test_a_piece_that_a_model_refuses_costs_only_that_model() -> None:
    pieces = unpack(tick([stream("a", 1), stream("b", 1)], 10, b"", [Adders()])[1])
    pieces["a\nadder-1"] = b"nonsense"
    found, _ = tick([stream("a", 4, start=5), stream("b", 4, start=5)], 20, pack(pieces), [Adders()])
    assert [(finding.stream, finding.kind) for finding in found] == [("a", "StateLost"), ("a", "Sum"), ("b", "Sum")]
    assert [finding.numbers.get("total") for finding in found] == [None, 4, 5]


def test_later_models_hear_of_an_open_anomaly() -> None:
    first, second = Adders("first-1"), Adders("second-1")
    Fleet([first, second]).tick([stream("a", 200), stream("b", 1)], 10)
    assert [adder.moments[0].anomaly_open for adder in first.made] == [False, False]
    assert [adder.moments[0].anomaly_open for adder in second.made] == [True, False]


def test_a_clock_that_went_back_begins_anew() -> None:
    fleet = Fleet([Adders()])
    fleet.tick([stream("a", 5, start=1e6)], 1e6)
    found = fleet.tick([stream("a", 2, start=1e5)], 1e5)
    assert [finding.kind for finding in found] == ["ClockJump", "Sum"]
    assert found[1].numbers["total"] == 2


def test_silent_streams_are_forgotten() -> None:
    fleet = Fleet([Adders()])
    fleet.tick([stream("a", 5), stream("b", 1)], 10)
    fleet.tick([stream("b", 1, start=FORGET + 20)], FORGET + 30)
    assert not any(key.startswith("a\n") for key in unpack(fleet.save()))
    restored = Fleet([Adders()], fleet.save())
    restored.tick([], 3 * FORGET)
    assert unpack(restored.save()) == {}


ANY_STREAM = st.builds(
    Stream,
    name=st.text(max_size=5),
    samples=st.lists(st.builds(Sample, st.floats(), st.dictionaries(st.sampled_from("xyz"), st.floats(), max_size=3)), max_size=6),
    counters=st.frozensets(st.sampled_from("xyz")),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ANY_STREAM, max_size=4), st.lists(ANY_STREAM, max_size=4), st.floats(), st.binary(max_size=60))
def test_nothing_makes_it_raise(first: list[Stream], second: list[Stream], now: float, state: bytes) -> None:
    found, saved = tick(first, now, state, [Adders()])
    more, _ = tick(second, now, saved, [Adders()])
    assert all(math.isfinite(finding.time) for finding in [*found, *more] if finding.kind in {"BadInput", "StateLost", "ClockJump"})
    assert not any(finding.kind == "StateLost" for finding in more)


def test_what_is_no_sample_at_all_is_a_finding() -> None:
    found = Fleet([Adders()]).tick([Stream("a", [None]), stream("b", 1)], 10)  # type: ignore[list-item]
    assert [finding.kind for finding in found] == ["BadInput", "Sum"]


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=5), st.binary(max_size=20), max_size=5))
def test_packing_round_trip(pieces: dict[str, bytes]) -> None:
    assert unpack(pack(pieces)) == pieces
