"""The benchmark on a small set in the formats of the data folder."""

import csv
import json
from datetime import UTC, datetime

import numpy as np
import pytest

from dharma_ml.bench import anomaly, anomaly_data
from dharma_ml.bench.tables import Table

GROUPS = ("artificialNoAnomaly/a.csv", "realAWSCloudwatch/b.csv", "realAWSCloudwatch/c.csv")


@pytest.fixture
def data(tmp_path):
    chance = np.random.default_rng(4)
    labels = {}
    for name in GROUPS:
        values = chance.normal(size=1100)
        stamps = [datetime.fromtimestamp(1.5e9 + 300 * i, UTC).strftime("%Y-%m-%d %H:%M:%S") for i in range(1100)]
        labels[name] = []
        if name.startswith("real"):
            values[900:930] += 12
            labels[name] = [[stamps[890], stamps[940]]]
        path = tmp_path / "nab" / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as lines:
            csv.writer(lines).writerows([("timestamp", "value"), *zip(stamps, values.tolist(), strict=True)])
    (tmp_path / "nab" / "labels.json").write_text(json.dumps(labels))
    (tmp_path / "asd").mkdir()
    rows = chance.normal(size=(1200, 4)).astype(np.float32)
    rows[1000:1020] += 9
    label = np.zeros(500, dtype=np.uint8)
    label[300:320] = 1
    np.savez(tmp_path / "asd" / "omi-1.npz", train=rows[:700], test=rows[700:], label=label)
    return tmp_path


def test_series_are_read_with_their_windows(data):
    first, second, _ = anomaly_data.nab(data / "nab")
    assert (first.windows, first.start, first.labels.any()) == ((), 165, False)
    assert second.windows == ((890, 940),)
    assert second.labels.sum() == 51
    [server] = anomaly_data.asd(data / "asd")
    assert (server.values.shape, server.start, np.flatnonzero(server.labels)[0]) == ((1200, 4), 700, 1000)


def test_parameters_may_be_chosen_on_the_same_streams_always(data):
    assert anomaly.tuned(anomaly_data.nab(data / "nab")) == {GROUPS[0], GROUPS[1]}


def test_the_whole_benchmark_runs_and_writes_scores(data, tmp_path, monkeypatch):
    monkeypatch.setattr(anomaly, "fleet", lambda largest: Table("Cost", ("what",), ((largest,),)))
    tables = {table.title: table for table in anomaly.run(data, scores=tmp_path / "scores")}
    assert set(tables) >= {"NAB", "ASD", "Alarms at the shipped threshold", "Calibration on normal points", "Without one member"}
    for table in tables.values():
        assert all(len(row) == len(table.columns) for row in table.rows)
    best = {row[0]: row[3] for row in tables["NAB"].rows if row[1] == "all"}
    assert best["ours"] > 80  # a plain shift by twelve deviations, twice
    with (tmp_path / "scores" / "nab" / GROUPS[1]).open() as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 1100
    assert all(0 <= float(row["score"]) <= 1 for row in rows)
    assert max(range(1100), key=lambda i: float(rows[i]["score"])) in range(900, 930)


def test_no_data_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="neither"):
        anomaly.run(tmp_path)
