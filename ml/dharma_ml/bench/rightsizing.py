"""Benchmark of sizing: CPU on the machines of `bitbrains/`; memory and disks on generated families, for want of public traces."""

from collections.abc import Sequence
from pathlib import Path
from time import process_time
from typing import Final

import numpy as np

from dharma_ml.bench import draw_sizing
from dharma_ml.bench.families import disk_table, leak_table, memory_table
from dharma_ml.bench.frontier import FIXED, VPA_TARGETS, Decision, at_shortage, fixed, ours, outcome, percentile, vpa
from dharma_ml.bench.tables import Table
from dharma_ml.bench.vms import Machine, read_machines
from dharma_ml.cost.prices import DEFAULT, PriceTable
from dharma_ml.sizing.history import Floats
from dharma_ml.sizing.measures import Outcome, total, within
from dharma_ml.sizing.savings import charge, state_savings
from dharma_ml.sizing.vpa import CPU_BUCKETS_FINE

TARGETS: Final = (0.005, 0.01, 0.02, 0.05, 0.1)
SHIPPED: Final = 0.01
PERCENTILES: Final = (80.0, 85.0, 90.0, 93.0, 95.0, 97.0, 98.0, 99.0, 99.5, 99.8, 99.9)
WEEK: Final = 7


def run(data: Path, *, scores: Path | None = None, pictures: Path | None = None) -> list[Table]:
    """Run all; `pictures` is a folder for the frontier as SVG. Raises FileNotFoundError when the traces are missing."""
    del scores  # for anomalies only
    machines = read_machines(data / "bitbrains" / "cpu.csv.gz")
    prices = (
        DEFAULT if not (data / "prices" / "opencost_default.json").is_file() else PriceTable.read(data / "prices" / "opencost_default.json")
    )
    started = process_time()
    decided = {target: [ours(machine, target) for machine in machines] for target in TARGETS}
    spent = process_time() - started
    outcomes = {target: [outcome(one) for one in each] for target, each in decided.items()}
    simple = {name: [fixed(machine, rule) for machine in machines] for name, rule in FIXED.items()}
    scaled = [vpa(machine) for machine in machines]
    fine = [vpa(machine, (0.9,), CPU_BUCKETS_FINE)[0.9] for machine in machines]
    curves = {
        "ours": [_point(outcomes[target]) for target in TARGETS],
        "VPA": [_point([one[target] for one in scaled]) for target in VPA_TARGETS],
        "fixed percentile": [_point([fixed(machine, percentile(share)) for machine in machines]) for share in PERCENTILES],
    }
    shipped = [one[0.9] for one in scaled]
    rows = [_row(f"ours, target {100 * target:g} %", outcomes[target], target) for target in TARGETS]
    rows += [_row(name, each, SHIPPED) for name, each in (("VPA", shipped), ("VPA, first bucket 0.001 core", fine), *simple.items())]
    points = sum(one.points for one in outcomes[SHIPPED])
    if pictures is not None:
        marks = {"VPA as shipped": _point(shipped), **{name: _point(each) for name, each in simple.items()}}
        draw_sizing.frontier(pictures / "sizing-frontier.svg", curves, marks)
    return [
        Table(
            "CPU requests, walk-forward: decided at midnight from the past, judged on the next day",
            ("method", "slack, all", "slack, median machine", "short points %", "days with shortage %", "unmet demand %", "target kept %"),
            tuple(rows),
            (
                f"{len(machines)} machines, {sum(one.days for one in outcomes[SHIPPED])} machine-days, {points} points of 5 min.",
                "Judged from a machine's third day; time in which a machine is off is not judged.",
                "Slack: share of the request that was not used.",
                "Target kept: share of machines with 0.5 to 1.25 times the target; rules without one are held against 1 %.",
                f"Ours takes {1e6 * spent / len(TARGETS) / max(points, 1):.2f} µs a point.",
            ),
        ),
        _equal(curves),
        _machines(machines, outcomes[SHIPPED]),
        _confidence([one for each in decided[SHIPPED] for one in each]),
        _savings(machines, decided[SHIPPED], prices),
        *memory_table(),
        leak_table(),
        disk_table(),
    ]


def _point(outcomes: Sequence[Outcome]) -> tuple[float, float]:
    whole = total(outcomes)
    return whole.shortage, whole.slack


