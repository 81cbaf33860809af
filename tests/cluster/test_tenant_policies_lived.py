"""A Blueprint's life under all policies of a Tenant: the operator and Patroni as their ServiceAccounts, an Editor at work."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import yaml
from tests.support import cluster
from tests.support.blueprints import RESTRICTED, Spec, Stage, blueprint, pgbouncer, postgres, redis
from tests.support.policies import Installed, applied, bound, eventually

from dharma_crds.tenant import Tenant
from dharma_handlers.tenant.policies import labels_and_annotations

pytestmark = pytest.mark.timeout(420)

TENANT = {
    "metadata": {"name": "acme"},
    "spec": {
        "plan": "Pro",
        "policies": {
            "storageClasses": {"allowed": ["standard"]},
            "priorityClasses": {},
            "registries": {"allowed": ["registry.example"]},
            "ingressHosts": {},
            "serviceTypes": {},
        },
    },
}

KEPT = ("statefulsets", "deployments.apps", "services", "persistentvolumeclaims", "secrets", "configmaps", "poddisruptionbudgets")
"""Kinds that an Editor may delete, of which a Blueprint has some."""


class MembersStage(Stage):
    """A namespace as an Editor sees it, who may what the role says and no more."""

    def __init__(self, installed: Installed, folder: Path) -> None:
        super().__init__(f"{installed.run}-shop", folder)
        self.member = ("--as", "alice", "--as-group", f"{installed.run}-editor", "--as-group", "system:authenticated")
        named = {"POD_NAMESPACE": installed.run, "SERVICE_ACCOUNT": installed.name, "NAMESPACE_CLUSTER_ROLE": f"{installed.name}-namespace"}
        self.operator.environment |= {f"DHARMA_{key}": value for key, value in {**named, "LEASE_NAME": installed.name}.items()}
        self.operator.environment["KUBECONFIG"] = str(as_service_account(installed, folder / "kubeconfig"))

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        return super().kubectl(*self.member, *arguments, stdin=stdin, check=check)

    def uids_of(self, kind: str) -> set[str]:
        """Uids of what the Blueprint has of a kind and that is not going."""
        items = json.loads(self.kubectl("get", kind, "--selector=dharma.io/blueprint", "--output=json"))["items"]
        return {item["metadata"]["uid"] for item in items if "deletionTimestamp" not in item["metadata"]}

    def primary(self) -> str:
        pods = self.pods("db").items()
        return next((name for name, pod in pods if pod["metadata"]["labels"].get("dharma.io/role") == "primary"), "")


def as_service_account(installed: Installed, path: Path) -> Path:
    """A kubeconfig with the token of the operator's ServiceAccount."""
    config = yaml.safe_load(cluster.KUBECONFIG.read_text())
    config["users"][0]["user"] = {"token": cluster.kubectl("-n", installed.run, "create", "token", installed.name).strip()}
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture
async def stage(kubectl: Callable[..., str], crds: None, no_other_operator: None, tmp_path: Path) -> AsyncIterator[MembersStage]:
    installed = Installed()
    labels, annotations = labels_and_annotations(Tenant.model_validate(TENANT))
    shop = installed.namespace("shop", {**RESTRICTED, **labels, "dharma.io/tenant": "acme", "dharma.io/project": "shop"}, annotations)
    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": installed.run}}
    member = bound("dharma-editor", f"{installed.run}-tenant-editor", f"{installed.run}-editor", f"{installed.run}-shop")
    own_images = [f"images.{name}.registry={cluster.images()[name].partition('/')[0]}" for name in ("postgres", "pgbouncer", "redis")]
    rights = installed.rendered("templates/rbac.yaml", "templates/serviceaccount.yaml", "templates/tenant-roles.yaml")
    policies = installed.rendered("templates/policies.yaml", "templates/policies-protection.yaml", settings=own_images)
    with applied(kubectl, [home, shop, *rights, member]), applied(kubectl, policies):
        found = MembersStage(installed, tmp_path)
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}}
        created = ("create", "--dry-run=server", "--output=name", "--filename=-")
        eventually(lambda: not found.kubectl(*created, stdin=json.dumps(service), check=False), "policies and role are in force")
        try:
            await found.operator.start().ready()
            yield found
        finally:
            found.operator.close()
            print(found.operator.tail())


def changed(stage: MembersStage, **components: Spec) -> Spec:
    return blueprint(
        *(components or {"db": postgres(instances=2), "pool": pgbouncer(), "cache": redis()}).values(), deletionPolicy="Delete"
    )


async def test_a_blueprint_lives_under_all_policies(stage: MembersStage) -> None:
    stage.apply(changed(stage))
    await stage.ready(seconds=150)
    first = stage.primary()
    assert first

    stage.kubectl("delete", "pod", first, "--wait=false")
    await stage.until("another pod is the primary, by Patroni's own label", lambda: stage.primary() not in {"", first}, seconds=90)
    await stage.ready(seconds=120)

    stage.operator.kill()  # it all holds without
    for kind in KEPT:
        before = stage.uids_of(kind)
        assert before, f"the Blueprint has {kind}"
        stage.kubectl("delete", kind, "--all", "--wait=false", check=False)
        assert stage.uids_of(kind) == before, f"members delete {kind}"
    await stage.operator.start().ready()

    stage.apply(changed(stage, db=postgres(instances=2), cache=redis()))
    await stage.until("the pooler is gone", lambda: not stage.pods("pool"))
    stage.kubectl("delete", "dhb/shop", "--timeout=60s")
    await stage.until("all that the Blueprint had is gone", lambda: not stage.names("pods,services,statefulsets,secrets,pvc"))
