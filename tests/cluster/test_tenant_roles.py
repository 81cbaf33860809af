"""The three roles of members: every verb on every resource of the cluster, in the own namespace, another and none, held to a table."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.cluster.admission_support import ApiServer, api_server
from tests.support.policies import Installed, Object, applied, bound, eventually

VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
SPECIAL = ("bind", "escalate", "impersonate", "approve", "sign", "attest")
"""Verbs that nobody lists and that make rights out of rights."""
SPECIAL_GROUPS = ("rbac.authorization.k8s.io/", "authentication.k8s.io/", "certificates.k8s.io/", "/users", "/groups", "/serviceaccounts")
"""Where they mean something."""
ROLES = ("viewer", "editor", "admin")
READ, WRITE, SCALE = frozenset(VERBS[:3]), frozenset(("create", "update", "patch", "delete")), frozenset(("get", "update", "patch"))

Right = tuple[str, str]
"""Resource as `group/resource/subresource` (the core group is empty), and verb."""


def rights(verbs: frozenset[str], *resources: str) -> frozenset[Right]:
    return frozenset((resource, verb) for resource in resources for verb in verbs)


SEEN = (
    *(
        f"/{one}"
        for one in ("configmaps", "endpoints", "events", "limitranges", "persistentvolumeclaims", "pods", "pods/log", "pods/status")
    ),
    *(f"/{one}" for one in ("replicationcontrollers", "resourcequotas", "serviceaccounts", "services")),
    *(f"apps/{one}" for one in ("controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets")),
    *(f"batch/{one}" for one in ("cronjobs", "jobs")),
    *(f"dharma.io/{one}" for one in ("backups", "blueprints", "deployments")),
    *(f"rbac.authorization.k8s.io/{one}" for one in ("rolebindings", "roles")),
    *("autoscaling/horizontalpodautoscalers", "discovery.k8s.io/endpointslices", "events.k8s.io/events", "metrics.k8s.io/pods"),
    *("networking.k8s.io/ingresses", "networking.k8s.io/networkpolicies", "policy/poddisruptionbudgets"),
)
CHANGED = (
    *(f"/{one}" for one in ("configmaps", "persistentvolumeclaims", "pods", "secrets", "services")),
    *(f"apps/{one}" for one in ("deployments", "replicasets", "statefulsets")),
    *(f"batch/{one}" for one in ("cronjobs", "jobs")),
    *(f"dharma.io/{one}" for one in ("backups", "blueprints", "deployments")),
    *("autoscaling/horizontalpodautoscalers", "networking.k8s.io/ingresses", "policy/poddisruptionbudgets"),
)
VIEWER = rights(READ, *SEEN)
EDITOR = (
    VIEWER
    | rights(READ, "/secrets")
    | rights(WRITE, *CHANGED)
    | rights(SCALE, *(f"apps/{one}/scale" for one in ("deployments", "replicasets", "statefulsets")), "/pods/ephemeralcontainers")
    | rights(frozenset(("get", "create")), "/pods/attach", "/pods/exec", "/pods/portforward")
    | rights(frozenset(("create",)), "/pods/eviction")
)
ADMIN = EDITOR | rights(WRITE, "/serviceaccounts")
EXPECTED = {"viewer": VIEWER, "editor": EDITOR, "admin": ADMIN}
ANYONE = rights(
    frozenset(("create",)),
    "authentication.k8s.io/selfsubjectreviews",
    "authorization.k8s.io/selfsubjectaccessreviews",
    "authorization.k8s.io/selfsubjectrulesreviews",
)
"""What Kubernetes lets everyone who is logged in."""


@dataclass(frozen=True)
class World:
    """Groups bound to the roles in one namespace, and all that can be asked about."""

    run: str
    api: ApiServer
    resources: frozenset[str]

    def may(self, role: str, resource: str, verb: str, namespace: str) -> bool:
        group, name, *subresource = resource.split("/")
        asked = {"group": group, "resource": name, "subresource": "".join(subresource), "verb": verb, "namespace": namespace}
        spec = {"user": "someone", "groups": [f"{self.run}-{role}", "system:authenticated"], "resourceAttributes": asked}
        answer = self.api.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec})
        assert answer.accepted, answer.said()
        return bool(answer.body["status"]["allowed"])

    def all_rights(self, role: str, namespace: str) -> frozenset[Right]:
        asked = [(resource, verb) for resource in sorted(self.resources) for verb in VERBS]
        asked += [(resource, verb) for resource in sorted(self.resources) if resource.startswith(SPECIAL_GROUPS) for verb in SPECIAL]
        return frozenset((resource, verb) for resource, verb in asked if self.may(role, resource, verb, namespace))


def discovered(api: ApiServer) -> frozenset[str]:
    """Each resource and subresource of each version that the API server has, and the users and groups that can be impersonated."""
    versions = [("", "/api/v1")]
    for group in api.request("GET", "/apis").body["groups"]:
        versions += [(group["name"], f"/apis/{one['groupVersion']}") for one in group["versions"]]
    found = {f"{group}/{one['name']}" for group, path in versions for one in api.request("GET", path).body["resources"]}
    return frozenset(found | {"/users", "/groups", "authentication.k8s.io/uids"})


@pytest.fixture(scope="module")
def world(kubeconfig: Path, kubectl: Callable[..., str], crds: None) -> Iterator[World]:
    installed = Installed()
    own = f"{installed.run}-own"
    bindings = [bound(f"dharma-{role}", f"{installed.run}-tenant-{role}", f"{installed.run}-{role}", own) for role in ROLES]
    prepared: list[Object] = [installed.namespace("own"), installed.namespace("other"), *installed.rendered("templates/tenant-roles.yaml")]
    with applied(kubectl, [*prepared, *bindings]), api_server(kubeconfig) as api:
        found = World(installed.run, api, discovered(api))
        eventually(lambda: all(found.may(role, "dharma.io/backups", "watch", own) for role in ROLES), "the roles are aggregated")
        eventually(lambda: found.may("admin", "/serviceaccounts", "delete", own), "the roles are aggregated whole")
        yield found


@pytest.mark.parametrize("role", ROLES)
class TestRole:
    def test_in_its_own_namespace_it_may_what_the_table_says(self, world: World, role: str) -> None:
        found = world.all_rights(role, f"{world.run}-own")
        expected = EXPECTED[role] | ANYONE
        assert found == expected, f"too much: {sorted(found - expected)}; too little: {sorted(expected - found)}"

    @pytest.mark.parametrize("where", ["other", ""], ids=["another namespace", "the whole cluster"])
    def test_elsewhere_it_may_what_everyone_may(self, world: World, role: str, where: str) -> None:
        found = world.all_rights(role, where and f"{world.run}-{where}")
        assert found == ANYONE, f"too much: {sorted(found - ANYONE)}"


def test_the_table_names_what_the_cluster_has(world: World) -> None:
    """A misspelt resource in a role would be nobody's right, and nobody would notice."""
    named = {resource for resource, _ in ADMIN}
    assert named <= world.resources, sorted(named - world.resources)
    print(f"{len(world.resources)} resources, {len(VERBS)} verbs and {len(SPECIAL)} special ones, {len(ROLES)} roles, 3 scopes")


def test_who_runs_the_cluster_can_extend_a_role(world: World, kubectl: Callable[..., str]) -> None:
    extra = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": f"{world.run}-extra", "labels": {f"dharma.io/aggregate-to-{world.run}-editor": "true"}},
        "rules": [{"apiGroups": ["cert-manager.example"], "resources": ["certificates"], "verbs": ["create"]}],
    }
    own = f"{world.run}-own"
    assert not world.may("editor", "cert-manager.example/certificates", "create", own)
    with applied(kubectl, [extra]):
        eventually(lambda: world.may("editor", "cert-manager.example/certificates", "create", own), "the role is extended")
        assert not world.may("viewer", "cert-manager.example/certificates", "create", own)
    eventually(lambda: not world.may("editor", "cert-manager.example/certificates", "create", own), "the extension is gone")
