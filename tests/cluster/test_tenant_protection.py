"""What the operator made in a tenant's namespaces, and the labels that say whose a namespace is, against everyone who might change them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.cluster.admission_support import Answer, ApiServer, api_server
from tests.cluster.policy_cases import Object
from tests.cluster.protection_cases import MADE, OTHERS, PASSES, REFUSED, RESOURCES, Attempt, kept
from tests.support import audit
from tests.support.policies import Installed, applied, bound, eventually

ACTIONS = ("deny", "warn", "audit", "free")
MERGE = "application/merge-patch+json"
TENANTS = {"dharma.io/tenant": "acme", "dharma.io/project": "shop"}


@dataclass(frozen=True)
class World:
    """The chart's protection, and namespaces with what the operator would have made."""

    installed: Installed
    api: ApiServer

    def ask(self, who: str, method: str, path: str, body: Object | None = None) -> Answer:
        user, groups = self.person(who)
        content = MERGE if method == "PATCH" else "application/json"
        return self.api.request(method, f"{path}?dryRun=All", body, content=content, user=user, groups=groups)

    def person(self, who: str) -> tuple[str, tuple[str, ...]]:
        """Everyone may do everything in the namespaces by RBAC: what is refused, the policy refuses."""
        run, all_may = self.installed.run, f"{self.installed.run}-members"
        return {
            "root": ("", ()),
            "administrator": ("adam", (f"{run}-administrators",)),
            "member": ("alice", (all_may,)),
            "operator": (self.installed.operator, (all_may, f"{run}-owners")),
            "controller": ("system:serviceaccount:kube-system:statefulset-controller", ("system:serviceaccounts:kube-system", all_may)),
            "manager": ("system:kube-controller-manager", (all_may,)),
            "scheduler": ("system:kube-scheduler", (all_may,)),
            "node": ("kubelet", ("system:nodes", all_may)),
            "patroni": (f"system:serviceaccount:{run}-deny:shop-db", (all_may,)),
            "stranger": (f"system:serviceaccount:{run}-deny:default", (all_may,)),
            "owner": ("nora", (f"{run}-owners",)),
        }[who]

    def attempt(self, one: Attempt, where: str) -> Answer:
        path = RESOURCES[one.kind].format(f"{self.installed.run}-{where}")
        target = f"{path}/{one.name}{one.subresource}" if one.name else path
        return self.ask(one.who, one.method, target, one.body or None)

    def mark(self, who: str, suffix: str, metadata: Object, subresource: str = "") -> Answer:
        """Change labels or annotations of a namespace."""
        return self.ask(who, "PATCH", f"/api/v1/namespaces/{self.installed.run}-{suffix}{subresource}", {"metadata": metadata})

    def finalize(self, who: str, suffix: str, metadata: Object) -> Answer:
        """Change them through the subresource that takes whole objects only."""
        path = f"/api/v1/namespaces/{self.installed.run}-{suffix}"
        live = self.api.request("GET", path).body
        for key, marks in metadata.items():
            changed = {**live["metadata"].get(key, {}), **marks}
            live["metadata"][key] = {name: value for name, value in changed.items() if value is not None}
        return self.ask(who, "PUT", f"{path}/finalize", live)

    def refusal(self, action: str) -> str:
        name = f"{self.installed.name}-protection"
        return f"ValidatingAdmissionPolicy '{name}' with binding '{name}-{action}'"


def owners(run: str) -> list[Object]:
    """Who may do anything with namespaces, and nothing with Tenants."""
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": f"{run}-owner"},
        "rules": [
            {"apiGroups": [""], "resources": ["namespaces", "namespaces/status", "namespaces/finalize"], "verbs": ["*"]},
        ],
    }
    return [role, bound(f"{run}-owners", f"{run}-owner", f"{run}-owners"), bound(f"{run}-all", "cluster-admin", f"{run}-administrators")]


