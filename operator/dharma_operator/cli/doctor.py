"""What a cluster lacks: one finding for each thing that the operator or its users need."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from rich.markup import escape

from dharma_operator.cli.cluster import CliError, Cluster, Manifest
from dharma_operator.cli.tree import condition

MINIMUM = (1, 31)
"""The oldest Kubernetes that is known to have what the resources' rules need."""
KINDS = ("tenants", "blueprints", "deployments", "backups")
OPERATOR = "app.kubernetes.io/name=iac-dharma,app.kubernetes.io/component=operator"


class Level(Enum):
    """How bad a finding is."""

    OK = "[green]ok  [/]"
    WARN = "[yellow]warn[/]"
    FAIL = "[red]FAIL[/]"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: how it stands and, when it is not well, what to do."""

    level: Level
    subject: str
    state: str
    remedy: str = ""


def line(finding: Finding) -> str:
    """Return a finding as one line with markup."""
    remedy = f" [bold]→ {escape(finding.remedy)}[/]" if finding.remedy else ""
    return f"{finding.level.value} [bold]{finding.subject}[/]: {escape(finding.state)}{remedy}"


def is_ready(manifest: Manifest) -> bool:
    """Whether the condition Ready is true, for the generation that is asked for."""
    status = manifest.get("status", {})
    current = status.get("observedGeneration") == manifest["metadata"].get("generation")
    return current and condition(manifest, "Ready").get("status") == "True"


def examine(cluster: Cluster) -> list[Finding]:
    """Look at everything; what cannot be looked at is a finding too."""
    examinations: tuple[tuple[str, Callable[[Cluster], Finding]], ...] = (
        ("Kubernetes", _kubernetes),
        ("CRDs", _definitions),
        ("Operator", _operator),
        ("Leader", _leader),
        ("Storage class", _storage),
        ("Metrics API", _metrics),
        ("Your rights", _rights),
        ("Blueprints", _blueprints),
    )
    findings: list[Finding] = []
    for subject, look in examinations:
        try:
            findings.append(look(cluster))
        except CliError as error:
            findings.append(Finding(Level.WARN, subject, f"could not be looked at. {error}", "ask for the right to read it"))
    return findings


def _kubernetes(cluster: Cluster) -> Finding:
    version = cluster.request("GET", "/version")
    found = (int(version["major"]), int("".join(filter(str.isdigit, version["minor"]))))
    if found < MINIMUM:
        wanted = ".".join(map(str, MINIMUM))
        return Finding(Level.FAIL, "Kubernetes", f"{version['gitVersion']} is too old", f"upgrade to {wanted} or newer")
    return Finding(Level.OK, "Kubernetes", f"{version['gitVersion']}, context {cluster.context}")


def _definitions(cluster: Cluster) -> Finding:
    found = {kind: cluster.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{kind}.dharma.io") for kind in KINDS}
    missing = [
        kind for kind, definition in found.items() if definition is None or condition(definition, "Established").get("status") != "True"
    ]
    if missing:
        return Finding(
            Level.FAIL, "CRDs", f"{', '.join(missing)} not installed", "helm upgrade --install, or kubectl apply --server-side -f crds/"
        )
    return Finding(Level.OK, "CRDs", "all four kinds are installed")


def _operators(cluster: Cluster) -> list[Manifest]:
    return cluster.list("/apis/apps/v1/deployments", OPERATOR)


def _operator(cluster: Cluster) -> Finding:
    found = _operators(cluster)
    if not found:
        return Finding(
            Level.FAIL, "Operator", "not installed", "helm install iac-dharma charts/iac-dharma -n dharma-system --create-namespace"
        )
    states = [f"{one['metadata']['namespace']}/{one['metadata']['name']}" for one in found]
    if len(found) > 1:
        return Finding(Level.WARN, "Operator", f"installed {len(found)} times: {', '.join(states)}", "keep one release a cluster")
    have, want = found[0].get("status", {}).get("readyReplicas", 0), found[0]["spec"]["replicas"]
    if have == 0:
        remedy = f"kubectl -n {found[0]['metadata']['namespace']} logs deployment/{found[0]['metadata']['name']}"
        return Finding(Level.FAIL, "Operator", f"{states[0]} has no ready pod of {want}", remedy)
    return Finding(Level.OK if have >= want else Level.WARN, "Operator", f"{states[0]}, {have} of {want} ready")


def _leader(cluster: Cluster) -> Finding:
    found = _operators(cluster)
    if not found:
        return Finding(Level.FAIL, "Leader", "no operator, so none leads", "install the operator")
    meta = found[0]["metadata"]
    lease = cluster.get(f"/apis/coordination.k8s.io/v1/namespaces/{meta['namespace']}/leases/{meta['name']}")
    spec: dict[str, Any] = (lease or {}).get("spec", {})
    if not spec.get("holderIdentity") or not spec.get("renewTime"):
        return Finding(
            Level.FAIL, "Leader", "no operator holds the Lease", f"kubectl -n {meta['namespace']} logs deployment/{meta['name']}"
        )
    age = (datetime.now(UTC) - datetime.fromisoformat(spec["renewTime"])).total_seconds()
    if age > 2 * spec.get("leaseDurationSeconds", 15):
        return Finding(
            Level.FAIL, "Leader", f"{spec['holderIdentity']} renewed its Lease {age:.0f} s ago", "see whether its pod still runs"
        )
    return Finding(Level.OK, "Leader", f"{spec['holderIdentity']}, renewed {age:.0f} s ago")


def _storage(cluster: Cluster) -> Finding:
    classes = cluster.list("/apis/storage.k8s.io/v1/storageclasses")
    key = "storageclass.kubernetes.io/is-default-class"
    default = next((one for one in classes if one["metadata"].get("annotations", {}).get(key) == "true"), None)
    if default is None:
        return Finding(
            Level.WARN, "Storage class", "none is the default", "mark one as default, or set storage.storageClassName in each Blueprint"
        )
    name = default["metadata"]["name"]
    if not default.get("allowVolumeExpansion"):
        return Finding(Level.WARN, "Storage class", f"{name} does not let volumes grow", "set allowVolumeExpansion: true if its driver can")
    return Finding(Level.OK, "Storage class", f"{name} is the default and lets volumes grow")


def _metrics(cluster: Cluster) -> Finding:
    service = cluster.get("/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io")
    if service is None or condition(service, "Available").get("status") != "True":
        return Finding(Level.WARN, "Metrics API", "not available, so nothing can scale by load", "install metrics-server")
    return Finding(Level.OK, "Metrics API", "available")


def _rights(cluster: Cluster) -> Finding:
    missing: list[str] = []
    for verb in ("create", "delete", "patch"):
        attributes = {"namespace": cluster.namespace, "verb": verb, "group": "dharma.io", "resource": "blueprints"}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes}}
        answer = cluster.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=review)
        if not answer.get("status", {}).get("allowed"):
            missing.append(verb)
    if missing:
        remedy = "ask for a role on blueprints.dharma.io"
        return Finding(Level.WARN, "Your rights", f"you may not {', '.join(missing)} Blueprints in namespace {cluster.namespace}", remedy)
    return Finding(Level.OK, "Your rights", f"you may create, change and delete Blueprints in namespace {cluster.namespace}")


def _blueprints(cluster: Cluster) -> Finding:
    found = cluster.list("/apis/dharma.io/v1alpha1/blueprints")
    ill = [f"{one['metadata']['namespace']}/{one['metadata']['name']}" for one in found if not is_ready(one)]
    published = [one for one in found if one.get("spec", {}).get("lifecycle", "Published") == "Published"]
    if ill and published:
        shown = ", ".join(ill[:5]) + (" …" if len(ill) > 5 else "")
        return Finding(Level.WARN, "Blueprints", f"{len(ill)} of {len(found)} not Ready: {shown}", "dharma status -A")
    return Finding(Level.OK, "Blueprints", f"{len(found)}, {len(found) - len(ill)} Ready")
