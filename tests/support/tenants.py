"""A stage for tests of Tenants: their namespaces, operators that serve just them, pods and claims that cost nothing, and what users see."""

import asyncio
import contextlib
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml
from tests.support.chart import rendered
from tests.support.cluster import TEST_LABEL, kubectl, wait_until
from tests.support.operator_process import OperatorProcess

from dharma_handlers.outcome import Manifest
from dharma_handlers.tenant.quota_amounts import UNLIMITED, amounts_from
from dharma_operator.kube.client import Changed, Client, Listed
from dharma_operator.kube.errors import AlreadyExists, ApiError, Conflict, Forbidden
from dharma_operator.kube.resources import (
    BLUEPRINT,
    EVENT,
    NAMESPACE,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    RESOURCE_QUOTA,
    TENANT,
    ObjectKey,
    Resource,
)

Spec = dict[str, Any]


@dataclass
class TenantStage:
    """One Tenant with its namespaces."""

    client: Client
    name: str
    home: str
    """Namespace that is no tenant's, where the operator keeps its lease."""
    folder: Path
    login: Any
    operators: list[OperatorProcess] = field(default_factory=list)

    @property
    def key(self) -> ObjectKey:
        return ObjectKey(TENANT, None, self.name)

    def namespace(self, project: str) -> str:
        return f"{self.name}-{project}"

    def operator(self, projects: Iterable[str], also: Iterable[str] = (), **settings: str) -> OperatorProcess:
        """An operator that serves this Tenant alone, and those whose namespaces are `also` named; not started yet."""
        log = self.folder / f"operator-{self.name}-{len(self.operators)}.log"
        spaces = (self.home, *(self.namespace(project) for project in projects), *also)
        process = OperatorProcess(spaces, log, **{"name": f"op-{len(self.operators)}", **settings})
        self.operators.append(process)
        return process

    async def apply(self, projects: Iterable[str | Mapping[str, Any]], **spec: Any) -> Manifest:
        """Write the Tenant, as a user does. A project is given by its name, or in full."""
        listed = [{"name": project} if isinstance(project, str) else project for project in projects]
        manifest = {
            "apiVersion": TENANT.api_version,
            "kind": "Tenant",
            "metadata": {"name": self.name, "labels": {TEST_LABEL: "true"}},
            "spec": {"plan": "Enterprise", "deletionPolicy": "Delete", **spec, "projects": listed},
        }
        async with Client(self.login, manager="test") as user:
            return await user.apply(manifest)

    async def live(self) -> Manifest:
        found = await self.client.get(self.key)
        assert found is not None, f"Tenant {self.name} is gone"
        return found

    async def condition(self, kind: str) -> Mapping[str, Any]:
        return _condition(await self.live(), kind)

    async def ready(self, seconds: float = 30) -> Manifest:
        """Wait until Ready holds for the present generation."""

        async def is_ready() -> Manifest | None:
            live = await self.live()
            one = _condition(live, "Ready")
            return live if one.get("status") == "True" and one["observedGeneration"] == live["metadata"]["generation"] else None

        return await wait_until(is_ready, f"Tenant {self.name} is ready", seconds=seconds, explain=self.explain)

    async def explain(self) -> str:
        live = await self.live()
        return f"{live.get('status')}\n" + "\n".join(operator.tail(15) for operator in self.operators)

    async def quotas(self) -> dict[str, Manifest]:
        listing = await self.client.list(RESOURCE_QUOTA, label_selector=f"dharma.io/tenant={self.name}")
        return {item["metadata"]["namespace"]: item for item in listing.items}


def _condition(live: Manifest, kind: str) -> Mapping[str, Any]:
    conditions = live.get("status", {}).get("conditions") or ()
    return next((one for one in conditions if one["type"] == kind), {})


@asynccontextmanager
async def tenant_stage(client: Client, home: str, folder: Path, login: Any) -> AsyncIterator[TenantStage]:
    """A Tenant of its own, gone with its namespaces at the end."""
    stage = TenantStage(client, f"t{secrets.token_hex(3)}", home, folder, login)
    try:
        yield stage
    finally:
        for operator in stage.operators:
            operator.close()
            print(f"--- {operator.log}\n{operator.tail()}")
        await client.delete(stage.key)
        listing = await client.list(NAMESPACE)
        for item in listing.items:
            if item["metadata"]["name"].startswith(f"{stage.name}-"):
                with contextlib.suppress(ApiError):
                    await client.delete(ObjectKey(NAMESPACE, None, item["metadata"]["name"]))


def roles() -> None:
    """The chart's ClusterRoles for members, which bindings need to name."""
    wanted = [one for one in rendered("--show-only", "templates/tenant-roles.yaml") if one["kind"] == "ClusterRole"]
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=yaml.safe_dump_all(wanted))


