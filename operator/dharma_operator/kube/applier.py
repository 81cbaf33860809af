"""Brings a set of children about: applies what differs, prunes what nothing wants, counts drift. The decisions are in `plan.py`."""

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from dharma_handlers.outcome import Manifest, Mode, Outcome
from dharma_operator.kube.client import Client
from dharma_operator.kube.compare import differences_as_sent, trim
from dharma_operator.kube.errors import AlreadyExists, Conflict
from dharma_operator.kube.ownership import by_others
from dharma_operator.kube.plan import (
    RANKS,
    Child,
    Step,
    child_of,
    prunable,
    rank,
    revision_hash,
    scope_of,
    state_digest,
    step_for,
    stranger,
    terminating,
)
from dharma_operator.kube.resources import MANAGED_BY_LABEL, ObjectKey, key_of

__all__ = ["Applied", "Applier", "Cache", "DriftItem", "revision_hash"]

logger = logging.getLogger(__name__)


class Cache(Protocol):
    """What the applier needs of the store that `children` come from."""

    def get(self, key: ObjectKey) -> Manifest | None:
        """Return an object as last seen, whosever child it is."""
        ...

    def wrote(self, manifest: Manifest) -> None:
        """Take in what the server answered to a write, unless a watch has already told of a later state, or that the object is gone.

        Without this, the next reconcile, started by the event of the first write, would not see the others and take them for drift.
        """
        ...


@dataclass(frozen=True, slots=True)
class DriftItem:
    """One child that somebody else changed or deleted."""

    object: str
    """`StatefulSet/shop-db`."""
    action: Literal["Create", "Update"]
    """What puts it back."""
    fields: tuple[str, ...]
    """Paths of the fields; empty for Create."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What one apply did."""

    changed: tuple[ObjectKey, ...] = ()
    """Made, or made equal."""
    pruned: tuple[ObjectKey, ...] = ()
    drift: tuple[DriftItem, ...] = ()
    """What was found different although the wanted set has not changed: put back, or left if the outcome says so."""
    terminating: tuple[ObjectKey, ...] = ()
    """Wanted, but being deleted: made again once they are gone, which is an event of their own."""
    error: Exception | None = None
    """The first thing that went wrong, with the others as notes. What was to be done in other namespaces is done."""


@dataclass(slots=True)
class _Memory:
    """What is known of one owner's children beyond the cache. Losing it costs a request or two, never correctness."""

    present: set[ObjectKey] = field(default_factory=set[ObjectKey])
    """CREATE_ONLY objects that are known to exist, though the cache does not hold them."""
    deleted: set[str] = field(default_factory=set[str])
    """Uids that were deleted, though the cache still holds them."""
    as_good_as_equal: dict[ObjectKey, str] = field(default_factory=dict[ObjectKey, str])
    """Digests of objects that something on the server rewrites: they differed right after they were applied, and would again."""


