"""A tick over a whole fleet: new samples of every stream in, findings out, state in and out as bytes.

Models are given through two small protocols. What a model raises becomes a finding of its stream; no stream disturbs another.
"""

import contextlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from dharma_ml.findings import Finding, Sample, Severity
from dharma_ml.intake import Intake
from dharma_ml.packing import pack, unpack

FORGET: Final = 14 * 86400.0
"""Seconds after which a stream that sends nothing more is forgotten: two weeks outlive a holiday and bound the memory."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What is new of one workload since the last tick, and what is known about it."""

    name: str
    samples: Sequence[Sample]
    counters: frozenset[str] = frozenset()
    """Channels that only grow; models see them as units a second."""
    facts: Mapping[str, float] = field(default_factory=dict[str, float])
    """What is set now, units in the name: `cpu_request_cores`, `memory_limit_bytes`; yes and no as 1 and 0: `hpa_on_cpu`, `oom_kills`."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What a model may know beside the samples."""

    now: float
    """Seconds since 1970, UTC."""
    facts: Mapping[str, float]
    anomaly_open: bool
    """An `Anomaly` that is not over was found on this stream in this very tick, by a model that ran before."""


class Model(Protocol):
    """One model of one stream."""

    def observe(self, samples: Sequence[Sample], moment: Moment) -> Sequence[Finding]:
        """Take samples and tell what was found; an open anomaly at each tick anew.

        `samples` ascend in time, none twice, values finite; there may be none, and channels come and go.
        """
        ...

    def save(self) -> bytes:
        """Give the whole state as bytes that `Maker.restore` reads."""
        ...


class Maker(Protocol):
    """Makes models of one sort: one for anomalies, one for sizes, one for forecasts."""

    @property
    def sort(self) -> str:
        """The name under which states are kept: lower case, with the version of the state's format, such as `anomaly-1`."""
        ...

    def create(self, stream: str) -> Model:
        """Make a model that knows nothing yet."""
        ...

    def restore(self, stream: str, state: bytes) -> Model:
        """Make a model from what `save` gave. Raises ValueError for anything else."""
        ...


@dataclass(slots=True)
class _Known:
    intake: Intake
    models: dict[str, Model]
    heard: float