def _row(name: str, outcomes: Sequence[Outcome], target: float) -> tuple[str | float | int | None, ...]:
    whole = total(outcomes)
    return (
        name,
        round(whole.slack, 4),
        round(float(np.median([one.slack for one in outcomes])), 4),
        round(100 * whole.shortage, 3),
        round(100 * whole.days_short / max(whole.days, 1), 1),
        round(100 * whole.unmet, 3),
        round(100 * within(outcomes, target), 1),
    )


def _equal(curves: dict[str, list[tuple[float, float]]]) -> Table:
    """Compare slack at equal shortage; VPA's curve comes from its target percentile, its margin of 15 % kept."""
    rows: list[tuple[str | float | int | None, ...]] = []
    for shortage in (0.01, 0.02, 0.03, 0.05):
        own, other, plain = (at_shortage(curves[name], shortage) for name in ("ours", "VPA", "fixed percentile"))
        rows.append(
            (
                100 * shortage,
                _rounded(own),
                _rounded(other),
                _rounded(plain),
                None if own is None or other is None else round(100 * (other - own), 2),
                None if own is None or plain is None else round(100 * (plain - own), 2),
            )
        )
    columns = ("short points %", "ours", "VPA", "fixed percentile", "less than VPA, points", "less than percentile, points")
    return Table("Slack at equal shortage over all machines", columns, tuple(rows), ("Read between measured points, in a straight line.",))


def _machines(machines: Sequence[Machine], outcomes: Sequence[Outcome]) -> Table:
    rows = tuple(
        (machine.name, one.days, round(100 * one.shortage, 3), round(one.slack, 3), _band(one.shortage))
        for machine, one in zip(machines, outcomes, strict=True)
    )
    return Table(
        f"Each machine at the shipped target of {100 * SHIPPED:g} %", ("machine", "days", "short points %", "slack", "target"), rows
    )


def _band(shortage: float) -> str:
    return "below" if shortage < 0.5 * SHIPPED else "above" if shortage > 1.25 * SHIPPED else "kept"


def _confidence(decisions: Sequence[Decision]) -> Table:
    rows: list[tuple[str | float | int | None, ...]] = []
    for low, high in ((0.0, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 1.01)):
        some = [one for one in decisions if low <= one.confidence < high]
        shares = [float(np.mean(one.values > one.request)) for one in some]
        missed = round(100 * float(np.mean([share > 3 * SHIPPED for share in shares])), 1) if shares else None
        rows.append((f"{low:g} to {min(high, 1):g}", len(some), round(100 * float(np.mean(shares)), 2) if shares else None, missed))
    columns = ("stated confidence", "machine-days", "short points %", "days beyond 3 x target %")
    return Table("Stated confidence against what came", columns, tuple(rows))


def _savings(machines: Sequence[Machine], decided: Sequence[Sequence[Decision]], prices: PriceTable) -> Table:
    """State at each midnight what the next seven days save against the capacity provisioned; pay day by day as recommended then."""
    stated = realised = 0.0
    close = count = 0
    for machine, decisions in zip(machines, decided, strict=True):
        price = prices.cpu * machine.cores / machine.capacity  # a MHz-hour
        past = dict(machine.days)
        for at in range(len(decisions) - WEEK + 1):
            week = decisions[at : at + WEEK]
            said = state_savings(_recent(past, week[0].day), machine.capacity, week[0].request, price, 24.0 * WEEK).saved
            got = sum(charge(one.values, machine.capacity, price, 24) - charge(one.values, one.request, price, 24) for one in week)
            stated += said
            realised += got
            count += 1
            close += abs(said - got) <= 0.1 * abs(got)
    rows = ((round(stated, 2), round(realised, 2), round(100 * (stated / realised - 1), 2) if realised else None, count,
             round(100 * close / count, 1) if count else None),)  # fmt: skip
    return Table(
        "Savings against the capacity provisioned: stated for the next seven days, and what came",
        ("stated USD", "realised USD", "difference %", "statements", "within 10 % each %"),
        rows,
        ("Easy for machines that are mostly idle: the saving is then nearly the whole capacity, whatever the request.",),
    )


def _recent(past: dict[int, Floats], day: int) -> Floats:
    recent = [values for number, values in past.items() if day - WEEK <= number < day]
    return np.concatenate(recent) if recent else np.zeros(0)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