def pod(name: str, namespace: str, **requests: str) -> Manifest:
    """A pod that no scheduler takes: it counts, and costs nothing."""
    container = {
        "name": "main",
        "image": "none",
        "resources": {"requests": {"cpu": "10m", "memory": "8Mi", **requests}, "limits": {"cpu": "10m", "memory": "8Mi", **requests}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"schedulerName": "nobody", "containers": [container], "securityContext": security, "terminationGracePeriodSeconds": 0},
    }


def replica_set(name: str, namespace: str, *, replicas: int, **requests: str) -> Manifest:
    """A ReplicaSet of such pods: what it cannot make it tells by an event."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod(name, namespace, **requests)["spec"]},
        },
    }


async def refused_by_event(client: Client, namespace: str) -> None:
    """Wait until a controller has told that quota refused it."""

    async def told() -> bool:
        events = await client.list(EVENT, namespace, field_selector="reason=FailedCreate")
        return any("exceeded quota" in (item.get("note") or "") for item in events.items)

    await wait_until(told, f"an event in {namespace} tells of a refused pod", seconds=10, every=0.05)


def claim(name: str, namespace: str, size: str = "1Mi") -> Manifest:
    """A claim of a class that does not exist: it counts, and nothing is provided."""
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "nobody", "resources": {"requests": {"storage": size}}}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def draft(name: str, namespace: str) -> Manifest:
    """A Blueprint that makes nothing."""
    components = [{"name": "cache", "redis": {"maxMemory": "32Mi", "storage": {"size": "128Mi"}}}]
    metadata = {"name": name, "namespace": namespace}
    spec = {"lifecycle": "Draft", "components": components}
    return {"apiVersion": BLUEPRINT.api_version, "kind": "Blueprint", "metadata": metadata, "spec": spec}


COUNTED: Mapping[Resource, str] = {POD: "pods", PERSISTENT_VOLUME_CLAIM: "persistentvolumeclaims", BLUEPRINT: "count/blueprints.dharma.io"}


class QuotaWitness:
    """Follows every event of a Tenant's ResourceQuotas, and holds at each that the sum of max(hard, used) is at most the limit."""

    def __init__(self, client: Client, tenant: str, limits: Mapping[str, int]) -> None:
        self._client = client
        self._tenant = tenant
        self.limits = dict(limits)
        self.events = 0
        self.worst: defaultdict[str, int] = defaultdict(int)
        self.violations: list[str] = []
        self._seen: dict[str, Manifest] = {}
        self._task: asyncio.Task[None] | None = None
        self._listed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow())
        await self._listed.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        assert not self._task.done(), "the witness has ended by itself"
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        async for item in self._client.watch(RESOURCE_QUOTA, label_selector=f"dharma.io/tenant={self._tenant}"):
            if isinstance(item, Listed):
                self._seen = {one["metadata"]["namespace"]: one for one in item.items}
                self._listed.set()
            elif isinstance(item, Changed):
                self.events += 1
                namespace = item.object["metadata"]["namespace"]
                if item.type == "DELETED":
                    self._seen.pop(namespace, None)
                else:
                    self._seen[namespace] = item.object
            self._check()

    def _check(self) -> None:
        for resource, limit in self.limits.items():
            total = sum(_most(one, resource) for one in self._seen.values())
            self.worst[resource] = max(self.worst[resource], total)
            if total > limit:
                self.violations.append(f"event {self.events}: {resource} {total} > {limit}")


def _most(live: Manifest, resource: str) -> int:
    """max(spec.hard, status.hard, used). A ResourceQuota that Kubernetes has not counted yet admits nothing."""
    status = live.get("status") or {}
    hard = amounts_from((live.get("spec") or {}).get("hard") or {}).get(resource, UNLIMITED)
    if resource not in (status.get("hard") or {}):
        return hard
    return max(hard, amounts_from(status["hard"])[resource], amounts_from(status.get("used") or {}).get(resource, 0))


async def create_all(client: Client, manifests: Iterable[Manifest], *, at_once: int = 64) -> tuple[int, int]:
    """Create all, so many side by side. Return how many were admitted and refused by quota; any other error is raised."""
    slots = asyncio.Semaphore(at_once)

    async def one(manifest: Manifest) -> bool:
        async with slots:
            try:
                await client.create(manifest)
            except AlreadyExists:
                return True
            except Forbidden as error:
                if "exceeded quota" not in str(error) and "status unknown for quota" not in str(error):
                    raise
                return False
            except Conflict as error:  # Kubernetes gives up counting after some collisions: the request is not admitted
                if "resourcequotas" not in str(error):
                    raise
                return False
            return True

    done = await asyncio.gather(*(one(manifest) for manifest in manifests))
    return sum(done), len(done) - sum(done)


async def count(client: Client, resource: Resource, namespaces: Iterable[str]) -> int:
    """How many objects there are."""
    listings = await asyncio.gather(*(client.list(resource, namespace) for namespace in namespaces))
    return sum(len(listing.items) for listing in listings)
