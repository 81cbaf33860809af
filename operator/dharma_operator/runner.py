"""One reconcile from end to end: read, decide, apply, tell, and say when to come back."""

import asyncio
import dataclasses
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dharma_handlers.outcome import Condition, Event, Manifest, Outcome
from dharma_operator import status as statuses
from dharma_operator.controllers import Controller, Controllers, Request, UnfinishedError
from dharma_operator.engine import RunResult
from dharma_operator.events import Recorder
from dharma_operator.failures import Failure, conditions_after, failure_of
from dharma_operator.kube.applier import Applied, Applier, revision_hash
from dharma_operator.kube.client import Client
from dharma_operator.kube.errors import ApiError, Conflict, NotFound
from dharma_operator.logs import about
from dharma_operator.metrics import Metrics
from dharma_operator.settings import Settings
from dharma_operator.store import Store, object_key, part
from dharma_operator.workqueue import OwnerKey

_logger = logging.getLogger(__name__)

_RUN_SECONDS = 120.0
"""Longest that one reconcile may take: whatever it waits for, others must not wait for it."""
_SOON = 0.05
_SHARED_FIELDS = ("revision", "drift", "observedGeneration", "allocations")
"""Status fields that the runner keeps when the controller says nothing of them."""
_SUSPENDED = "spec.suspend is set: nothing is changed until it is removed"


@dataclass(frozen=True, slots=True)
class _Done:
    """What a run that raised nothing did."""

    outcome: Outcome
    applied: Applied
    digest: str | None
    suspended: bool

    @property
    def wrote_children(self) -> bool:
        return bool(self.applied.changed or self.applied.pruned)


