"""The operator has the rights that it uses: what the chart grants, against the API server's audit log of a Blueprint's life."""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support import audit, chart
from tests.support.blueprints import autoscaler, blueprint, pgbouncer, postgres, redis
from tests.support.chart import NAME, NAMESPACE, rendered
from tests.support.cluster import images
from tests.support.deployments import deployment

from dharma_crds.blueprint import Blueprint
from dharma_handlers.blueprint.observed import Observed
from dharma_handlers.blueprint.rbac import patroni_access
from dharma_handlers.blueprint.scope import scopes
from dharma_handlers.facts import ClusterFacts, Images

Run = Callable[..., str]
Right = tuple[str, str, str]
"""Group, resource with subresource, verb."""

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
WHERE = "rights-test"
USER = f"system:serviceaccount:{NAMESPACE}:{NAME}"
CHILDREN = (
    ("", "configmaps"), ("", "persistentvolumeclaims"), ("", "secrets"), ("", "serviceaccounts"), ("", "services"), ("apps", "deployments"),
    ("apps", "statefulsets"), ("networking.k8s.io", "networkpolicies"), ("policy", "poddisruptionbudgets"),
    ("rbac.authorization.k8s.io", "rolebindings"), ("rbac.authorization.k8s.io", "roles"),
)  # fmt: skip
DEPLOYMENTS = (("apps", "replicasets"), ("autoscaling", "horizontalpodautoscalers"), ("batch", "jobs"))
TENANTS = (("", "limitranges"), ("", "namespaces"), ("", "resourcequotas"))
SELDOM: dict[Right, str] = {
    **{(group, resource, "get"): "a child is read when a write of it met a conflict" for group, resource in (*TENANTS, *DEPLOYMENTS)},
    ("dharma.io", "tenants/finalizers", "update"): "asked for by an admission plugin that this cluster has not turned on",
    **{(group, resource, "get"): "a child is read when a write of it met a conflict" for group, resource in CHILDREN},
    ("events.k8s.io", "events", "patch"): "an event is told again within six minutes",
}
"""Rights whose use takes an accident that this test does not bring about, each with what that is."""


def granted() -> set[Right]:
    """What all the chart's roles allow."""
    roles = [one for one in rendered() if one["kind"] in {"ClusterRole", "Role"} and NAME in one["metadata"]["name"]]
    return {right for role in roles for rule in role["rules"] for right in rights(rule)}


def rights(rule: dict[str, Any]) -> Iterable[Right]:
    return ((group, resource, verb) for group in rule["apiGroups"] for resource in rule["resources"] for verb in rule["verbs"])


def used(since: datetime) -> set[Right]:
    """What the operator's ServiceAccount asked for, refused or not, and what an apply that makes something takes beside `patch`.

    The right to a namespace's Secrets is refused for a moment after it was bound.
    """
    found: set[Right] = set()
    for request in audit.by_user(USER, since=since):
        resource = f"{request.resource}/{request.subresource}" if request.subresource else request.resource
        if request.resource:
            found.add((request.group, resource, request.verb))
            if request.verb == "patch" and request.made:
                found.add((request.group, resource, "create"))
    return found


def handed_on() -> set[Right]:
    """What the operator uses by granting it: Patroni's rights, as nobody grants what he has not, and its own role for Secrets."""
    observed = Observed(now=datetime.now(UTC), cluster=ClusterFacts(Images("postgres", "pgbouncer", "redis")))
    (scope,) = scopes(Blueprint.model_validate(named(blueprint(postgres()))), observed)
    roles = [one for one in patroni_access(scope) if one["kind"] == "Role"]
    patronis = {right for role in roles for rule in role["rules"] for right in rights(rule)}
    return patronis | {("rbac.authorization.k8s.io", "clusterroles", "bind")}


def named(manifest: dict[str, Any]) -> dict[str, Any]:
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": WHERE}}


def spec(*components: dict[str, Any]) -> dict[str, Any]:
    access = {"from": [{"project": "shop"}, {"namespace": WHERE}]}
    return named(blueprint(*components, access=access, deletionPolicy="Delete"))