class Fleet:
    """All streams with their models. Makers run in the order given: the one that finds anomalies first."""

    def __init__(self, makers: Sequence[Maker], state: bytes = b"") -> None:
        self._makers = tuple(makers)
        self._known: dict[str, _Known] = {}
        self._saved: dict[str, bytes] = {}
        self._unread: str = ""
        if state:
            try:
                self._saved = unpack(state)
            except ValueError as error:
                self._unread = str(error)

    def tick(self, streams: Sequence[Stream], now: float) -> list[Finding]:
        """Feed all streams once; `now` in seconds since 1970.

        Never raises: what goes wrong is a finding of kind `BadInput`, `ClockJump`, `ModelFailed` or `StateLost`.
        """
        findings: list[Finding] = []
        if self._unread:
            findings.append(_failure("", now, "StateLost", f"The saved state could not be read, all streams learn anew: {self._unread}."))
            self._unread = ""
        for stream in streams:
            findings.extend(self._stream(stream, now))
        self._forget(now)
        return findings

    def save(self) -> bytes:
        """Give the state of all streams as bytes: also of those that were not heard of since it was restored."""
        pieces = dict(self._saved)
        for name, known in self._known.items():
            pieces[_key(name, "heard")] = json.dumps(known.heard).encode()
            pieces[_key(name, "intake")] = known.intake.save()
            for sort, model in known.models.items():
                with contextlib.suppress(Exception):  # one that cannot say its state learns anew after a restart
                    pieces[_key(name, sort)] = model.save()
        return pack(pieces)

    def _stream(self, stream: Stream, now: float) -> Iterator[Finding]:
        try:
            known, lost = self._find(stream.name, now)
            clean = known.intake.take(stream.samples, stream.counters, now)
        except Exception as error:  # noqa: BLE001 - whatever a stream holds, the others must go on
            yield _failure(stream.name, now, "BadInput", f"The samples of this stream could not be read: {_named(error)}.")
            return
        yield from lost
        if clean.restart:
            known.models.clear()
            yield _failure(stream.name, now, "ClockJump", "The clock went back by more than an hour: this stream learns anew.")
        if clean.dropped:
            yield _failure(
                stream.name,
                now,
                "BadInput",
                f"{clean.dropped} of {len(stream.samples)} samples were dropped: repeated, late, ahead of the clock or without a time.",
                {"dropped_samples": float(clean.dropped)},
            )
        known.heard = max(known.heard, now) if clean.samples and not clean.restart else now if clean.samples else known.heard
        anomaly = False
        for maker in self._makers:
            found = self._observe(maker, known, stream, clean.samples, Moment(now, stream.facts, anomaly))
            anomaly = anomaly or any(finding.kind == "Anomaly" and not finding.numbers.get("over") for finding in found)
            yield from found

    def _observe(self, maker: Maker, known: _Known, stream: Stream, samples: Sequence[Sample], moment: Moment) -> list[Finding]:
        try:
            model = known.models.get(maker.sort) or known.models.setdefault(maker.sort, maker.create(stream.name))
            return list(model.observe(samples, moment))
        except Exception as error:  # noqa: BLE001 - a model that fails must not take the fleet with it
            known.models.pop(maker.sort, None)  # its state may be half changed
            return [_failure(stream.name, moment.now, "ModelFailed", f"The model {maker.sort} failed and learns anew: {_named(error)}.")]

    def _find(self, name: str, now: float) -> tuple[_Known, list[Finding]]:
        known = self._known.get(name)
        if known is not None:
            return known, []
        known = _Known(Intake(), {}, now)
        self._known[name] = known
        lost: list[Finding] = []
        if (heard := self._saved.pop(_key(name, "heard"), None)) is not None:
            known.heard = min(float(json.loads(heard)), now)
        if (intake := self._saved.pop(_key(name, "intake"), None)) is not None:
            known.intake = Intake.restore(intake)
        for maker in self._makers:
            state = self._saved.pop(_key(name, maker.sort), None)
            if state is None:
                continue
            try:
                known.models[maker.sort] = maker.restore(name, state)
            except Exception as error:  # noqa: BLE001 - a state of another version is not this stream's end
                lost.append(
                    _failure(name, now, "StateLost", f"The state of {maker.sort} could not be read, it learns anew: {_named(error)}.")
                )
        return known, lost

    def _forget(self, now: float) -> None:
        for name in [name for name, known in self._known.items() if now - known.heard > FORGET]:
            del self._known[name]
        old = [key.partition("\n")[0] for key, piece in self._saved.items() if key.endswith("\nheard") and now - json.loads(piece) > FORGET]
        for name in old:
            for key in [key for key in self._saved if key.startswith(f"{name}\n")]:
                del self._saved[key]


def tick(streams: Sequence[Stream], now: float, state: bytes, makers: Sequence[Maker]) -> tuple[list[Finding], bytes]:
    """Restore, tick and save in one: for callers that keep nothing. `state` is empty at first. Never raises."""
    fleet = Fleet(makers, state)
    findings = fleet.tick(streams, now)
    return findings, fleet.save()


def _key(stream: str, piece: str) -> str:
    return f"{stream}\n{piece}"


def _named(error: Exception) -> str:
    text = str(error).strip().rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _failure(stream: str, now: float, reason: str, message: str, numbers: dict[str, float] | None = None) -> Finding:
    return Finding(
        stream=stream,
        kind=reason,
        severity=Severity.LOW,
        confidence=1.0,
        message=message,
        time=now if math.isfinite(now) else 0.0,
        numbers=numbers or {},
    )