class Applier:
    """Applies outcomes. One for the whole process: it bounds the writes in flight, and remembers what the cache does not show."""

    def __init__(self, client: Client, cache: Cache, *, concurrency: int = 16) -> None:
        self._client = client
        self._cache = cache
        self._slots = asyncio.Semaphore(concurrency)
        self._memories: dict[str, _Memory] = {}

    async def apply(self, owner: Manifest, outcome: Outcome, children: Mapping[ObjectKey, Manifest], *, settled: bool) -> Applied:
        """Make `outcome.objects` exist. With objects None: do nothing.

        `children` are all objects that carry the owner's label, also those which others made from a template: only objects that our field
        manager wrote are ever pruned, and none with the retain annotation. `settled`: this very set of objects (`revision_hash`) has been
        applied before, so that every difference is drift; with `outcome.correct_drift` False it is then only reported, nothing written.

        Objects are applied in ranks, workloads last. After an error in a namespace the rank is finished, and nothing more is applied or
        pruned there; other namespaces do not suffer from it. Raises ValueError when two wanted objects have one name.
        """
        if outcome.objects is None:
            return Applied()
        memory = self._memories.setdefault(owner["metadata"]["uid"], _Memory())
        wanted = _by_key([child_of(owner, item) for item in outcome.objects])
        memory.present &= wanted.keys()
        memory.deleted &= {live["metadata"]["uid"] for live in children.values()}
        steps = [step for key, child in wanted.items() if (step := self._step(child, children.get(key), memory)) is not None]
        drift = tuple(
            DriftItem(step.child.key.short, step.action, step.fields)
            for step in steps
            if settled and step.child.mode is not Mode.CREATE_ONLY
        )
        held = tuple(key for key in wanted if key in children and terminating(children[key]))
        if settled and not outcome.correct_drift:
            return Applied(drift=drift, terminating=held)
        changed: list[ObjectKey] = []
        failed = _Failures()
        for turn in range(RANKS):
            batch = [step for step in steps if rank(step.child.key.resource) == turn and step.child.scope not in failed.scopes]
            done = await self._all([(step.child.key, self._write(owner, step, memory, settled=settled)) for step in batch], failed)
            changed += done
        let_go = {key_of(manifest) for manifest in outcome.release}
        surplus = [
            key
            for key in prunable(owner, {*wanted, *let_go}, children)
            if children[key]["metadata"]["uid"] not in memory.deleted and scope_of(key) not in failed.scopes
        ]
        pruned = await self._all([(key, self._prune(key, children[key], memory)) for key in surplus], failed)
        released = await self._all([(key_of(one), self._release(one, children)) for one in outcome.release], failed)
        return Applied((*changed, *released), tuple(pruned), drift, held, failed.error)

    def forget(self, owner_uid: str) -> None:
        """Drop what is remembered about the children of an owner that is gone."""
        self._memories.pop(owner_uid, None)

    def _step(self, child: Child, live: Manifest | None, memory: _Memory) -> Step | None:
        if live is None and child.key in memory.present:
            return None
        step = step_for(child, live)
        if step is None or step.live is None:
            return step
        known = memory.as_good_as_equal.get(child.key)
        return None if known is not None and known == state_digest(child.manifest, step.live) else step

    async def _write(self, owner: Manifest, step: Step, memory: _Memory, *, settled: bool) -> bool:
        """Carry out one step. Returns whether it changed anything."""
        async with self._slots:
            if step.child.mode is Mode.CREATE_ONLY:
                return await self._create(step.child, memory, look_first=settled)
            if step.live is None:
                return await self._make(owner, step.child, self._cache.get(step.child.key), memory)
            try:
                return await self._update(step.child, step.live, memory)
            except Conflict:  # replaced since we saw it
                return await self._make(owner, step.child, await self._client.get(step.child.key), memory)

    async def _create(self, child: Child, memory: _Memory, *, look_first: bool) -> bool:
        """Make a CREATE_ONLY object. `look_first`: it is likely to be there, and a read is cheaper than a write that is refused."""
        found = look_first and await self._client.get(child.key) is not None
        if not found:
            try:
                self._written(child, await self._client.create(child.manifest), memory)
            except AlreadyExists:
                found = True
        memory.present.add(child.key)
        return not found

    async def _make(self, owner: Manifest, child: Child, live: Manifest | None, memory: _Memory) -> bool:
        """Apply an object that is not among the owner's children, and so should not exist: nobody's object is ever taken over."""
        decided = child.adopt and live is not None
        if live is None:
            try:
                result = await self._client.apply(child.manifest, force=False)
            except Conflict:
                live = await self._client.get(child.key)
                if live is None:
                    raise
            else:
                if child.adopt and by_others(result):
                    await self._give_back(child, result)
                self._written(child, result, memory)
                return True
        holder = stranger(owner, live)
        if holder is not None and not decided:
            message = f"{child.key} exists already and belongs to {holder}: rename one of the two, or delete that object"
            raise Conflict(409, "NameTaken", message)
        return bool(differences_as_sent(child.manifest, live)) and await self._update(child, live, memory)

    async def _give_back(self, child: Child, result: Manifest) -> None:
        """Undo an apply that met somebody's object, made since the decision: whose it is, is to be decided with it in view."""
        metadata = {"name": child.key.name, "uid": result["metadata"]["uid"]}
        await self._client.apply({"apiVersion": result["apiVersion"], "kind": result["kind"], "metadata": metadata})
        raise Conflict(409, "NameTaken", f"{child.key} was made by somebody else at this very moment: it is looked at again")

    async def _update(self, child: Child, live: Manifest, memory: _Memory) -> bool:
        """Apply to that very object which was seen: should it have been replaced meanwhile, the server answers Conflict."""
        metadata = live["metadata"]
        manifest = {**child.manifest, "metadata": {**child.manifest["metadata"], "uid": metadata["uid"]}}
        applied = await self._client.apply(manifest)
        self._written(child, applied, memory)
        return bool(applied["metadata"]["resourceVersion"] != metadata["resourceVersion"])

    def _written(self, child: Child, result: Manifest, memory: _Memory) -> None:
        if MANAGED_BY_LABEL in (result["metadata"].get("labels") or {}):  # else nobody watches it, nor would say that it is gone
            self._cache.wrote(result)
        memory.as_good_as_equal.pop(child.key, None)
        if child.mode is Mode.CREATE_ONLY:
            return
        rewritten = differences_as_sent(child.manifest, result)
        if rewritten:
            logger.warning("%s is rewritten on the server after it was applied, and left so: %s", child.key, ", ".join(rewritten))
            memory.as_good_as_equal[child.key] = state_digest(child.manifest, trim(result))

    async def _prune(self, key: ObjectKey, live: Manifest, memory: _Memory) -> bool:
        async with self._slots:
            try:
                deleted = await self._client.delete(key, uid=live["metadata"]["uid"])
            except Conflict:  # another object has taken the name; its event is on the way
                return False
        memory.deleted.add(live["metadata"]["uid"])
        return deleted

    async def _release(self, manifest: Manifest, children: Mapping[ObjectKey, Manifest]) -> bool:
        """Keep of a child what `manifest` says, nothing of it as a child. Returns whether that changed anything."""
        live = children.get(key_of(manifest))
        if live is None:
            return False
        metadata = live["metadata"]
        async with self._slots:
            try:
                result = await self._client.apply({**manifest, "metadata": {**manifest["metadata"], "uid": metadata["uid"]}})
            except Conflict:  # another object has taken the name; its event is on the way
                return False
        self._cache.wrote(result)
        return bool(result["metadata"]["resourceVersion"] != metadata["resourceVersion"])

    @staticmethod
    async def _all(tasks: Sequence[tuple[ObjectKey, Awaitable[bool]]], failed: "_Failures") -> list[ObjectKey]:
        """Run all to their end. Return the keys of those that changed something; add what went wrong to `failed`."""
        results = await asyncio.gather(*(task for _, task in tasks), return_exceptions=True)
        keys = [key for key, _ in tasks]
        for key, result in zip(keys, results, strict=True):
            if isinstance(result, Exception):
                failed.add(key, result)
            elif isinstance(result, BaseException):
                raise result
        return [key for key, result in zip(keys, results, strict=True) if result is True]


@dataclass(slots=True)
class _Failures:
    """What went wrong in one apply, and where."""

    error: Exception | None = None
    scopes: set[str] = field(default_factory=set[str])

    def add(self, key: ObjectKey, error: Exception) -> None:
        """Count an error: nothing more is done in that object's namespace."""
        self.scopes.add(scope_of(key))
        if self.error is None:
            self.error = error
        else:
            self.error.add_note(str(error))


def _by_key(children: Sequence[Child]) -> dict[ObjectKey, Child]:
    by_key: dict[ObjectKey, Child] = {}
    for child in children:
        if child.key in by_key:
            raise ValueError(f"{child.key} is wanted twice")
        by_key[child.key] = child
    return by_key
