"""spec.policies of a Tenant against the real API server, with no operator running: each need, each action, in which words."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.admission_support import Answer, ApiServer, api_server
from tests.cluster.policy_cases import CASES, PATHS, POLICIES, Case, Object, ingress, pod, service, volume
from tests.support import audit
from tests.support.policies import Installed, applied, bound, eventually

from dharma_crds.tenant import Tenant
from dharma_handlers.tenant.policies import labels_and_annotations

ACTIONS = ("Deny", "Warn", "Audit")
OLD = {
    "PersistentVolumeClaim": volume("premium"),
    "Pod": pod("evil.example/old:1"),
    "Service": service(type="NodePort", externalIPs=["192.0.2.7"]),
    "Ingress": ingress("old.example"),
}
"""Objects of before the policies, which the policies would not allow."""


@dataclass(frozen=True)
class World:
    """The policies of the chart, and a namespace for each action."""

    installed: Installed
    api: ApiServer

    def policy(self, need: str, action: str) -> str:
        name = f"{self.installed.name}-{need}"
        return f"ValidatingAdmissionPolicy '{name}' with binding '{name}-{action.lower()}'"

    def create(self, manifest: Object, where: str) -> Answer:
        text = json.dumps(manifest).replace("RUN", self.installed.run)
        path = PATHS[manifest["kind"]].format(f"{self.installed.run}-{where}")
        return self.api.request("POST", f"{path}?dryRun=All", json.loads(text), user="alice", groups=(f"{self.installed.run}-members",))

    def change(self, kind: str, patch: Object, where: str, subresource: str = "") -> Answer:
        path = f"{PATHS[kind].format(f'{self.installed.run}-{where}')}/old{subresource}?dryRun=All"
        content = "application/strategic-merge-patch+json"
        return self.api.request("PATCH", path, patch, content=content, user="alice", groups=(f"{self.installed.run}-members",))

    def sentence(self, case: Case) -> str:
        field, allowed = next((field, names) for field, names in POLICIES.items() if hyphenated(field) == case.need)
        text = f"{case.wrong} is not allowed: spec.policies.{field} of Tenant acme allows {', '.join(allowed)}"
        beside = " beside ClusterIP" if case.need == "service-types" else ""
        return f"{text}{beside}; {case.remedy}".replace("RUN", self.installed.run)


def hyphenated(field: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in field)


def dressed(installed: Installed, action: str) -> Object:
    policies: dict[str, Any] = {
        field: {"allowed": [name.replace("RUN", installed.run) for name in names], "action": action} for field, names in POLICIES.items()
    }
    tenant = Tenant.model_validate({"metadata": {"name": "acme"}, "spec": {"plan": "Pro", "policies": {**policies, "protection": action}}})
    labels, annotations = labels_and_annotations(tenant)
    return installed.namespace(action.lower(), {"dharma.io/tenant": "acme", **labels}, annotations)


def priority(name: str) -> Object:
    return {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": 10}


@pytest.fixture(scope="module")
def world(kubeconfig: Path, kubectl: Callable[..., str]) -> Iterator[World]:
    installed = Installed()
    namespaces = [*(dressed(installed, action) for action in ACTIONS), installed.namespace("free", {"dharma.io/tenant": "acme"})]
    names = [one["metadata"]["name"] for one in namespaces]
    members = [bound("members", "cluster-admin", f"{installed.run}-members", name) for name in names]
    old = [{**one, "metadata": {"name": "old", "namespace": name}} for one in OLD.values() for name in names]
    prepared = [*namespaces, *members, *(priority(f"{installed.run}-{level}") for level in ("low", "high"))]
    policies = installed.rendered("templates/policies.yaml")
    with applied(kubectl, prepared), api_server(kubeconfig) as api:
        for name in names:
            kubectl("-n", name, "wait", "--for=create", "serviceaccount/default", "--timeout=30s")
        with applied(kubectl, old), applied(kubectl, policies):
            found = World(installed, api)
            wait_until_enforced(found)
            yield found


def wait_until_enforced(world: World) -> None:
    """The API server takes a moment to read a policy."""
    for case in {case.need: case for case in CASES if case.wrong}.values():
        eventually(lambda case=case: not world.create(case.manifest, "deny").accepted, f"{case.need} is enforced")
        eventually(lambda case=case: bool(world.create(case.manifest, "warn").warnings), f"{case.need} warns")


@pytest.mark.parametrize("case", [case for case in CASES if not case.wrong], ids=str)
def test_what_is_allowed_passes_without_a_word(world: World, case: Case) -> None:
    for action in ACTIONS:
        answer = world.create(case.manifest, action.lower())
        assert answer.accepted, answer.said()
        assert not [one for one in answer.warnings if "ValidatingAdmissionPolicy" in one]


@pytest.mark.parametrize("case", [case for case in CASES if case.wrong], ids=str)
class TestWhatIsNotAllowed:
    def test_is_refused_with_the_tenants_rule_and_the_remedy(self, world: World, case: Case) -> None:
        answer = world.create(case.manifest, "deny")
        assert answer.status == 403, answer.said()
        assert answer.body["message"].partition("is forbidden: ")[2] == (
            f"{world.policy(case.need, 'Deny')} denied request: {world.sentence(case)}"
        )

    def test_warns(self, world: World, case: Case) -> None:
        answer = world.create(case.manifest, "warn")
        assert answer.accepted, answer.said()
        said = [one for one in answer.warnings if "ValidatingAdmissionPolicy" in one]  # Kubernetes itself may warn too
        assert said == [f"Validation failed for {world.policy(case.need, 'Warn')}: {world.sentence(case)}"]

    def test_is_marked_in_the_audit_log(self, world: World, case: Case) -> None:
        since = audit.now()
        answer = world.create(case.manifest, "audit")
        assert answer.accepted, answer.said()
        assert not [one for one in answer.warnings if "ValidatingAdmissionPolicy" in one]
        binding = f"{world.installed.name}-{case.need}-audit"
        mark = (binding, "alice", world.sentence(case))
        eventually(lambda: mark in audit.policy_marks(f"{world.installed.run}-audit", since=since), f"the audit log says {mark}")

    def test_passes_where_nobody_asked(self, world: World, case: Case) -> None:
        answer = world.create(case.manifest, "free")
        assert answer.accepted, answer.said()
        assert not [one for one in answer.warnings if "ValidatingAdmissionPolicy" in one]


@pytest.mark.parametrize("kind", OLD)
def test_what_existed_before_is_not_hindered(world: World, kind: str) -> None:
    """Labels, finalizers and what stays as it was."""
    answer = world.change(kind, {"metadata": {"labels": {"team": "web"}, "finalizers": ["test.example/x"]}}, "deny")
    assert answer.accepted, answer.said()


EPHEMERAL = {"ephemeralContainers": [{"name": "debug", "image": "evil.example/debug"}]}


@pytest.mark.parametrize(
    ("kind", "spec", "subresource", "wrong"),
    [
        ("Pod", {"containers": [{"name": "shop", "image": "evil.example/new"}]}, "", "image evil.example/new"),
        ("Pod", EPHEMERAL, "/ephemeralcontainers", "image evil.example/debug"),
        ("Service", {"type": "ExternalName", "externalName": "a.example", "externalIPs": []}, "", "type ExternalName"),
        ("Service", {"externalIPs": ["192.0.2.7", "192.0.2.8"]}, "", "externalIPs 192.0.2.8"),
        ("Ingress", ingress("old.example", "new.example")["spec"], "", "host new.example"),
        ("Ingress", {"tls": [{"hosts": ["old.example"]}]}, "", "host old.example under tls"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_an_update_adds_is_refused(world: World, kind: str, spec: Object, subresource: str, wrong: str) -> None:
    answer = world.change(kind, {"spec": spec}, "deny", subresource)
    assert f"denied request: {wrong} is not allowed: spec.policies." in answer.said()


def test_a_list_that_was_lost_allows_nothing(world: World, kubectl: Callable[..., str]) -> None:
    """The label stands alone: closed."""
    lost = world.installed.namespace("lost", {"dharma.io/policy-storage-classes": "deny", "dharma.io/tenant": "acme"})
    members = bound("members", "cluster-admin", f"{world.installed.run}-members", f"{world.installed.run}-lost")
    with applied(kubectl, [lost, members]):
        eventually(lambda: "of Tenant acme allows none;" in world.create(volume("fast"), "lost").said(), "nothing is allowed")


def test_no_policy_is_misspelt_for_the_api_server(world: World, kubectl: Callable[..., str]) -> None:
    """It checks the types of expressions and notes what it finds in status, where nobody looks."""
    for one in world.installed.rendered("templates/policies.yaml"):
        if one["kind"] == "ValidatingAdmissionPolicy":
            live = json.loads(kubectl("get", "validatingadmissionpolicy", one["metadata"]["name"], "-o", "json"))
            assert not live.get("status", {}).get("typeChecking", {}).get("expressionWarnings"), live["status"]
