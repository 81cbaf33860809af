"""Sizing as findings: one plain sentence with the numbers each."""

import math
from collections.abc import Mapping

from dharma_ml.findings import Finding, Severity
from dharma_ml.sizing.cpu import CpuRecommendation
from dharma_ml.sizing.disk import GIB, DiskForecast, forecast_disk, size_for
from dharma_ml.sizing.history import DAY, History
from dharma_ml.sizing.memory import MemoryRecommendation
from dharma_ml.sizing.parameters import DISK
from dharma_ml.sizing.refusal import Reason, Refusal
from dharma_ml.sizing.replicas import replicas as replicas_for


def refused(stream: str, now: float, found: Refusal) -> Finding:
    """Say why nothing is recommended."""
    kind = "Learning" if found.reason is Reason.TOO_FEW_POINTS else "RightsizingRefused"
    return Finding(stream, kind, Severity.LOW, 1.0, found.message, now)


def cpu(stream: str, now: float, found: CpuRecommendation | Refusal, facts: Mapping[str, float]) -> list[Finding]:
    """Say what CPU to request; Medium when what is requested now is below half of it."""
    if isinstance(found, Refusal):
        return [refused(stream, now, found)]
    current = facts.get("cpu_request_cores", math.nan)
    kept = "no day judged yet" if found.shortage_kept is None else f"{100 * found.shortage_kept:.2f} % over {found.days} days"
    message = f"A CPU request of {found.request:.3f} cores leaves {100 * found.shortage_target:g} % of readings short; so far {kept}."
    numbers = {"cpu_request_cores": found.request, "shortage_target_share": found.shortage_target}
    if found.shortage_kept is not None:
        numbers["shortage_kept_share"] = found.shortage_kept
    severity = Severity.MEDIUM if current < 0.5 * found.request else Severity.LOW
    return [Finding(stream, "Rightsizing", severity, found.confidence, message, now, numbers)]


def replicas(stream: str, now: float, found: CpuRecommendation | Refusal, facts: Mapping[str, float]) -> list[Finding]:
    """Say how many replicas carry the demand of all together; Medium when there are fewer now. Facts as the stream's page has them."""
    if isinstance(found, Refusal):
        return [refused(stream, now, found)]
    each, current = facts["replica_cpu_cores"], facts.get("replicas", math.nan)
    least = max(int(facts.get("replicas_least", 1)), 1)
    most = facts.get("replicas_most")
    wanted = replicas_for(found, each, least=least, most=None if most is None else max(int(most), least))
    message = f"{wanted} replicas of {each:g} cores carry {found.request:.3f} cores, what all together need."
    if wanted * each < found.request:
        message = f"Only {wanted} replicas of {each:g} cores are allowed; all together need {found.request:.3f} cores."
    numbers = {"replicas": float(wanted), "cpu_cores_together": found.request, "shortage_target_share": found.shortage_target}
    severity = Severity.MEDIUM if current < wanted else Severity.LOW
    return [Finding(stream, "Replicas", severity, found.confidence, message, now, numbers)]


def memory(stream: str, now: float, found: MemoryRecommendation | Refusal, readings: int) -> list[Finding]:
    """Say what memory to request and limit, and a leak with the time that it has left."""
    if isinstance(found, Refusal):
        if found.reason is Reason.TOO_FEW_POINTS:
            found = Refusal(found.reason, f"Only {readings} readings of memory so far; 100 are needed.")
        return [refused(stream, now, found)]
    message = f"Memory request and limit of {found.limit / GIB:.3f} GiB: the peak was {found.peak / GIB:.3f} GiB ({found.because})."
    severity = Severity.MEDIUM if found.because == "OutOfMemory" else Severity.LOW
    numbers = {"memory_request_bytes": found.request, "memory_limit_bytes": found.limit, "memory_peak_bytes": found.peak}
    findings = [Finding(stream, "Rightsizing", severity, 0.9, message, now, numbers)]
    if found.leak is not None:
        leak = found.leak
        left = "without a limit in force"
        numbers = {"leak_bytes_per_day": leak.slope * DAY}
        severity = Severity.MEDIUM
        if leak.to_limit is not None and leak.to_limit_early is not None:
            left = f"{leak.to_limit / DAY:.1f} days to its limit ({leak.to_limit_early / DAY:.1f} at the earliest)"
            numbers |= {"seconds_to_limit": leak.to_limit, "seconds_to_limit_early": leak.to_limit_early}
            severity = Severity.HIGH if leak.to_limit < DAY else Severity.MEDIUM
        text = f"Memory rises steadily by {leak.slope * DAY / GIB:.3f} GiB a day, {left}."
        findings.append(Finding(stream, "MemoryLeak", severity, 0.9, text, now, numbers))
    return findings


def disk(stream: str, now: float, history: History, capacity: float) -> list[Finding]:
    """Warn of a disk that is full within two weeks, with the size that gives room."""
    found = forecast_disk(history, now, capacity)
    if not isinstance(found, DiskForecast) or found.days > DISK.warn_days:
        return []
    severity = Severity.CRITICAL if found.days < 1 else Severity.HIGH if found.days < 3 else Severity.MEDIUM
    late = "maybe never" if math.isinf(found.late) else f"{found.late:.1f} at the latest"
    wanted = size_for(history, now) or capacity
    text = f"The disk is full in {found.days:.1f} days ({found.early:.1f} at the earliest, {late}); {wanted / GIB:.0f} GiB give room."
    numbers = {"days_until_full": found.days, "days_until_full_early": found.early, "disk_wanted_bytes": wanted}
    return [Finding(stream, "DiskFull", severity, DISK.interval, text, now, numbers)]