@pytest.fixture(scope="module")
def world(kubeconfig: Path, kubectl: Callable[..., str], crds: None) -> Iterator[World]:
    installed = Installed()
    marks = {action: {} if action == "free" else {"dharma.io/policy-protection": action} for action in ACTIONS}
    namespaces = [installed.namespace(action, {**TENANTS, **marks[action]}) for action in ACTIONS]
    names = [one["metadata"]["name"] for one in namespaces]
    rights = [bound("members", "cluster-admin", f"{installed.run}-members", name) for name in names]
    inside = [{**one, "metadata": {**one["metadata"], "namespace": name}} for one in (*MADE, *OTHERS) for name in names]
    accounts, objects = (
        [one for one in inside if one["kind"] == "ServiceAccount"],
        [one for one in inside if one["kind"] != "ServiceAccount"],
    )
    with (
        applied(kubectl, [*namespaces, installed.namespace("mine"), *rights, *owners(installed.run), *accounts]),
        applied(kubectl, objects),
        applied(kubectl, installed.rendered("templates/policies-protection.yaml")),
        api_server(kubeconfig) as api,
    ):
        found = World(installed, api)
        changes = Attempt("member", "PATCH", "ConfigMap", "made", {"data": {"a": "2"}})
        eventually(lambda: not found.attempt(changes, "deny").accepted, "the protection is enforced")
        eventually(lambda: bool(found.attempt(changes, "warn").warnings), "the protection warns")
        eventually(lambda: not found.mark("owner", "mine", {"labels": {"dharma.io/tenant": "acme"}}).accepted, "namespaces are protected")
        yield found


@pytest.mark.parametrize("one", REFUSED, ids=str)
def test_it_is_refused_whatever_rbac_says(world: World, one: Attempt) -> None:
    answer = world.attempt(one, "deny")
    assert answer.status == 403, answer.said()
    assert answer.body["message"].partition("is forbidden: ")[2] == f"{world.refusal('deny')} denied request: {one.sentence}"


@pytest.mark.parametrize("one", PASSES, ids=str)
def test_it_passes_without_a_word(world: World, one: Attempt) -> None:
    answer = world.attempt(one, "deny")
    assert answer.accepted, answer.said()
    assert not answer.warnings


@pytest.mark.parametrize("one", [one for one in REFUSED if one.who == "member"], ids=str)
def test_other_actions_let_it_pass(world: World, one: Attempt) -> None:
    warned = world.attempt(one, "warn")
    assert warned.accepted, warned.said()
    assert f"Validation failed for {world.refusal('warn')}: {one.sentence}" in warned.warnings
    for action in ("audit", "free"):
        silent = world.attempt(one, action)
        assert silent.accepted, silent.said()
        assert not [warning for warning in silent.warnings if "ValidatingAdmissionPolicy" in warning]


def test_audit_marks_it(world: World) -> None:
    since = audit.now()
    assert world.attempt(Attempt("member", "DELETE", "ResourceQuota", "made"), "audit").accepted
    mark = (f"{world.installed.name}-protection-audit", "alice", kept("ResourceQuota"))
    eventually(lambda: mark in audit.policy_marks(f"{world.installed.run}-audit", since=since), f"the audit log says {mark}")


def test_our_own_kinds_are_peoples(world: World) -> None:
    """Neither labels nor annotations of theirs concern the policy: dharma.io/promote is how people decide."""
    wears = {"app.kubernetes.io/managed-by": "iac-dharma", "dharma.io/project": "x"}
    manifest = {
        "apiVersion": "dharma.io/v1alpha1",
        "kind": "Deployment",
        "metadata": {"name": "web", "labels": wears, "annotations": {"dharma.io/promote": "0f3a"}},
        "spec": {"environment": "dev", "image": "x"},
    }
    path = f"/apis/dharma.io/v1alpha1/namespaces/{world.installed.run}-deny/deployments"
    answer = world.ask("member", "POST", path, manifest)
    assert answer.accepted, answer.said()


