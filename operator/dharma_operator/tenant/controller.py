"""One reconcile of a Tenant: look, decide, move quota, and hand the rest to the applier."""

import dataclasses
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping

from pydantic import ValidationError

from dharma_crds.tenant import Tenant
from dharma_handlers import labels
from dharma_handlers.outcome import RETAIN_ANNOTATION, Condition, Manifest, Outcome
from dharma_handlers.tenant.decide import decide
from dharma_handlers.tenant.namespaces import hangs_on, released
from dharma_handlers.tenant.observed import ChildName, TenantObserved
from dharma_handlers.tenant.quota_state import NAME, QuotaObserved, ledger_from, observed_from
from dharma_operator.controllers import Controller, KindInfo, Request, UnfinishedError, Wake
from dharma_operator.facts import FactFinder
from dharma_operator.invalid import invalid
from dharma_operator.kube.client import Client
from dharma_operator.kube.errors import ApiError, Conflict
from dharma_operator.kube.ownership import wrote
from dharma_operator.kube.resources import NAMESPACE, RESOURCE_QUOTA, TENANT, ObjectKey
from dharma_operator.settings import Settings
from dharma_operator.store import OWNER_LABELS, Store, owner_key, part
from dharma_operator.tenant.claims import Claims, asked_namespaces, recorded_namespaces
from dharma_operator.tenant.pressure import Pressure
from dharma_operator.tenant.quota import carry_out
from dharma_operator.tenant.recency import Recency
from dharma_operator.workqueue import OwnerKey

_YOUNG_SECONDS = 3.0
"""How long a status may wait for all to be in place, when a Tenant is new or its spec has changed."""
_SOON = 0.05


