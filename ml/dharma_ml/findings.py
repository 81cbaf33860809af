"""What the models take and tell: streams of numbers in, findings out."""

from dataclasses import dataclass, field
from enum import Enum


class Severity(Enum):
    """How much a finding matters, ascending."""

    LOW = "Low"
    MEDIUM = "Medium"
    HIGH = "High"
    CRITICAL = "Critical"


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading of a stream: `time` in seconds since 1970 (UTC), the value of each channel; NaN or absent for none."""

    time: float
    values: dict[str, float]


@dataclass(frozen=True, slots=True)
class Finding:
    """One statement about a stream."""

    stream: str
    kind: str
    """`Anomaly`, `Learning`, `Rightsizing`, `DiskFull`, `MemoryLeak`, `CostForecast` …"""
    severity: Severity
    confidence: float
    """In 0..1."""
    message: str
    """One plain sentence with the numbers."""
    time: float
    numbers: dict[str, float] = field(default_factory=dict[str, float])
    """What the message says, for machines; units in the key: `cpu_cores`, `memory_bytes`."""