STEALS = "makes a namespace part of a Tenant and is set by the operator alone; add the namespace to spec.projects of the Tenant"
CHANGES = (
    "of a namespace of Tenant acme is set by the operator alone; change spec.projects, spec.policies or spec.podSecurity of the Tenant"
)
MARKS: tuple[tuple[str, Object, str], ...] = (
    ("mine", {"labels": {"dharma.io/tenant": "acme"}}, f"dharma.io/tenant {STEALS}"),
    ("mine", {"labels": {"dharma.io/project": "shop"}}, f"dharma.io/project {STEALS}"),
    ("mine", {"labels": {"dharma.io/policy-registries": "audit"}}, f"dharma.io/policy-registries {STEALS}"),
    ("mine", {"annotations": {"dharma.io/allowed-registries": "evil"}}, f"dharma.io/allowed-registries {STEALS}"),
    *(
        ("deny", {"labels": {key: value}}, f"{key} {CHANGES}")
        for key, value in (
            ("dharma.io/tenant", "other"),
            ("dharma.io/tenant", None),
            ("dharma.io/project", "other"),
            ("dharma.io/policy-protection", "audit"),
            ("dharma.io/policy-protection", None),
            ("dharma.io/policy-registries", "deny"),
            ("pod-security.kubernetes.io/enforce", "privileged"),
            ("app.kubernetes.io/managed-by", "iac-dharma"),
        )
    ),
    *(
        ("deny", {"annotations": {key: "x"}}, f"{key} {CHANGES}")
        for key in ("dharma.io/allowed-registries", "dharma.io/allowed-storage-classes", "dharma.io/retain")
    ),
)


class TestNamespaces:
    @pytest.mark.parametrize(("suffix", "metadata", "sentence"), MARKS, ids=str)
    def test_whose_it_is_cannot_be_changed(self, world: World, suffix: str, metadata: Object, sentence: str) -> None:
        name = f"{world.installed.name}-namespaces"
        for answer in (
            world.mark("owner", suffix, metadata),
            world.mark("owner", suffix, metadata, "/status"),
            world.finalize("owner", suffix, metadata),
        ):
            assert answer.status == 403, answer.said()
            said = answer.body["message"].partition("is forbidden: ")[2]
            assert said == f"ValidatingAdmissionPolicy '{name}' with binding '{name}' denied request: {sentence}"

    def test_none_is_made_as_a_tenants(self, world: World) -> None:
        stolen = world.installed.namespace("new", {"dharma.io/tenant": "acme"})
        assert STEALS in world.ask("owner", "POST", "/api/v1/namespaces", stolen).said()
        for who in ("operator", "administrator", "root"):
            assert world.ask(who, "POST", "/api/v1/namespaces", stolen).accepted

    @pytest.mark.parametrize(
        ("suffix", "metadata"),
        [
            (
                "mine",
                {"labels": {"team": "web", "pod-security.kubernetes.io/enforce": "privileged", "app.kubernetes.io/managed-by": "Helm"}},
            ),
            ("mine", {"annotations": {"dharma.io/adopt": "acme"}}),
            ("deny", {"labels": {"team": "web"}, "annotations": {"note": "x"}}),
        ],
        ids=str,
    )
    def test_all_else_is_free(self, world: World, suffix: str, metadata: Object) -> None:
        answer = world.mark("owner", suffix, metadata)
        assert answer.accepted, answer.said()
        assert not answer.warnings

    @pytest.mark.parametrize("who", ["operator", "administrator", "root"])
    def test_the_operator_and_who_may_update_tenants_may(self, world: World, who: str) -> None:
        for suffix, metadata, _ in MARKS:
            answer = world.mark(who, suffix, metadata)
            assert answer.accepted, answer.said()

    def test_a_member_of_the_tenant_with_all_rights_in_it_may_not(self, world: World) -> None:
        """RBAC lets whoever has all rights in a namespace change the namespace itself."""
        assert CHANGES in world.mark("member", "deny", {"labels": {"dharma.io/policy-protection": None}}).said()


def test_the_expressions_are_typed(world: World, kubectl: Callable[..., str]) -> None:
    """The API server notes what it finds in status, where nobody looks. What matches all kinds it does not check."""
    live = json.loads(kubectl("get", "validatingadmissionpolicy", f"{world.installed.name}-namespaces", "-o", "json"))
    assert not live.get("status", {}).get("typeChecking", {}).get("expressionWarnings"), live["status"]
