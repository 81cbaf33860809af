import math
from datetime import UTC, datetime

import numpy as np
import pytest

from dharma_ml.cost.prices import PriceTable
from dharma_ml.cost.stream import KEPT, CostMaker, hours_of_month
from dharma_ml.findings import Sample
from dharma_ml.fleet import Moment

START = datetime(2026, 2, 2, tzinfo=UTC).timestamp()
DAY = 86400.0
GIB = 1024.0**3


def use(time):
    return 2.0 + math.sin(2 * math.pi * time / DAY)


def samples(start, end, **channels):
    given = channels or {"cpu_cores": use, "memory_bytes": lambda _: 4 * GIB}
    return [Sample(float(time), {name: value(time) for name, value in given.items()}) for time in np.arange(start, end, 300.0)]


def fed(days, facts=None, maker=None, **channels):
    model = (maker or CostMaker()).create("shop/web")
    found = model.observe(samples(START, START + days * DAY, **channels), Moment(START + days * DAY, facts or {}, anomaly_open=False))
    return model, found


def test_a_day_a_week_and_the_rest_of_the_month_are_priced():
    _, found = fed(10, maker=CostMaker(PriceTable(cpu=1.0, ram=0.5, currency="EUR")))
    assert [one.kind for one in found] == ["CostForecast"] * 3
    assert [one.numbers["horizon_hours"] for one in found] == [24, 168, 17 * 24]
    day = found[0]
    assert day.numbers["cost_eur"] == pytest.approx(24 * (2 + 2), rel=1e-3)
    assert day.numbers["cost_low_eur"] <= day.numbers["cost_eur"] <= day.numbers["cost_high_eur"]
    assert day.message.startswith("The next 24 h will cost 96.00 EUR")
    assert "CPU by day-naive" in day.message
    assert found[2].message.startswith("The rest of the month will cost")


def test_what_is_requested_and_not_used_costs_too():
    facts = {"cpu_request_cores": 10.0, "memory_request_bytes": 8 * GIB}
    _, found = fed(3, facts, CostMaker(PriceTable(cpu=1.0, ram=1.0)))
    numbers = found[0].numbers
    assert numbers["cost_usd"] == numbers["cost_low_usd"] == numbers["cost_high_usd"] == pytest.approx(24 * 18)


def test_from_the_first_hour_with_a_stated_guess():
    _, found = fed(2 / 24)
    assert found[0].confidence == 0.5
    assert "no back-test yet" in found[0].message
    assert found[0].numbers["cost_high_usd"] > 1.4 * found[0].numbers["cost_usd"]


def test_all_replicas_together_come_before_one():
    _, one = fed(3, cpu_cores=use)
    _, all_of_them = fed(3, cpu_cores=use, cpu_cores_together=lambda time: 5 * use(time))
    assert all_of_them[0].numbers["cost_usd"] == pytest.approx(5 * one[0].numbers["cost_usd"], rel=1e-6)


def test_it_is_renewed_each_hour_and_falls_silent_after_a_day():
    model, found = fed(3)
    now = START + 3 * DAY
    minute = model._due - now
    assert 0 < minute <= 3600
    model.observe(samples(now, now + minute - 1, cpu_cores=lambda _: 9.0), Moment(now + minute - 1, {}, anomaly_open=False))
    again = model.observe([], Moment(now + minute - 1, {}, anomaly_open=False))
    assert [one.message for one in again] == [one.message for one in found]
    assert again[0].time == now + minute - 1
    renewed = model.observe([], Moment(now + 3600 + minute, {}, anomaly_open=False))
    assert [one.message for one in renewed] != [one.message for one in found]
    assert model.observe([], Moment(now + 23 * 3600, {}, anomaly_open=False))
    assert model.observe([], Moment(now + 27 * 3600, {}, anomaly_open=False)) == []


def test_streams_are_renewed_at_minutes_of_their_own_and_not_after_a_restart():
    dues = set()
    for stream in ("a", "b", "c", "d"):
        model = CostMaker().create(stream)
        model.observe(samples(START, START + DAY), Moment(START + DAY, {}, anomaly_open=False))
        dues.add(model._due)
    assert len(dues) == 4
    other = CostMaker().restore("d", model.save())
    other._state = None  # would raise if it were asked
    moment = Moment(START + DAY + 1, {}, anomaly_open=False)
    assert other.observe([], moment) == model.observe([], moment)


def test_a_gap_is_no_usage_of_nothing():
    model, _ = fed(8)
    later = START + 8 * DAY + 5 * 3600
    found = model.observe(samples(later, later + 3600), Moment(later + 3600, {}, anomaly_open=False))
    assert found[0].numbers["cpu_backtests"] > 0
    assert np.isfinite(list(found[0].numbers.values())).all()
    assert len(model.hours["cpu_cores"].means) == 8 * 24 + 6


def test_the_state_goes_round_is_bounded_and_a_foreign_one_is_refused():
    model, _ = fed(50)
    assert len(model.hours["cpu_cores"].means) == KEPT
    assert len(model.save()) < 20_000
    other = CostMaker().restore("shop/web", model.save())
    now = START + 51 * DAY
    more = samples(START + 50 * DAY, now)
    moment = Moment(now, {}, anomaly_open=False)
    assert model.observe(more, moment) == other.observe(more, moment)
    assert model.save() == other.save()
    for state in (b"", b"[]", b"{}", b'{"version": 2}', b'{"version": 1, "hours": {}}', b"\xff"):
        with pytest.raises(ValueError):  # noqa: PT011 - its own sentence or that of the decoder
            CostMaker().restore("s", state)


def test_a_jump_of_years_is_a_new_past():
    model, _ = fed(3)
    later = START + 4000 * DAY
    model.observe(samples(later, later + 7200), Moment(later + 7200, {}, anomaly_open=False))
    assert len(model.hours["cpu_cores"].means) == 2


def test_months_end():
    assert hours_of_month(datetime(2026, 12, 31, 23, 59, tzinfo=UTC).timestamp()) == 1
    assert hours_of_month(datetime(2028, 2, 1, tzinfo=UTC).timestamp()) == 29 * 24