class Life:
    """What happens to a Blueprint in time, by kubectl."""

    def __init__(self, kubectl: Run) -> None:
        self.kubectl = kubectl

    def apply(self, manifest: dict[str, Any]) -> None:
        self.kubectl("-n", WHERE, "apply", "-f", "-", stdin=yaml.safe_dump(manifest))

    def ready(self) -> None:
        for _ in range(2):  # a condition of the generation before may still stand when the first wait begins
            self.kubectl("-n", WHERE, "wait", "--for=condition=Ready", "dhb/shop", "--timeout=120s")
            self.kubectl("-n", WHERE, "wait", "--for=condition=Reconciling=false", "dhb/shop", "--timeout=120s")

    def objects(self, group: str, resource: str) -> list[str]:
        kind = f"{resource}.{group}" if group else resource
        listed = self.kubectl(
            "-n", WHERE, "get", kind, "-l", "dharma.io/blueprint=shop,app.kubernetes.io/managed-by=iac-dharma", "-o", "name"
        )
        return listed.split()

    def until(self, what: str, done: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not done():
            assert time.monotonic() < end, f"in vain waited for: {what}\n{self.kubectl('-n', WHERE, 'get', 'dhb', '-o', 'yaml')}"
            time.sleep(0.2)  # between two looks

    def disturb(self, group: str, resource: str) -> None:
        """Change a label of one object of a kind by hand, and delete it where that harms no data; wait until it is as it was."""
        name = self.objects(group, resource)[0]
        self.kubectl("-n", WHERE, "label", name, "app.kubernetes.io/name=changed", "--overwrite")
        path = "-o=jsonpath={.metadata.labels.app\\.kubernetes\\.io/name}"
        self.until(f"the label of {name} is put back", lambda: self.kubectl("-n", WHERE, "get", name, path) != "changed")


@pytest.fixture(scope="module")
def lived(no_other_operator: None, kubectl: Run) -> Iterator[datetime]:
    """The operator's life from its installation, a Blueprint's from its making to its end, and the other kinds; when it began."""
    since = audit.now()
    with chart.release(kubectl):
        yield from live(kubectl, since)


def live(kubectl: Run, since: datetime) -> Iterator[datetime]:
    labels = {"dharma.io/tenant": "acme", "dharma.io/project": "shop"}
    kubectl(
        "apply", "-f", "-", stdin=yaml.safe_dump({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": WHERE, "labels": labels}})
    )
    life = Life(kubectl)
    life.apply(spec(postgres(), pgbouncer(), redis()))
    life.ready()
    for name in ("tenant", "deployment", "backup"):
        example = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())
        life.apply({**example, "metadata": {"name": "rights-test"}})
    for group, resource in CHILDREN:
        life.disturb(group, resource)
    life.apply(autoscaler("shop-pool", 2))
    life.until("the autoscaler has scaled", lambda: kubectl("-n", WHERE, "get", "deploy/shop-pool", "-o=jsonpath={.spec.replicas}") == "2")
    life.apply(spec(postgres(), pgbouncer(poolSize=7), redis()))
    life.ready()
    life.apply(spec(redis()))
    life.ready()
    gone = ("deployments.apps/shop-pool", "statefulsets.apps/shop-db")
    life.until("the others are gone", lambda: not set(gone) & {*life.objects("apps", "deployments"), *life.objects("apps", "statefulsets")})
    kubectl("-n", WHERE, "delete", "dhb/shop", "--timeout=60s")
    live_as_tenant(kubectl)
    live_as_deployment(life)
    yield since
    kubectl("delete", "dht/rights-test", "--ignore-not-found")
    kubectl("delete", "namespace", WHERE, "rights-test-shop", "--wait=false")


def live_as_tenant(kubectl: Run) -> None:
    """A Tenant is made, changed by hand and by its spec, and loses a project."""
    member = {"kind": "User", "name": "alice", "role": "Editor"}
    limits = {"container": {"max": {"cpu": "1"}}}
    spec: dict[str, Any] = {"plan": "Enterprise", "deletionPolicy": "Delete", "members": [member], "quota": {"compute": {"pods": "9"}}}

    def apply(*projects: str, **more: Any) -> None:
        whole = {**spec, "projects": [{"name": name} for name in projects], **more}
        manifest = {"apiVersion": "dharma.io/v1alpha1", "kind": "Tenant", "metadata": {"name": "rights-tenant"}, "spec": whole}
        kubectl("apply", "-f", "-", stdin=yaml.safe_dump(manifest))
        generation = kubectl("get", "dht/rights-tenant", "-o=jsonpath={.metadata.generation}")
        kubectl("wait", f"--for=jsonpath={{.status.observedGeneration}}={generation}", "dht/rights-tenant", "--timeout=60s")
        kubectl("wait", "--for=condition=Ready", "dht/rights-tenant", "--timeout=60s")

    apply("one", "two", limits=limits)
    kubectl("-n", "rights-tenant-one", "delete", "limitrange/dharma-limits", "resourcequota/dharma-quota", "rolebinding/dharma-editor")
    kubectl("-n", "rights-tenant-one", "wait", "--for=create", "rolebinding/dharma-editor", "limitrange/dharma-limits", "--timeout=30s")
    apply("one", members=[])
    kubectl("wait", "--for=delete", "namespace/rights-tenant-two", "--timeout=60s")
    apply(deletionPolicy="Retain")
    kubectl("delete", "dht/rights-tenant", "--timeout=60s")
    kubectl("delete", "namespace", "rights-tenant-one", "--wait=false")


def live_as_deployment(life: Life) -> None:
    """A Deployment is made, scaled by an autoscaler, checked by a Job, changed, and loses its autoscaler."""
    check = {"checks": {"before": [{"name": "probe", "job": {"image": images()["toolbox"], "command": ["true"]}}]}}
    scaled: dict[str, Any] = {"replicas": None, "autoscaling": {"min": 1, "max": 2, "cpu": 80}}

    def serves(version: str, **spec: Any) -> None:
        life.apply(deployment(version, revisionHistoryLimit=1, **spec))
        life.kubectl("-n", WHERE, "wait", "--for=condition=Ready", "dhd/web", "--timeout=120s")
        generation = life.kubectl("-n", WHERE, "get", "dhd/web", "-o=jsonpath={.metadata.generation}")
        life.kubectl("-n", WHERE, "wait", f"--for=jsonpath={{.status.observedGeneration}}={generation}", "dhd/web", "--timeout=60s")
        life.kubectl("-n", WHERE, "wait", "--for=jsonpath={.status.phase}=Idle", "dhd/web", "--timeout=120s")

    serves("1", **scaled)
    serves("2", strategy=check, **scaled)
    serves("3", replicas=1)
    versions = ("-n", WHERE, "get", "replicasets.apps", "-l", "dharma.io/deployment=web", "-o", "name")
    life.until("the oldest version is gone", lambda: len(life.kubectl(*versions).split()) == 2)
    life.kubectl("-n", WHERE, "delete", "dhd/web", "--timeout=60s")


def test_nothing_is_used_that_is_not_granted(lived: datetime) -> None:
    assert used(lived) - granted() == set()


def test_nothing_is_granted_that_is_not_used(lived: datetime) -> None:
    idle = granted() - used(lived) - handed_on()
    print("granted and not seen:", *sorted(idle), sep="\n  ")
    assert idle - set(SELDOM) == set()
