"""The real models in the real fleet: what they tell together, across restarts, and on whatever meters send."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dharma_ml.findings import Sample
from dharma_ml.fleet import Fleet, Stream, tick
from dharma_ml.packing import unpack
from dharma_ml.shipped import makers

START = 1.75e9 - 1.75e9 % 86400.0
DAY = 86400.0
GIB = 1024.0**3


def samples(seed, first, last, burst=()):
    random = np.random.default_rng((seed, first))
    found = []
    for step in range(first, last):
        wave = 1 + 0.5 * math.sin(2 * math.pi * step / 288)
        cpu = wave * random.normal(1.0, 0.05) + (8.0 if step in burst else 0.0)
        found.append(Sample(START + 300.0 * step, {"cpu_cores": max(cpu, 0.0), "memory_bytes": GIB * random.normal(2.0, 0.01)}))
    return found


def kinds(findings, stream):
    return {(finding.kind, finding.numbers.get("horizon_hours")) for finding in findings if finding.stream == stream}


def test_all_parts_speak_in_one_tick():
    fleet = Fleet(makers())
    early = fleet.tick([Stream("web", samples(0, 0, 60))], START + 60 * 300.0)
    assert {kind for kind, _ in kinds(early, "web")} == {"Learning", "CostForecast"}
    found = fleet.tick([Stream("web", samples(0, 60, 288 * 5))], START + 5 * DAY)
    # One alarm of these days, which is over by now: sizing goes on.
    assert kinds(found, "web") == {("Anomaly", None), ("Rightsizing", None)} | {("CostForecast", hours) for hours in (24, 168, 264)}
    assert not any(finding.kind == "ModelFailed" for finding in early + found)


def test_nothing_is_sized_while_an_anomaly_is_open():
    fleet = Fleet(makers())
    fleet.tick([Stream("web", samples(0, 0, 288 * 5)), Stream("calm", samples(1, 0, 288 * 5))], START + 5 * DAY)
    at = 288 * 5
    new = [Stream("web", samples(0, at, at + 12, burst=range(at, at + 12))), Stream("calm", samples(1, at, at + 12))]
    found = fleet.tick(new, START + 5 * DAY + 3600)
    assert {"Anomaly", "RightsizingRefused"} <= {kind for kind, _ in kinds(found, "web")}
    assert {kind for kind, _ in kinds(found, "calm")} == {"Rightsizing", "CostForecast"}


def test_a_restart_at_any_tick_changes_no_word():
    cuts = [0, 100, 700, 1000, 1200, 1296]
    whole, state, parts = Fleet(makers()), b"", []
    straight = []
    for first, last in pairwise(cuts):
        new = [Stream("web", samples(3, first, last)), Stream("job", samples(4, first, last, burst={1100, 1101}))]
        now = START + 300.0 * last
        straight.append(whole.tick(new, now))
        found, state = tick(new, now, state, makers())
        parts.append(found)
    assert parts == straight
    assert whole.save() == state


def test_a_damaged_state_of_one_model_is_that_models_alone():
    _, state = tick([Stream("web", samples(5, 0, 288 * 3))], START + 3 * DAY, b"", makers())
    pieces = unpack(state)
    fleet = Fleet(makers())
    fleet._saved = {key: piece[:-9] if "anomaly" in key else piece for key, piece in pieces.items()}
    found = fleet.tick([Stream("web", samples(5, 288 * 3, 288 * 3 + 12))], START + 3 * DAY + 3600)
    assert [finding.kind for finding in found if finding.kind in ("StateLost", "ModelFailed")] == ["StateLost"]
    assert "Rightsizing" in {kind for kind, _ in kinds(found, "web")}


@pytest.mark.parametrize("sort", ["anomaly", "sizing", "cost"])
def test_each_saves_a_bounded_state(sort):
    fleet = Fleet(makers())
    fleet.tick([Stream("web", samples(6, 0, 288 * 20))], START + 20 * DAY)
    (size,) = (len(piece) for key, piece in unpack(fleet.save()).items() if f"\n{sort}" in key)
    assert size < 200_000


values = st.floats() | st.sampled_from([0.0, -1.0, 1e308, math.inf, math.nan])
readings = st.builds(
    Sample,
    st.floats(START - 3e6, START + 3e6) | st.sampled_from([math.nan, math.inf, 0.0]),
    st.dictionaries(st.sampled_from(["cpu_cores", "cpu_cores_together", "memory_bytes", "disk_bytes", "errors"]), values, max_size=4),
)
facts = st.dictionaries(
    st.sampled_from(["cpu_request_cores", "replica_cpu_cores", "replicas_most", "memory_limit_bytes", "oom_kills", "hpa_on_cpu"]),
    st.floats(0, 1e12),
)


@given(st.lists(st.tuples(st.lists(readings, max_size=40), facts, st.floats(START - 1e6, START + 1e7)), max_size=4))
@settings(max_examples=40, deadline=None)
def test_no_reading_makes_a_tick_raise_or_a_model_fail(ticks):
    fleet = Fleet(makers())
    for new, known, now in ticks:
        found = fleet.tick([Stream("web", new, frozenset({"errors"}), known)], now)
        assert not [finding.message for finding in found if finding.kind == "ModelFailed"]
        assert all(math.isfinite(finding.time) and 0 <= finding.confidence <= 1 for finding in found)
    Fleet(makers(), fleet.save()).tick([], START)
