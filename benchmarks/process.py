"""What a process used, from `/proc`, and how busy the whole machine was."""

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """A process at one moment."""

    cpu_seconds: float
    """Since its start, user and system."""
    rss: int
    """Bytes of memory that are its own now."""
    peak_rss: int
    """The most it ever had."""


def usage(pid: int) -> Usage:
    """Look at a process now. Raises FileNotFoundError when there is none."""
    proc = Path("/proc") / str(pid)
    fields = (proc / "stat").read_text().rpartition(")")[2].split()
    status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
    user, system = int(fields[11]), int(fields[12])
    return Usage((user + system) / _TICKS, _kibibytes(status["VmRSS"]), _kibibytes(status["VmHWM"]))


def machine_cpu_seconds() -> float:
    """Seconds that all CPUs of the machine together were busy, since its start."""
    ticks = [int(part) for part in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle, waiting = ticks[3], ticks[4]
    return (sum(ticks) - idle - waiting) / _TICKS


def _kibibytes(text: str) -> int:
    return int(text.split(maxsplit=1)[0]) * 1024
