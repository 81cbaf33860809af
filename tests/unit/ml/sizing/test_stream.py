from dataclasses import dataclass, field

import numpy as np
import pytest

from dharma_ml.findings import Sample, Severity
from dharma_ml.sizing.history import DAY
from dharma_ml.sizing.stream import SizingMaker

GIB = 1024.0**3


@dataclass
class Moment:
    now: float
    facts: dict = field(default_factory=dict)
    anomaly_open: bool = False


def samples(start, end, disk=lambda _: 10 * GIB):
    random = np.random.default_rng(int(start))
    return [
        Sample(
            float(time),
            {"cpu_cores": float(random.gamma(2, 0.1)), "memory_bytes": 1e9 * (1 + 0.01 * random.random()), "disk_bytes": disk(time)},
        )
        for time in np.arange(start + 300, end + 1, 300)
    ]


def fed(days, **facts):
    model = SizingMaker().create("shop/web")
    for day in range(days):
        found = model.observe(samples(day * DAY, (day + 1) * DAY), Moment((day + 1) * DAY, dict(facts)))
    return model, found


def test_requests_stand_each_tick():
    model, found = fed(6, cpu_request_cores=0.1)
    assert [one.kind for one in found] == ["Rightsizing", "Rightsizing"]
    cpu, memory = found
    assert 0.4 < cpu.numbers["cpu_request_cores"] < 1.2
    assert cpu.severity is Severity.MEDIUM
    assert memory.numbers["memory_limit_bytes"] >= 1.15e9
    again = model.observe([], Moment(6 * DAY + 60, {"cpu_request_cores": 0.1}))
    assert [one.message for one in again] == [one.message for one in found]
    assert again[0].time == 6 * DAY + 60


def test_it_learns_first_and_refuses_with_a_reason():
    model = SizingMaker().create("s")
    found = model.observe(samples(0, 3600), Moment(3600.0))
    assert [one.kind for one in found] == ["Learning", "Learning"]
    found = model.observe(samples(3600, 20 * 3600), Moment(20 * 3600.0, {"hpa_on_cpu": 1.0}))
    assert [one.kind for one in found] == ["RightsizingRefused", "Rightsizing"]
    found = model.observe([], Moment(21 * 3600.0, anomaly_open=True))
    assert [one.kind for one in found] == ["RightsizingRefused"] * 2


def together(days, facts):
    model = SizingMaker().create("shop/web")
    for day in range(days):
        new = [Sample(one.time, {"cpu_cores_together": 8 * one.values["cpu_cores"]}) for one in samples(day * DAY, (day + 1) * DAY)]
        found = model.observe(new, Moment((day + 1) * DAY, facts))
    return model, found


def test_replicas_carry_what_all_together_need():
    _, found = together(6, {"replica_cpu_cores": 0.5, "replicas": 2.0})
    assert [one.kind for one in found] == ["Replicas"]
    need = found[0].numbers["cpu_cores_together"]
    assert found[0].numbers["replicas"] == np.ceil(need / 0.5) > 2
    assert found[0].severity is Severity.MEDIUM
    _, found = together(6, {"replica_cpu_cores": 0.5, "replicas": 20.0, "replicas_least": 1.0, "replicas_most": 3.0})
    assert found[0].numbers["replicas"] == 3
    assert "Only 3 replicas" in found[0].message
    _, found = together(6, {"replica_cpu_cores": 0.5, "hpa_on_cpu": 1.0})
    assert [one.kind for one in found] == ["RightsizingRefused"]
    _, found = together(6, {})
    assert found == []


def test_an_oom_kill_is_answered_at_once():
    model, _ = fed(4, oom_kills=0.0, memory_limit_bytes=2e9)
    found = model.observe([], Moment(4 * DAY + 10, {"oom_kills": 1.0, "memory_limit_bytes": 2e9}))
    assert found[1].numbers["memory_limit_bytes"] == pytest.approx(2e9 * 1.2 * 1.15, abs=1)


def test_a_disk_that_fills_up_is_told():
    model = SizingMaker().create("s")
    for day in range(8):
        found = model.observe(
            samples(day * DAY, (day + 1) * DAY, lambda time: GIB * (10 + time / DAY)),
            Moment((day + 1) * DAY, {"disk_capacity_bytes": 20 * GIB}),
        )
    disk = next(one for one in found if one.kind == "DiskFull")
    assert disk.numbers["days_until_full"] == pytest.approx(2, abs=0.1)
    assert disk.severity is Severity.HIGH


def test_state_goes_round_and_a_foreign_one_is_refused():
    model, _ = fed(5)
    other = SizingMaker().restore("shop/web", model.save())
    more = samples(5 * DAY, 6 * DAY)
    assert [one.message for one in model.observe(more, Moment(6 * DAY))] == [one.message for one in other.observe(more, Moment(6 * DAY))]
    for state in (b"", b"[]", b"{}", b'{"version": 1}', b"\xff\xfe"):
        with pytest.raises(ValueError):  # noqa: PT011 - its own sentence or that of the decoder
            SizingMaker().restore("s", state)


def test_what_meters_get_wrong_is_passed_over():
    model = SizingMaker().create("s")
    bad = [
        Sample(float(time), {"cpu_cores": value, "memory_bytes": value, "other": 1.0})
        for time, value in enumerate([float("nan"), float("inf"), -1.0])
    ]
    assert model.observe(bad, Moment(10.0)) == []
    assert model.observe([], Moment(-5.0)) == []
