"""One reconcile of a Blueprint: look, decide, act, look and decide once more, report."""

import dataclasses
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import aiohttp
from pydantic import ValidationError

from dharma_crds.blueprint import Blueprint
from dharma_handlers import labels
from dharma_handlers.blueprint.actions import Action, Decision
from dharma_handlers.blueprint.credentials import missing_secrets
from dharma_handlers.blueprint.decide import decide, refusal
from dharma_handlers.blueprint.observed import Observed
from dharma_handlers.blueprint.scope import scopes
from dharma_handlers.outcome import Condition, Manifest, Mode, Outcome
from dharma_operator.blueprint import credentials
from dharma_operator.blueprint.access import NamespaceAccess
from dharma_operator.blueprint.act import Actor, Deeds
from dharma_operator.blueprint.autoscaling import autoscaled_deployments, marked
from dharma_operator.blueprint.neighbours import Claims
from dharma_operator.blueprint.observe import Observer
from dharma_operator.blueprint.pods import Pod, pods_of
from dharma_operator.controllers import Controller, KindInfo, Request
from dharma_operator.facts import FactFinder
from dharma_operator.invalid import INVALID_SPEC, invalid, told
from dharma_operator.kube.resources import BLUEPRINT, CONFIG_MAP, MANAGED_BY, MANAGED_BY_LABEL, NAMESPACE, SECRET, ObjectKey
from dharma_operator.store import OWNER_LABELS, owner_key

_SPREAD = 0.2
"""Part of a long wait by which it is lengthened or shortened, so that Blueprints do not stay in step."""
_LONG_SECONDS = 10.0
_BELIEVED = timedelta(seconds=30)
"""How long the list of Patroni's ConfigMaps is believed: a look at rest comes later than that, a burst of events within it."""
_REMEMBERED = 50
"""Actions that the status may tell of, once their effect is seen."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What was seen once, and where it can be acted upon."""

    observed: Observed
    pods: Mapping[str, tuple[Pod, ...]]
    scaled: frozenset[str]
    """Deployments that an autoscaler had written to by then."""


@dataclass(frozen=True, slots=True)
class _ConfigMaps:
    """Patroni's ConfigMaps, as they were once."""

    generation: int
    at: datetime
    names: frozenset[str]


