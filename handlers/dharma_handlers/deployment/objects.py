"""All objects of a Deployment in a given state: ReplicaSets, Services, PodDisruptionBudget, autoscaler."""

from collections.abc import Iterator
from typing import Any

from dharma_handlers import labels
from dharma_handlers.deployment import checking
from dharma_handlers.deployment.jobs import jobs
from dharma_handlers.deployment.moves import preview_selection, service, service_selection
from dharma_handlers.deployment.parts import label, part
from dharma_handlers.deployment.revision import SOURCE_ANNOTATION, Revision
from dharma_handlers.deployment.state import State
from dharma_handlers.deployment.template import pod_template
from dharma_handlers.deployment.world import World
from dharma_handlers.outcome import Manifest, Mode, Wanted


def objects(world: World, state: State) -> tuple[Wanted, ...]:
    """Build the complete set of objects."""
    return (
        *_services(world, state),
        *_disruption_budget(world, state),
        *_autoscaler(world, state),
        *_replica_sets(world, state),
        *jobs(world, state, checking.stage_of(state), checking.due(world, state)),
    )


def _services(world: World, state: State) -> Iterator[Wanted]:
    if world.has_services:
        yield Wanted(service(world, state, world.names.service, service_selection(world, state)))
        yield Wanted(service(world, state, world.names.preview, preview_selection(state)))


def _replica_sets(world: World, state: State) -> Iterator[Wanted]:
    live = set(_lives_on(world, state))
    for version in sorted(live | set(_history(world, state, live))):
        yield _replica_set(world, state, version)


def _lives_on(world: World, state: State) -> Iterator[str]:
    """Name the versions that have, or are to have, pods."""
    for version in (state.active.hash, state.left):
        if version and world.revision(version) is not None:
            yield version
    yield from (version for version in world.view.replica_sets if world.view.scale(version) or _pods_left(world, version))


def _pods_left(world: World, version: str) -> int:
    return int(part(world.view.replica_sets[version], "status").get("replicas", 0))


def _history(world: World, state: State, live: set[str]) -> list[str]:
    """Name the old versions that are kept to go back to, by revisionHistoryLimit, and the wanted one where it was made before."""
    old = [version for version in world.view.replica_sets if version not in live]
    old.sort(key=lambda version: world.view.replica_sets[version]["metadata"]["creationTimestamp"], reverse=True)
    wanted = {state.target.hash, state.previous.hash, *([world.wanted.hash] if world.wanted is not None else [])}
    return [version for number, version in enumerate(old) if number < world.deployment.spec.revision_history_limit or version in wanted]


def _replica_set(world: World, state: State, version: str) -> Wanted:
    revision = world.revision(version)
    size = world.size(state, version)
    if revision is None:
        # What it was made from cannot be read any more: it is left as it is.
        return Wanted(_identity(world, version), Mode.CREATE_ONLY)
    spec: dict[str, Any] = {
        "selector": {"matchLabels": world.names.selector(version)},
        "template": pod_template(world.names, revision),
    }
    if not (version in world.observed.autoscaled and size == world.view.scale(version)):
        spec["replicas"] = size  # a number that is not sent stays the autoscaler's
    return Wanted(_with_source(world, state, version, revision) | {"spec": spec})


def _identity(world: World, version: str) -> Manifest:
    name = world.names.replica_set(version)
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name, "namespace": world.deployment.namespace}}


def _with_source(world: World, state: State, version: str, revision: Revision) -> Manifest:
    built = _identity(world, version)
    built["metadata"] |= {
        "labels": {**world.names.labels, labels.REVISION: version, labels.COLOR: _color(world, state, version)},
        "annotations": {SOURCE_ANNOTATION: revision.text},
    }
    return built


def _color(world: World, state: State, version: str) -> str:
    """Return the color of a version; one that is out of use keeps what it had."""
    if version == state.active.hash:
        return state.color
    return state.other_color if version == state.left else label(world.view.replica_sets[version], labels.COLOR) or state.other_color


def _disruption_budget(world: World, state: State) -> Iterator[Wanted]:
    """Protect the pods that serve. A broken one may always go; so may the only one, or no node could be drained."""
    disruption = world.deployment.spec.disruption
    if not state.active.hash or (disruption is None and world.spec_size < 2):
        return
    selector = {"matchLabels": world.names.selector(state.active.hash)}
    bound = {"maxUnavailable": 1} if disruption is None else disruption.to_dict()
    yield Wanted({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": world.names.service, "namespace": world.deployment.namespace, "labels": world.names.labels},
        "spec": {**bound, "selector": selector, "unhealthyPodEvictionPolicy": "AlwaysAllow"},
    })  # fmt: skip


def _autoscaler(world: World, state: State) -> Iterator[Wanted]:
    """Let the version that serves follow the load; what is made ready beside it is as large as that one is."""
    scaling = world.deployment.spec.autoscaling
    if scaling is None or not state.active.hash:
        return
    targets = {"cpu": scaling.cpu, "memory": scaling.memory}
    metrics = [
        {"type": "Resource", "resource": {"name": name, "target": {"type": "Utilization", "averageUtilization": percent}}}
        for name, percent in targets.items()
        if percent is not None
    ]
    target = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": world.names.replica_set(state.active.hash)}
    yield Wanted({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": world.names.service, "namespace": world.deployment.namespace, "labels": world.names.labels},
        "spec": {"scaleTargetRef": target, "minReplicas": scaling.min, "maxReplicas": scaling.max, "metrics": metrics},
    })  # fmt: skip
