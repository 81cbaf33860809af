"""The tree of a Blueprint: its components, and the pods, services, volumes and secrets that came of them, with their health."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.markup import escape
from rich.tree import Tree

from dharma_operator.cli.cluster import Cluster, Manifest

HEALTHY, WAITING, BROKEN = "[green]●[/]", "[yellow]◐[/]", "[red]✖[/]"


@dataclass(frozen=True)
class Children:
    """What the operator made for one Blueprint, by kind; of Secrets only their names."""

    pods: list[Manifest] = field(default_factory=list[Manifest])
    services: list[Manifest] = field(default_factory=list[Manifest])
    secrets: list[Manifest] = field(default_factory=list[Manifest])
    volumes: list[Manifest] = field(default_factory=list[Manifest])


def children(cluster: Cluster, namespace: str, name: str) -> Children:
    """Read the children of a Blueprint by the operator's label."""
    labels = f"dharma.io/blueprint={name}"
    core = f"/api/v1/namespaces/{namespace}"
    return Children(
        pods=cluster.list(f"{core}/pods", labels),
        services=cluster.list(f"{core}/services", labels),
        secrets=cluster.list(f"{core}/secrets", labels, metadata_only=True),
        volumes=cluster.list(f"{core}/persistentvolumeclaims", labels),
    )


def condition(manifest: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """Return one condition of a status; empty when it is not there."""
    conditions: Iterable[Mapping[str, Any]] = manifest.get("status", {}).get("conditions", [])
    none: Mapping[str, Any] = {}
    return next((entry for entry in conditions if entry["type"] == kind), none)


def blueprint_tree(blueprint: Manifest, made: Children) -> Tree:
    """Draw a Blueprint."""
    meta, status = blueprint["metadata"], blueprint.get("status", {})
    ready = condition(blueprint, "Ready")
    reason = escape(ready.get("reason", "not seen by an operator yet"))
    title = f"{_whole(blueprint)} [bold]dhb/{meta['name']}[/] [dim]in {meta['namespace']}[/] {reason}"
    if ready.get("status") != "True" and ready.get("message"):
        title += f": {escape(ready['message'])}"
    tree = Tree(title, guide_style="dim")
    for component in status.get("components", []):
        _component(tree, component, made)
    drift = status.get("drift", {}).get("count", 0)
    if drift:
        tree.add(f"[dim]drift seen {drift} time{'s' if drift != 1 else ''}[/]")
    return tree


def _whole(blueprint: Manifest) -> str:
    """Return the sign of the whole: a Blueprint that is on its way is not broken."""
    if condition(blueprint, "Stalled").get("status") == "True":
        return BROKEN
    return HEALTHY if condition(blueprint, "Ready").get("status") == "True" else WAITING


def _component(tree: Tree, component: Mapping[str, Any], made: Children) -> None:
    name = component["name"]
    have, _, want = str(component.get("ready", "")).partition("/")
    sign = HEALTHY if want and have == want else WAITING
    version = f" {component['version']}" if component.get("version") else ""
    branch = tree.add(f"{sign} [bold]{name}[/] {component.get('type', '')}{version} [dim]ready[/] {component.get('ready', '?')}")
    if component.get("message"):
        branch.add(f"[dim]{escape(component['message'])}[/]")
    for pod in _of(made.pods, name):
        role = " [cyan]primary[/]" if pod["metadata"]["name"] == component.get("primary") else ""
        branch.add(f"{_pod_mark(pod)} pod {pod['metadata']['name']}{role} [dim]{_pod_state(pod)}[/]")
    for service in _of(made.services, name):
        ports = ",".join(str(port["port"]) for port in service["spec"].get("ports", []))
        branch.add(f"[dim]service[/] {service['metadata']['name']}:{ports}")
    for volume in _of(made.volumes, name):
        size = volume.get("status", {}).get("capacity", {}).get("storage", "not bound yet")
        branch.add(f"[dim]volume[/]  {volume['metadata']['name']} [dim]{size}[/]")
    for secret in _of(made.secrets, name):
        branch.add(f"[dim]secret[/]  {secret['metadata']['name']}")


def _of(objects: Iterable[Manifest], component: str) -> list[Manifest]:
    mine = (entry for entry in objects if entry["metadata"].get("labels", {}).get("dharma.io/component") == component)
    return sorted(mine, key=lambda entry: str(entry["metadata"]["name"]))


def _pod_mark(pod: Manifest) -> str:
    if pod.get("status", {}).get("phase") == "Failed":
        return BROKEN
    return HEALTHY if condition(pod, "Ready").get("status") == "True" else WAITING


def _pod_state(pod: Manifest) -> str:
    """Return why a pod waits, or its phase, with its restarts."""
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating"
    statuses: list[Manifest] = pod.get("status", {}).get("containerStatuses", [])
    waiting = [str(entry["state"]["waiting"].get("reason", "")) for entry in statuses if "waiting" in entry.get("state", {})]
    restarts = sum(int(entry.get("restartCount", 0)) for entry in statuses)
    state = next(filter(None, waiting), "") or str(pod.get("status", {}).get("phase", "Pending"))
    return f"{state}, {restarts} restart{'s' if restarts != 1 else ''}" if restarts else state
