"""The process dies exactly where it is told to."""

import subprocess
import sys
from pathlib import Path

import pytest

from dharma_operator.kube.crashpoints import CRASH_AT, CRASH_LOG, EXIT_CODE, WriteLog, parse_crash_at, point

PROGRAM = """
from dharma_operator.kube.crashpoints import point
for number in (1, 2, 3):
    with point(f"apply ConfigMap acme/c-{number}"):
        print(f"written {number}", flush=True)
"""


@pytest.mark.parametrize(("at", "written"), [("2:before", ["written 1"]), ("2:after", ["written 1", "written 2"])])
def test_a_process_dies_at_its_crash_point(tmp_path: Path, at: str, written: list[str]):
    log = tmp_path / "writes"
    environment = {CRASH_AT: at, CRASH_LOG: str(log), "PYTHONPATH": ":".join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == EXIT_CODE, done.stderr
    assert done.stdout.splitlines() == written
    assert log.read_text() == "1 apply ConfigMap acme/c-1\n2 apply ConfigMap acme/c-2\n"


def test_without_the_variables_nothing_dies_and_nothing_is_written(tmp_path: Path):
    log = WriteLog.from_environment({})
    with point("apply ConfigMap a", log), point("apply ConfigMap b", log):
        pass
    assert log.count == 2
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_failed_has_no_after():
    died: list[str] = []
    log = WriteLog((1, "after"), die=lambda: died.append("x"))
    with pytest.raises(RuntimeError), point("apply ConfigMap a", log):
        raise RuntimeError
    assert died == []
    assert log.count == 1


@pytest.mark.parametrize("text", ["", "3", "0:before", "x:after", "3:during", "-1:before"])
def test_a_wrong_crash_point_says_what_is_wanted(text: str):
    with pytest.raises(ValueError, match="write <k>:before or <k>:after"):
        parse_crash_at(text)
