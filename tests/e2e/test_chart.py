"""The chart: what it renders, what it refuses, and install, upgrade and uninstall on the cluster."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from tests.support.chart import CHART, IMAGES, NAME, NAMESPACE, RELEASE, helm, rendered

Run = Callable[..., str]


def named(documents: list[dict[str, Any]], kind: str) -> list[str]:
    return [document["metadata"]["name"] for document in documents if document["kind"] == kind]


def test_lint() -> None:
    done = helm("lint", "--strict", CHART)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_value_has_a_schema() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert set(values) <= set(schema["properties"])
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("replicas=0", "/replicas"),
        ("image.digest=latest", "/image/digest"),
        ("operator.logLevel=LOUD", "/operator/logLevel"),
        ("replicaCount=2", "replicaCount"),
    ],
)
def test_a_wrong_value_is_refused_by_name(setting: str, sentence: str) -> None:
    done = helm("template", RELEASE, CHART, "--set", setting)
    assert done.returncode != 0
    assert sentence in done.stderr


def test_optional_parts_are_off_until_asked_for() -> None:
    plain = rendered()
    assert not named(plain, "ServiceMonitor")
    assert not named(plain, "NetworkPolicy")
    asked = rendered("--set", "serviceMonitor.enabled=true,networkPolicy.enabled=true")
    assert named(asked, "ServiceMonitor") == [NAME]
    assert named(asked, "NetworkPolicy") == [NAME]


def test_digest_wins_over_tag() -> None:
    digest = "sha256:" + "a" * 64
    documents = rendered("--set", f"image.digest={digest},images.redis.digest={digest}")
    (container,) = next(one for one in documents if one["kind"] == "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"ghcr.io/iac-dharma/operator@{digest}"
    environment = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert environment["DHARMA_REDIS_IMAGE"] == f"ghcr.io/iac-dharma/redis@{digest}"
    assert environment["DHARMA_POSTGRES_IMAGE"] == "ghcr.io/iac-dharma/postgres:17"


def test_crds_stay_when_the_release_goes() -> None:
    definitions = [one for one in rendered() if one["kind"] == "CustomResourceDefinition"]
    assert len(definitions) == 4
    assert all(one["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for one in definitions)
    assert not named(rendered("--set", "crds.install=false"), "CustomResourceDefinition")


def test_rights_are_least() -> None:
    rules = [
        (one["kind"], one["metadata"]["name"], rule)
        for one in rendered()
        if one["kind"] in {"ClusterRole", "Role"}
        for rule in one.get("rules", ())
    ]
    assert rules
    for _, name, rule in rules:
        assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"], name
        assert not {"escalate", "impersonate", "deletecollection"} & set(rule["verbs"]), name
    cluster_wide = [rule for kind, name, rule in rules if kind == "ClusterRole" and name == NAME]
    assert not any("secrets" in rule["resources"] for rule in cluster_wide), "no secrets of the cluster"
    assert not any(resource in rule["resources"] for rule in cluster_wide for resource in ("nodes", "pods/exec", "nodes/proxy"))
    bindings = [rule["resourceNames"] for rule in cluster_wide if "bind" in rule["verbs"]]
    members = [f"dharma-tenant-{role}" for role in ("admin", "editor", "viewer")]
    assert bindings == [members, [f"{NAME}-namespace"]], "the roles of a Tenant's members, and the operator's own in a namespace"


def test_policies_fail_closed_and_reach_only_who_asked() -> None:
    documents = rendered()
    policies = [one for one in documents if one["kind"] == "ValidatingAdmissionPolicy"]
    assert {one["spec"]["failurePolicy"] for one in policies} == {"Fail"}
    bound = {}
    for one in documents:
        if one["kind"] == "ValidatingAdmissionPolicyBinding":
            bound.setdefault(one["spec"]["policyName"], []).append(one["spec"])
    assert set(bound) == {one["metadata"]["name"] for one in policies}
    (everywhere,) = bound.pop(f"{NAME}-namespaces")
    assert everywhere["validationActions"] == ["Deny"]
    for name, bindings in bound.items():
        key = name.replace(NAME, "dharma.io/policy", 1)
        chosen = {one["matchResources"]["namespaceSelector"]["matchLabels"][key]: one["validationActions"] for one in bindings}
        assert chosen == {"deny": ["Deny"], "warn": ["Warn", "Audit"], "audit": ["Audit"]}
    assert not named(rendered("--set", "policies.enabled=false"), "ValidatingAdmissionPolicy")


def test_pods_are_restricted() -> None:
    pod = next(one for one in rendered() if one["kind"] == "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.cluster
@pytest.mark.usefixtures("installed")
class TestOnTheCluster:
    def test_one_of_two_replicas_leads(self, kubectl: Run) -> None:
        pods = json.loads(kubectl("-n", NAMESPACE, "get", "pods", "-o", "json"))["items"]
        assert len(pods) == 2
        lease = json.loads(kubectl("-n", NAMESPACE, "get", "lease", NAME, "-o", "json"))
        assert lease["spec"]["holderIdentity"].split("_")[0] in {pod["metadata"]["name"] for pod in pods}

    def test_it_runs_as_nobody_on_a_read_only_root(self, kubectl: Run) -> None:
        deployment = f"deployment/{NAME}"
        identity = kubectl("-n", NAMESPACE, "exec", deployment, "--", "python3", "-c", "import os; print(os.getuid(), os.getgid())")
        assert identity.split() == ["65532", "65532"]
        attempt = "import pathlib\ntry: pathlib.Path('/opt/x').write_text('')\nexcept OSError as error: print(error.strerror)"
        assert kubectl("-n", NAMESPACE, "exec", deployment, "--", "python3", "-c", attempt).strip() == "Read-only file system"

    def test_an_upgrade_upgrades_the_crds(self, kubectl: Run) -> None:
        """Helm's own crds/ folder would leave them as they are."""
        path = "/spec/versions/0/schema/openAPIV3Schema/description"
        patch = json.dumps([{"op": "replace", "path": path, "value": "an older text"}])
        kubectl("patch", "crd", "blueprints.dharma.io", "--type=json", "-p", patch)
        done = helm("upgrade", RELEASE, CHART, "-n", NAMESPACE, "-f", IMAGES, "--force-conflicts", "--wait", "--timeout", "2m")
        assert done.returncode == 0, done.stderr
        assert "an older text" not in kubectl("get", "crd", "blueprints.dharma.io", "-o", "json")

    def test_uninstall_keeps_the_kinds(self, kubectl: Run) -> None:
        done = helm("uninstall", RELEASE, "-n", NAMESPACE, "--wait")
        assert done.returncode == 0, done.stderr
        ours = ("-l", f"app.kubernetes.io/instance={RELEASE}", "-o", "name")
        assert kubectl("-n", NAMESPACE, "get", "deployments.apps,services,serviceaccounts", *ours) == ""
        assert kubectl("get", "clusterrole,clusterrolebinding", *ours) == ""
        for plural in ("tenants", "blueprints", "deployments", "backups"):
            assert plural in kubectl("get", "crd", f"{plural}.dharma.io", "-o", "name")