class Runner:
    """Runs one object after the other, or side by side; the engine sees to it that no object runs twice at a time."""

    def __init__(
        self,
        *,
        client: Client,
        store: Store,
        controllers: Controllers,
        applier: Applier,
        recorder: Recorder,
        settings: Settings,
        metrics: Metrics,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._store = store
        self._controllers = controllers
        self._applier = applier
        self._recorder = recorder
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._uids: dict[OwnerKey, str] = {}

    async def run(self, key: OwnerKey, failures: int) -> RunResult:
        """Reconcile one object, which has failed `failures` times in a row before. Raises nothing but cancellation."""
        controller = self._controllers[key.kind]
        owner = self._store.owner(key)
        self._follow(key, controller, owner)
        if owner is None:
            return await self._gone(key, controller)
        if not controller.serves(owner, self._settings):
            return RunResult()
        metadata = owner["metadata"]
        reconcile_id = secrets.token_hex(4)
        with about(kind=key.kind, namespace=key.namespace, name=key.name, generation=metadata.get("generation"), reconcile_id=reconcile_id):
            started = time.monotonic()
            try:
                async with asyncio.timeout(_RUN_SECONDS):
                    result = await self._reconcile(key, controller, owner, reconcile_id)
                ending = "Success"
            except Exception as error:  # noqa: BLE001 (whatever it is, it becomes a condition and stops no other object)
                failure = failure_of(error)
                ending = failure.reason
                result = await self._failed(key, owner, failure, failures, error)
            self._metrics.reconciled(key.kind, ending, time.monotonic() - started)
            return result

    async def _gone(self, key: OwnerKey, controller: Controller) -> RunResult:
        """See to what is left of an object that does not exist any more."""
        try:
            async with asyncio.timeout(_RUN_SECONDS):
                await controller.gone(self._client, self._store, self._settings, key)
        except (ApiError, TimeoutError) as error:
            _logger.warning("what %s left behind cannot be seen to, trying again: %s", key, error)
            return RunResult(failed=True)
        return RunResult(gone=True)

    def _follow(self, key: OwnerKey, controller: Controller, owner: Manifest | None) -> None:
        """Drop what is remembered of a former object of this name."""
        uid = None if owner is None else str(owner["metadata"]["uid"])
        former = self._uids.get(key)
        if former is not None and former != uid:
            self._applier.forget(former)
            controller.forget(key.namespace, key.name)
            del self._uids[key]
        if uid is not None:
            self._uids[key] = uid

    async def _reconcile(self, key: OwnerKey, controller: Controller, owner: Manifest, reconcile_id: str) -> RunResult:
        started = time.monotonic()
        now = self._clock()
        suspended = bool(part(owner, "spec").get("suspend"))
        request = Request(
            owner=owner,
            children=self._store.children(key),
            client=self._client,
            store=self._store,
            settings=self._settings,
            now=now,
            reconcile_id=reconcile_id,
            suspended=suspended,
        )
        if owner["metadata"].get("deletionTimestamp"):
            return await self._leave(key, controller, request)
        outcome, error = await _decided(controller, request)
        if self._has_left(key, owner):
            return RunResult()  # what is made now would come after the garbage collector; that the object is gone is a run of its own
        if suspended:
            outcome = dataclasses.replace(outcome, objects=None)
        done = await self._apply(key, owner, outcome, suspended=suspended)
        error = done.applied.error or error
        if error is not None:
            await self._tell_of_the_rest(key, owner, done)
            raise error
        told: Mapping[str, Any] | None = {} if outcome.hold and not done.applied.drift else await self._write_status(key, owner, done, now)
        self._log(done, told, time.monotonic() - started)
        if told or done.wrote_children:
            for event in (*outcome.events, *_drift_events(done)):
                await self._recorder.record(owner, event, now)
        if told is None or done.wrote_children:
            # Answers to own writes hide what others changed just before them: look once more. At rest that look writes nothing.
            return RunResult(after=_SOON)
        return RunResult(after=outcome.requeue_after)

    async def _leave(self, key: OwnerKey, controller: Controller, request: Request) -> RunResult:
        """Tell of an object that is being deleted. The garbage collector takes its children: nothing is done, and so nothing to hang on."""
        outcome = await controller.leaving(request)
        if outcome is None:
            return RunResult()
        done = _Done(dataclasses.replace(outcome, objects=None), Applied(), None, suspended=False)
        told = await self._write_status(key, request.owner, done, request.now)
        return RunResult(after=_SOON if told is None else outcome.requeue_after)

    def _has_left(self, key: OwnerKey, owner: Manifest) -> bool:
        """Tell whether the object has been deleted since this run read it: looking at data services can take seconds."""
        latest = self._store.owner(key)
        return latest is None or latest["metadata"]["uid"] != owner["metadata"]["uid"] or bool(latest["metadata"].get("deletionTimestamp"))

    async def _apply(self, key: OwnerKey, owner: Manifest, outcome: Outcome, *, suspended: bool) -> _Done:
        digest = None if outcome.objects is None else revision_hash(outcome.objects)
        recorded = part(part(owner, "status"), "revision").get("hash")
        applied = await self._applier.apply(owner, outcome, self._store.children(key), settled=digest is not None and digest == recorded)
        for child in applied.changed:
            self._metrics.changed(child.resource.kind, "Apply")
        for child in applied.pruned:
            self._metrics.changed(child.resource.kind, "Prune")
        if applied.drift and outcome.correct_drift:
            self._metrics.drifted(key.kind, len(applied.drift))
        return _Done(outcome, applied, digest, suspended)

    async def _tell_of_the_rest(self, key: OwnerKey, owner: Manifest, done: _Done) -> None:
        """Write what was seen, though applying failed in some namespace. The conditions are for whoever tells of the failure."""
        latest = self._store.owner(key)
        if key.namespace or latest is None or latest["metadata"]["uid"] != owner["metadata"]["uid"]:
            return
        live: Mapping[str, Any] = part(latest, "status")
        await self._patch_status(key, latest, {**live, **done.outcome.status})

    async def _write_status(self, key: OwnerKey, owner: Manifest, done: _Done, now: datetime) -> Mapping[str, Any] | None:
        """Bring the status about. Return what was patched, empty for nothing; None when the object changed meanwhile."""
        latest = self._store.owner(key)
        if latest is None or latest["metadata"]["uid"] != owner["metadata"]["uid"]:
            return {}
        generation = int(owner["metadata"].get("generation") or 0)
        if int(part(latest, "status").get("observedGeneration") or 0) > generation:
            return None  # another operator has acted on a newer spec already: what this run saw is old
        wanted = _wanted_status(part(latest, "status"), generation, done, now)
        return await self._patch_status(key, latest, wanted)

    async def _patch_status(self, key: OwnerKey, latest: Manifest, wanted: Mapping[str, Any]) -> Mapping[str, Any] | None:
        patch = statuses.merge_patch(part(latest, "status"), wanted)
        if not patch:
            return {}
        metadata = latest["metadata"]
        try:
            written = await self._client.patch_status(
                object_key(key), patch, uid=metadata["uid"], resource_version=metadata["resourceVersion"]
            )
        except Conflict:
            return None
        except NotFound:
            return {}  # deleted meanwhile
        self._store.wrote(written)
        self._metrics.status_written(key.kind)
        return patch

    async def _failed(self, key: OwnerKey, owner: Manifest, failure: Failure, failures: int, error: Exception) -> RunResult:
        level = logging.INFO if failure.passing and failures == 0 else logging.WARNING
        unforeseen = failure.reason == "ReconcileError"
        _logger.log(
            level, "reconcile failed: %s", failure.message, exc_info=error if unforeseen else None, extra={"failures": failures + 1}
        )
        if failure.worth_telling(failures):
            try:
                await self._tell_failure(key, owner, failure)
            except (ApiError, TimeoutError) as second:
                _logger.info("the failure cannot be told in the status either: %s", second)
        return RunResult(failed=True, after=failure.retry_after)

    async def _tell_failure(self, key: OwnerKey, owner: Manifest, failure: Failure) -> None:
        latest = self._store.owner(key)
        if latest is None or latest["metadata"]["uid"] != owner["metadata"]["uid"]:
            return
        now = self._clock()
        generation = int(owner["metadata"].get("generation") or 0)
        live: Mapping[str, Any] = part(latest, "status")
        ready = statuses.condition_of(live, statuses.READY)
        known = ready is not None and ready.get("observedGeneration") == generation and ready.get("reason") != failure.reason
        changed = conditions_after(failure, ready_known=known)
        wanted = {**live, "conditions": statuses.keep_but(live.get("conditions") or (), changed, generation, now)}
        if await self._patch_status(key, latest, wanted):
            await self._recorder.record(latest, Event("Warning", failure.reason, failure.message), now)

    def _log(self, done: _Done, told: Mapping[str, Any] | None, seconds: float) -> None:
        applied = done.applied
        fields = {
            "seconds": round(seconds, 3),
            "changed": [str(child) for child in applied.changed],
            "pruned": [str(child) for child in applied.pruned],
            "drift": [item.object for item in applied.drift],
        }
        ready = next((condition for condition in done.outcome.conditions if condition.type == statuses.READY), None)
        words = f"{ready.type}={ready.status} {ready.reason}: {ready.message}" if ready else "no condition"
        changed = bool(done.wrote_children or "conditions" in (told or {}))
        _logger.log(
            logging.INFO if changed else logging.DEBUG,
            "reconciled: %s",
            words,
            extra={name: value for name, value in fields.items() if value},
        )


async def _decided(controller: Controller, request: Request) -> tuple[Outcome, Exception | None]:
    try:
        return await controller.reconcile(request), None
    except UnfinishedError as unfinished:
        return unfinished.outcome, unfinished.error


def _wanted_status(live: Mapping[str, Any], generation: int, done: _Done, now: datetime) -> dict[str, Any]:
    """Return the complete status after a run."""
    outcome, applied = done.outcome, done.applied
    wanted: dict[str, Any] = {name: live[name] for name in _SHARED_FIELDS if name in live}
    wanted.update(outcome.status)
    conditions = outcome.conditions
    if done.suspended:
        conditions = statuses.amend(
            conditions,
            Condition(statuses.RECONCILING, "False", statuses.SUSPENDED, _SUSPENDED),
            Condition(statuses.SUSPENDED, "True", statuses.SUSPENDED, _SUSPENDED),
        )
    else:
        wanted["observedGeneration"] = generation
    if done.digest is not None:
        ready = any(condition.type == statuses.READY and condition.status == "True" for condition in conditions)
        wanted["revision"] = statuses.revision(live.get("revision"), done.digest, generation, ready=ready)
        wanted["drift"] = statuses.drift(live.get("drift"), applied.drift, corrected=outcome.correct_drift, now=now)
        conditions = statuses.amend([_drift_condition(done), *conditions])
    wanted["conditions"] = statuses.conditions(live.get("conditions") or (), conditions, generation, now)
    return wanted


def _drift_condition(done: _Done) -> Condition:
    left = () if done.outcome.correct_drift else done.applied.drift
    if not left:
        return Condition(statuses.DRIFT_FREE, "True", "InSync", "")
    return Condition(
        statuses.DRIFT_FREE, "False", "DriftFound", f"Changed by others and left so: {_enumerate([item.object for item in left])}"
    )


def _drift_events(done: _Done) -> tuple[Event, ...]:
    if not done.applied.drift or not done.outcome.correct_drift:
        return ()
    return (
        Event("Warning", "DriftCorrected", f"Changed by others and put back: {_enumerate([item.object for item in done.applied.drift])}"),
    )


def _enumerate(names: list[str], most: int = 5) -> str:
    named = ", ".join(sorted(names)[:most])
    return named if len(names) <= most else f"{named} and {len(names) - most} more"