class BlueprintController(Controller):
    """The controller of Blueprints."""

    def __init__(self) -> None:
        self._facts = FactFinder()
        self._access = NamespaceAccess()
        self._observer = Observer()
        self._uniform = random.SystemRandom().uniform
        self._patroni_config_maps: dict[tuple[str, str], _ConfigMaps] = {}
        self._earlier: dict[tuple[str, str], tuple[Action, ...]] = {}
        self._secrets: dict[tuple[str, str], Mapping[str, Mapping[str, str]]] = {}

    @property
    def kind(self) -> KindInfo:
        """The kind it is for."""
        return KindInfo(BLUEPRINT, OWNER_LABELS[BLUEPRINT])

    def forget(self, namespace: str, name: str) -> None:
        """Drop what is remembered of a Blueprint that is gone."""
        self._patroni_config_maps.pop((namespace, name), None)
        self._earlier.pop((namespace, name), None)
        self._secrets.pop((namespace, name), None)

    async def reconcile(self, request: Request) -> Outcome:
        """Bring the data services about and tell how they are. Raises ApiError; what a data service says becomes status."""
        try:
            blueprint = Blueprint.model_validate(request.owner)
        except ValidationError as error:
            return invalid(error, Condition("RevisionAccepted", "False", INVALID_SPEC, told(error)))
        first = await self._preliminary(request, blueprint)
        refused = refusal(blueprint, first)
        if refused is not None:
            return refused
        if blueprint.spec.lifecycle == "Draft":
            return decide(blueprint, first).outcome
        if request.suspended and not _sees_secrets(request):
            return _waits_suspended()
        observed = await self._with_secrets(request, blueprint, first)
        if observed is None:
            return _waits_suspended()
        async with aiohttp.ClientSession(trust_env=False) as session:
            decision = await self._look_and_act(request, blueprint, observed, session)
        return dataclasses.replace(decision.outcome, requeue_after=self._spread(decision.outcome.requeue_after))

    async def _look_and_act(self, request: Request, blueprint: Blueprint, observed: Observed, session: aiohttp.ClientSession) -> Decision:
        observed = dataclasses.replace(observed, earlier=self._earlier.get((blueprint.namespace, blueprint.name), ()))
        look = await self._look(request, blueprint, observed, session)
        decision = decide(blueprint, look.observed)
        if decision.actions and not request.suspended:
            deeds = await self._act(request, blueprint, look, decision, session)
            look = await self._look(request, blueprint, look.observed, session)
            look = dataclasses.replace(look, observed=dataclasses.replace(look.observed, done=deeds.done, failures=deeds.failures))
            decision = decide(blueprint, look.observed)
        while marked(request.store.children(owner_key(request.owner))) != look.scaled:
            # An autoscaler came while services were asked: its number would be taken for drift.
            look = await self._look(request, blueprint, look.observed, session)
            decision = decide(blueprint, look.observed)
        self._remember(blueprint, look.observed, decision)
        return decision

    async def _preliminary(self, request: Request, blueprint: Blueprint) -> Observed:
        """See what needs neither Secrets nor a running service."""
        return Observed(
            now=request.now,
            cluster=await self._facts.facts(request.client, request.settings),
            children=_by_name(request.children),
            namespace_labels=await _namespace_labels(request, blueprint),
            claimed=Claims(request.store, owner_key(request.owner)),
        )

    async def _with_secrets(self, request: Request, blueprint: Blueprint, first: Observed) -> Observed | None:
        """See the Secrets, and make those that are missing. None: some are missing and nothing may be written."""
        if not request.suspended:
            await self._access.ensure(request)
        children = request.store.children(owner_key(request.owner))
        observed = dataclasses.replace(first, secrets=credentials.decoded(children), children=_by_name(children))
        # What another one wrote meanwhile may lack a password in its turn.
        key = (blueprint.namespace, blueprint.name)
        while missing := missing_secrets(blueprint, observed, credentials.generate_password, self._secrets.get(key, {})):
            if request.suspended:
                return None
            written = await credentials.write(request.client, request.store, request.owner, missing)
            observed = dataclasses.replace(observed, secrets={**observed.secrets, **written})
        self._secrets[key] = observed.secrets
        return dataclasses.replace(observed, patroni_config_maps=await self._config_maps(request, blueprint))

    async def _look(self, request: Request, blueprint: Blueprint, before: Observed, session: aiohttp.ClientSession) -> _Look:
        children = request.store.children(owner_key(request.owner))
        scaled = marked(children)
        autoscaled = await autoscaled_deployments(request.client, blueprint.namespace, scaled)
        observed = dataclasses.replace(before, children=_by_name(children), autoscaled=autoscaled)
        pods = {component.name: pods_of(component.name, children) for component in blueprint.spec.components}
        seen = await self._observer.observe(session, scopes(blueprint, observed), pods)
        return _Look(dataclasses.replace(observed, components=seen), pods, scaled)

    async def _act(self, request: Request, blueprint: Blueprint, look: _Look, decision: Decision, session: aiohttp.ClientSession) -> Deeds:
        actor = Actor(
            client=request.client,
            store=request.store,
            session=session,
            namespace=blueprint.namespace,
            blueprint=blueprint.name,
            scopes={scope.component.name: scope for scope in scopes(blueprint, look.observed)},
            pods=look.pods,
        )
        return await actor.run(decision.actions)

    async def _config_maps(self, request: Request, blueprint: Blueprint) -> frozenset[str]:
        """Name Patroni's ConfigMaps. They are asked for, not watched: they change every few seconds, and hardly ever come or go."""
        known = self._patroni_config_maps.get((blueprint.namespace, blueprint.name))
        if known is not None and known.generation == blueprint.metadata.generation and request.now - known.at < _BELIEVED:
            return known.names
        selector = f"{labels.BLUEPRINT}={blueprint.name},{MANAGED_BY_LABEL}!={MANAGED_BY}"
        listing = await request.client.list(CONFIG_MAP, blueprint.namespace, label_selector=selector)
        names = frozenset(item["metadata"]["name"] for item in listing.items)
        self._patroni_config_maps[blueprint.namespace, blueprint.name] = _ConfigMaps(blueprint.metadata.generation, request.now, names)
        return names

    def _remember(self, blueprint: Blueprint, observed: Observed, decision: Decision) -> None:
        """Keep what was done until all rests. The list of ConfigMaps is believed for a while only at rest, when none comes or goes."""
        key = (blueprint.namespace, blueprint.name)
        resting = any(condition.type == "Reconciling" and condition.status == "False" for condition in decision.outcome.conditions)
        made = any(wanted.mode is Mode.CREATE_ONLY for wanted in decision.outcome.objects or ())
        if made or not resting:
            self._patroni_config_maps.pop(key, None)
        self._earlier[key] = () if resting else (*observed.earlier, *observed.done)[-_REMEMBERED:]

    def _spread(self, seconds: float | None) -> float | None:
        if seconds is None or seconds < _LONG_SECONDS:
            return seconds
        return seconds * self._uniform(1 - _SPREAD, 1 + _SPREAD)


def _by_name(children: Mapping[ObjectKey, Manifest]) -> dict[tuple[str, str], Manifest]:
    return {(key.resource.kind, key.name): child for key, child in children.items() if key.resource != SECRET}


async def _namespace_labels(request: Request, blueprint: Blueprint) -> Mapping[str, str]:
    """Labels of the namespace, asked for only when the spec names projects of a Tenant."""
    if blueprint.spec.access is None or not any(peer.project for peer in blueprint.spec.access.from_):
        return {}
    namespace = await request.client.get(ObjectKey(NAMESPACE, None, blueprint.namespace))
    return (namespace or {}).get("metadata", {}).get("labels") or {}


def _sees_secrets(request: Request) -> bool:
    return any(key.resource == SECRET for key in request.children)


def _waits_suspended() -> Outcome:
    message = "spec.suspend is set and the Blueprint was never made: remove it to begin"
    return Outcome(
        conditions=(
            Condition("Ready", "False", "Suspended", message),
            Condition("Reconciling", "False", "Suspended", message),
            Condition("Stalled", "False", "Suspended"),
        )
    )
