"""Kubernetes Events about our objects: what `kubectl describe` shows below. Repetitions are joined."""

import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from dharma_handlers.outcome import Event, Manifest
from dharma_operator.kube.client import Client
from dharma_operator.kube.errors import AlreadyExists, ApiError, NotFound
from dharma_operator.kube.resources import EVENT, ObjectKey

_logger = logging.getLogger(__name__)

_CONTROLLER = "dharma.io/operator"
_JOIN_SECONDS = 600.0
"""Within this time a repetition is only counted; the count is written with the first one after it."""
_REMEMBERED = 4096
_NOTE_LENGTH = 1024
_NAME_LENGTH = 200


@dataclass(slots=True)
class _Told:
    count: int
    written: float


class Recorder:
    """Writes events of the operator, as one of its replicas."""

    def __init__(self, client: Client, instance: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._instance = instance
        self._clock = clock
        self._told: OrderedDict[str, _Told] = OrderedDict()

    async def record(self, owner: Manifest, event: Event, now: datetime) -> None:
        """Tell `event` of `owner`. Errors are logged: nothing depends on an event."""
        manifest = _manifest(owner, event, self._instance, now)
        name = str(manifest["metadata"]["name"])
        told = self._told.get(name)
        if told is not None:
            told.count += 1
            if self._clock() - told.written < _JOIN_SECONDS:
                return
        else:
            told = self._remember(name)
        told.written = self._clock()
        try:
            await self._write(manifest, told.count, now)
        except ApiError as error:
            _logger.warning("an event cannot be written: %s", error)

    def _remember(self, name: str) -> _Told:
        told = self._told[name] = _Told(count=1, written=0.0)
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return told

    async def _write(self, manifest: Manifest, count: int, now: datetime) -> None:
        key = ObjectKey(EVENT, manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        try:
            if count == 1:
                await self._client.create(manifest)
                return
        except AlreadyExists:
            pass  # told by a former process
        try:
            await self._client.patch(key, {"series": {"count": max(2, count), "lastObservedTime": _micro_time(now)}})
        except NotFound:
            await self._client.create(manifest)  # it has run out meanwhile


def _manifest(owner: Manifest, event: Event, instance: str, now: datetime) -> Manifest:
    metadata = owner["metadata"]
    note = event.message if len(event.message) <= _NOTE_LENGTH else event.message[: _NOTE_LENGTH - 1] + "…"
    same = "\0".join((metadata["uid"], event.type, event.reason, note))
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {
            "name": f"{metadata['name'][:_NAME_LENGTH]}.{hashlib.sha256(same.encode()).hexdigest()[:16]}",
            "namespace": metadata.get("namespace") or "default",
        },
        "type": event.type,
        "reason": event.reason,
        "action": "Reconcile",
        "note": note,
        "eventTime": _micro_time(now),
        "reportingController": _CONTROLLER,
        "reportingInstance": instance[:128],
        "regarding": {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": metadata["name"],
            "namespace": metadata.get("namespace") or "",
            "uid": metadata["uid"],
            "resourceVersion": metadata.get("resourceVersion") or "",
        },
    }


def _micro_time(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
