"""Carries out what quota needs: each write guarded, in the order on which the proof in `dharma_handlers.tenant.quota` stands."""

import asyncio
import logging
from typing import Any

from dharma_handlers.outcome import Manifest, Wanted
from dharma_handlers.tenant.quota_amounts import texts_from
from dharma_handlers.tenant.quota_state import NAME, SEQUENCE, Ledger, QuotaRelease, QuotaWrite, Step, ledger_json
from dharma_operator.controllers import Request
from dharma_operator.kube.errors import AlreadyExists, Conflict, NotFound
from dharma_operator.kube.plan import child_of, stranger
from dharma_operator.kube.resources import RESOURCE_QUOTA, ObjectKey
from dharma_operator.status import merge_patch
from dharma_operator.store import object_key, owner_key, part

_logger = logging.getLogger(__name__)


async def carry_out(request: Request, step: Step) -> bool:
    """Do what `step` says, as far as nobody else has written meanwhile. Returns whether all of it was done.

    What is refused is decided anew by the next run, from what is there by then. Raises ApiError for anything else, when all has been done
    that does not depend on it: what goes wrong in one namespace must not stop quota in the others. A ledger whose answer was lost counts
    as not written: then nothing is raised.
    """
    made = await asyncio.gather(
        *(_create(request, write) for write in step.create), *(_write(request, write) for write in step.shrink), return_exceptions=True
    )
    raised = await _grant(request, step)
    for result in (*made, *raised):
        if isinstance(result, BaseException):
            raise result
    return all((*made, *raised))


async def _grant(request: Request, step: Step) -> list[bool | BaseException]:
    """Release, record and raise, each only when what comes before it is done. A create or shrink that failed grants nobody anything."""
    for release in step.release:
        if not await _release(request, release):
            return [False]
    if step.ledger is None:
        return []
    if not await _record(request, step.ledger):
        return [False]
    return await asyncio.gather(*(_write(request, write) for write in step.raises), return_exceptions=True)


async def _create(request: Request, write: QuotaWrite) -> bool:
    manifest = child_of(request.owner, Wanted(write.manifest(request.owner["metadata"]["name"]))).manifest
    try:
        request.store.wrote(await request.client.create(manifest))
    except AlreadyExists:
        return await _recover(request, write, manifest)
    except NotFound:
        return False  # the namespace has gone meanwhile
    return True


async def _recover(request: Request, write: QuotaWrite, manifest: Manifest) -> bool:
    """Give a ResourceQuota that the watch does not show its labels and owner back. Raises Conflict when it is somebody else's."""
    key = ObjectKey(RESOURCE_QUOTA, write.namespace, NAME)
    live = await request.client.get(key)
    if live is None:
        return False
    ours = SEQUENCE in part(live["metadata"], "annotations")
    holder = None if ours else stranger(request.owner, live)
    if holder is not None:
        raise Conflict(409, "NameTaken", f"{key} exists already and belongs to {holder}: rename or delete it")
    metadata = {name: manifest["metadata"][name] for name in ("labels", "ownerReferences") if name in manifest["metadata"]}
    version = live["metadata"]["resourceVersion"]
    try:
        request.store.wrote(await request.client.patch(key, {"metadata": metadata}, resource_version=version))
    except (Conflict, NotFound):
        return False
    return True


async def _write(request: Request, write: QuotaWrite) -> bool:
    """Change a ResourceQuota if it is still as it was when this was decided."""
    key = ObjectKey(RESOURCE_QUOTA, write.namespace, NAME)
    live = request.store.get(key)
    if live is None or live["metadata"]["resourceVersion"] != write.resource_version:
        return False
    hard: dict[str, Any] = dict.fromkeys(part(part(live, "spec"), "hard"))
    body = {"metadata": {"annotations": {SEQUENCE: str(write.sequence)}}, "spec": {"hard": {**hard, **texts_from(write.hard)}}}
    try:
        request.store.wrote(await request.client.patch(key, body, resource_version=write.resource_version))
    except (Conflict, NotFound):
        return False
    return True


async def _release(request: Request, release: QuotaRelease) -> bool:
    key = ObjectKey(RESOURCE_QUOTA, release.namespace, NAME)
    if release.resource_version is None:
        return await request.client.get(key) is None
    live = request.store.get(key)
    if live is None or live["metadata"]["resourceVersion"] != release.resource_version:
        return False
    try:
        await request.client.delete(key, uid=live["metadata"]["uid"], resource_version=release.resource_version)
    except Conflict:
        return False
    request.store.removed(key, live["metadata"]["uid"])
    return True


async def _record(request: Request, ledger: Ledger) -> bool:
    """Write the ledger into the very Tenant that it was computed from. Only a confirmed write counts."""
    metadata = request.owner["metadata"]
    before = part(part(request.owner, "status"), "allocations")
    patch = {"allocations": merge_patch(before, ledger_json(ledger))}
    try:
        written = await request.client.patch_status(
            object_key(owner_key(request.owner)), patch, uid=metadata["uid"], resource_version=metadata["resourceVersion"]
        )
    except (Conflict, NotFound):
        return False
    request.store.wrote(written)
    return True