class TenantController(Controller):
    """The controller of Tenants."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._facts = FactFinder()
        self._claims = Claims()
        self._pressure = Pressure()
        self._recency = Recency()
        self._seen: dict[str, tuple[int, float]] = {}
        """By Tenant: the generation that was seen last, and when first."""

    @property
    def kind(self) -> KindInfo:
        """The kind it is for."""
        return KindInfo(TENANT, OWNER_LABELS[TENANT])

    def serves(self, owner: Manifest, settings: Settings) -> bool:
        """Tell whether all namespaces of the Tenant are among those that this operator is limited to."""
        return not settings.namespaces or (bool(asked := asked_namespaces(owner)) and set(asked) <= set(settings.namespaces))

    def forget(self, namespace: str, name: str) -> None:
        """Drop what is remembered of a Tenant that is gone."""
        del namespace
        self._claims.forget(name)
        self._seen.pop(name, None)

    def background(self, client: Client, store: Store, wake: Wake) -> Iterable[Coroutine[None, None, None]]:
        """Listen for requests that were refused for want of quota, and follow what is in use."""
        store.follow(RESOURCE_QUOTA, self._recency.take)
        return (self._pressure.listen(client, store, wake),)

    async def reconcile(self, request: Request) -> Outcome:
        """Move quota and return all else that should exist. Raises ApiError."""
        try:
            # The status is the operator's own word, and is read where it is needed.
            tenant = Tenant.model_validate({**request.owner, "status": {}})
        except ValidationError as error:
            return invalid(error)
        observed = await self._look(request, tenant)
        decision = decide(tenant, observed)
        waits = [each for each in (decision.outcome.requeue_after, self._recency.ends(observed.quotas)) if each is not None]
        outcome = dataclasses.replace(decision.outcome, requeue_after=min(waits, default=None))
        if request.suspended or decision.step.at_rest:
            return outcome
        try:
            if await carry_out(request, decision.step):
                return outcome
        except ApiError as error:  # in one namespace, as a rule: the others are dressed all the same
            raise UnfinishedError(outcome, error) from error
        return dataclasses.replace(outcome, requeue_after=_SOON)

    async def leaving(self, request: Request) -> Outcome:
        """Say what a deletion that waits for the namespaces hangs on."""
        status = part(request.owner, "status")
        hanging = [text for _, live in sorted(_namespaces(request).items()) if (text := hangs_on(live))]
        message = "; ".join(hanging) or "the Tenant is being deleted, its namespaces first"
        kept = {name: value for name, value in status.items() if name != "conditions"}
        return Outcome(
            conditions=(
                Condition("Ready", "False", "Terminating", message),
                Condition("Reconciling", "True", "Terminating", message),
                Condition("Stalled", "False", "Progressing"),
            ),
            status=kept,
            requeue_after=5.0,
        )

    async def gone(self, client: Client, store: Store, settings: Settings, key: OwnerKey) -> None:
        """Let go of the namespaces that a Tenant left behind, so that whoever is given them next finds no owner. Raises ApiError."""
        for name, live in store.children(key).items():
            marked = part(live["metadata"], "annotations").get(RETAIN_ANNOTATION) == "true"
            within = not settings.namespaces or name.name in settings.namespaces
            if name.resource != NAMESPACE or not (marked and within and wrote(live)):
                continue
            manifest = released(live)
            try:
                store.wrote(await client.apply({**manifest, "metadata": {**manifest["metadata"], "uid": live["metadata"]["uid"]}}))
            except Conflict:
                continue  # another namespace has that name by now

    async def _look(self, request: Request, tenant: Tenant) -> TenantObserved:
        self._claims.see(request.store, request.owner)
        quotas = {name: self._recency.counted(seen) for name, seen in _quotas(request).items()}
        namespaces = _namespaces(request)
        status = part(request.owner, "status")
        return TenantObserved(
            now=request.now,
            cluster=await self._facts.facts(request.client, request.settings),
            operator_namespace=request.settings.pod_namespace,
            namespaces=namespaces,
            recorded=recorded_namespaces(request.owner),
            claims=self._claims.others(request.store, request.owner, asked_namespaces(request.owner)),
            taken=self._claims.taken(request.store, request.owner, namespaces),
            children={_child_name(key): child for key, child in request.children.items()},
            quotas=quotas,
            ledger=ledger_from(status.get("allocations")),
            pressed=self._pressure.of({name: seen.used for name, seen in quotas.items()}),
            young=self._young(tenant),
        )

    def _young(self, tenant: Tenant) -> bool:
        now, generation = self._clock(), tenant.metadata.generation
        known = self._seen.get(tenant.name)
        if known is None or known[0] != generation:
            known = self._seen[tenant.name] = (generation, now)
        return now - known[1] < _YOUNG_SECONDS


def _namespaces(request: Request) -> dict[str, Manifest]:
    """Find the namespaces that the spec asks for, and those that were made or taken for this Tenant before."""
    store, found = request.store, dict[str, Manifest]()
    for name in {*asked_namespaces(request.owner), *recorded_namespaces(request.owner)}:
        live = store.get(ObjectKey(NAMESPACE, None, name))
        if live is not None:
            found[name] = live
    labelled = store.children(owner_key(request.owner))
    return found | {key.name: live for key, live in labelled.items() if key.resource == NAMESPACE and wrote(live)}


def _quotas(request: Request) -> dict[str, QuotaObserved]:
    """Find our ResourceQuotas: those labelled as this Tenant's, and those in its namespaces whatever they are labelled."""
    keys = {key for key in request.children if key.resource == RESOURCE_QUOTA and key.name == NAME}
    keys |= {ObjectKey(RESOURCE_QUOTA, name, NAME) for name in asked_namespaces(request.owner)}
    found = {key: live for key in keys if (live := request.store.get(key)) is not None and _is_ours(live, request)}
    return {str(key.namespace): observed_from(live) for key, live in found.items()}


def _is_ours(live: Manifest, request: Request) -> bool:
    named: Mapping[str, str] = part(live["metadata"], "labels")
    return wrote(live) and named.get(labels.TENANT, "") in {"", request.owner["metadata"]["name"]}


def _child_name(key: ObjectKey) -> ChildName:
    return key.resource.kind, key.namespace or "", key.name
