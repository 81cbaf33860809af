"""One reconcile of a Deployment: look, decide, write the intent down, act, look again; then report."""

import asyncio
import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import ValidationError

from dharma_crds.blueprint import Blueprint
from dharma_crds.deployment import DharmaDeployment
from dharma_handlers.deployment.decide import Decision, decide
from dharma_handlers.deployment.moves import Move
from dharma_handlers.deployment.observed import Observed
from dharma_handlers.deployment.parts import is_ready
from dharma_handlers.deployment.revision import hash_on
from dharma_handlers.deployment.state import State
from dharma_handlers.outcome import Manifest, Outcome, Wanted
from dharma_operator.controllers import Controller, KindInfo, Request
from dharma_operator.deployment.checks.board import About, Board
from dharma_operator.invalid import invalid
from dharma_operator.kube.errors import Conflict
from dharma_operator.kube.ownership import autoscaled
from dharma_operator.kube.plan import child_of
from dharma_operator.kube.resources import DHARMA_DEPLOYMENT, REPLICA_SET, RESOURCE_QUOTA
from dharma_operator.status import merge_patch
from dharma_operator.store import OWNER_LABELS, object_key, owner_key, part
from dharma_operator.workqueue import OwnerKey

_MOST_ROUNDS = 12
_FOLLOW_SECONDS = 1.0
"""How long to wait within a reconcile for the slices to follow a move; after that their event begins another one."""
_LOOK_SECONDS = 0.005


class DeploymentController(Controller):
    """The controller of Deployments."""

    def __init__(self) -> None:
        self._board = Board()
        self._about: dict[tuple[str, str], About] = {}

    @property
    def kind(self) -> KindInfo:
        """The kind it is for."""
        return KindInfo(DHARMA_DEPLOYMENT, OWNER_LABELS[DHARMA_DEPLOYMENT])

    def forget(self, namespace: str, name: str) -> None:
        """Drop what is remembered of a Deployment that is gone."""
        self._board.forget((namespace, name))
        self._about.pop((namespace, name), None)

    async def reconcile(self, request: Request) -> Outcome:
        """Bring the rollout as far as it can go now, and tell how it stands. Raises ApiError."""
        try:
            deployment = DharmaDeployment.model_validate(request.owner)
        except ValidationError as error:
            return _unreadable(request.owner, error)
        if request.suspended:
            return decide(deployment, self._look(request, deployment, None), suspended=True).outcome
        return await self._advance(request, deployment)

    async def _advance(self, request: Request, deployment: DharmaDeployment) -> Outcome:
        quotas: tuple[Manifest, ...] | None = None
        reached: State | None = None
        loop = asyncio.get_running_loop()
        patient_until = loop.time() + _FOLLOW_SECONDS
        for _ in range(_MOST_ROUNDS):
            decision = decide(deployment, self._look(request, deployment, quotas), reached)
            while decision.waits and loop.time() < patient_until:
                await asyncio.sleep(_LOOK_SECONDS)
                decision = decide(deployment, self._look(request, deployment, quotas), reached)
            if decision.asks_for_quotas:
                quotas = tuple((await request.client.list(RESOURCE_QUOTA, deployment.namespace)).items)
            elif decision.intent is not None:
                deployment, reached = await self._write_down(request, deployment, decision.intent), None
            elif decision.moves:
                await asyncio.gather(*(_move(request, move) for move in decision.moves))
                patient_until = loop.time() + _FOLLOW_SECONDS
                reached = decision.state
            elif self._check(request, deployment, decision):
                reached = decision.state
            else:
                return decision.outcome
        raise TimeoutError(f"no end after {_MOST_ROUNDS} steps")

    def _look(self, request: Request, deployment: DharmaDeployment, quotas: tuple[Manifest, ...] | None) -> Observed:
        owner = (deployment.namespace, deployment.name)
        children = request.store.children(owner_key(request.owner))
        about = self._about.get(owner)
        return Observed(
            now=datetime.now(UTC),
            children={(key.resource.kind, key.name): child for key, child in children.items()},
            blueprints=_blueprints(request, deployment),
            quotas=quotas,
            checks=() if about is None else self._board.results(owner, about),
            autoscaled=frozenset(hash_on(child) for key, child in children.items() if key.resource == REPLICA_SET and autoscaled(child)),
        )

    async def _write_down(self, request: Request, deployment: DharmaDeployment, intent: Mapping[str, object]) -> DharmaDeployment:
        """Write where the rollout is going into status, before it goes there. Raises Conflict when the object has changed since."""
        key = owner_key(request.owner)
        latest = request.store.owner(key)
        if latest is None or latest["metadata"]["uid"] != request.owner["metadata"]["uid"]:
            raise Conflict(409, "Gone", f"Deployment {deployment.name} has been deleted")
        live = part(latest, "status")
        patch = merge_patch(live, {**live, **_cleared(live), **intent})
        metadata = request.owner["metadata"]
        written = await request.client.patch_status(
            object_key(key), patch, uid=metadata["uid"], resource_version=latest["metadata"]["resourceVersion"]
        )
        request.store.wrote(written)
        return deployment.model_copy(update={"status": DharmaDeployment.model_validate(written).status})

    def _check(self, request: Request, deployment: DharmaDeployment, decision: Decision) -> bool:
        """Start the checks that are due. Tell whether there is anything new to decide about."""
        owner = (deployment.namespace, deployment.name)
        key = owner_key(request.owner)
        store = request.store

        def pods() -> list[Manifest]:
            return [child for child in store.children(key).values() if child["kind"] == "Pod" and _serves(child, decision.checked[0])]

        self._about[owner] = decision.checked
        return self._board.run(owner, decision.checked, decision.checks, decision.ports, pods)


def _serves(pod: Manifest, version: str) -> bool:
    return is_ready(pod) and hash_on(pod) == version and "deletionTimestamp" not in pod["metadata"]


def _cleared(live: Mapping[str, object]) -> dict[str, None]:
    """Name what an intent replaces as a whole: fields of the rollout that it does not mention are gone."""
    return {name: None for name in ("preview", "refused", "checks", "lastRollback", "pinned") if name in live}


def _blueprints(request: Request, deployment: DharmaDeployment) -> dict[str, Blueprint]:
    found: dict[str, Blueprint] = {}
    for name in {binding.blueprint for binding in deployment.spec.bind}:
        live = request.store.owner(OwnerKey("Blueprint", deployment.namespace, name))
        if live is not None:
            found[name] = Blueprint.model_validate(live)
    return found


async def _move(request: Request, move: Move) -> None:
    """Apply a Service to exactly the one that was looked at. Raises Conflict when somebody, or another operator, was faster."""
    child = child_of(request.owner, Wanted(move.manifest))
    live = request.store.get(child.key)
    uid = None if live is None else live["metadata"]["uid"]
    metadata = {**child.manifest["metadata"], "uid": uid, "resourceVersion": move.resource_version}
    request.store.wrote(await request.client.apply({**child.manifest, "metadata": metadata}))


def _unreadable(owner: Manifest, error: ValidationError) -> Outcome:
    """Say what is wrong with the spec, and keep what is known of the rollout: it goes on from there once the spec is mended."""
    kept = {name: value for name, value in part(owner, "status").items() if name not in {"conditions", "observedGeneration"}}
    return dataclasses.replace(invalid(error), status=kept)
