"""One Tenant as a tree: projects, members, quota, network, conditions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from dharma_crds.tenant import Member, NetworkPeer, Tenant
from dharma_crds.tenant.policies import Policies
from dharma_handlers.tenant.namespaces import namespace_of
from dharma_operator.cli.cluster import Manifest
from dharma_operator.cli.tree import BROKEN, HEALTHY, WAITING, condition

_DAY = 86400
_ISOLATION = {
    "Tenant": "projects of this Tenant reach each other, others are refused",
    "Project": "each project is alone",
    "None": "no policy is made",
}


def tenant_tree(manifest: Manifest, tenant: Tenant, now: datetime) -> Tree:
    """Draw a Tenant."""
    spec, ready = tenant.spec, condition(manifest, "Ready")
    sign = BROKEN if condition(manifest, "Stalled").get("status") == "True" else HEALTHY if ready.get("status") == "True" else WAITING
    named = f" {escape(spec.display_name)}" if spec.display_name else ""
    reason = escape(ready.get("reason", "not seen by an operator yet"))
    tree = Tree(f"{sign} [bold]dht/{tenant.name}[/]{named} [dim]plan[/] {spec.plan} {reason}", guide_style="dim")
    if spec.suspend:
        tree.add("[yellow]suspended: nothing is changed until spec.suspend is removed[/]")
    _projects(tree.add("[bold]projects[/]"), tenant, manifest)
    _members(tree.add("[bold]members[/]"), tenant, now)
    _quota(tree, manifest.get("status", {}).get("quota") or {}, spec.quota.distribution)
    _network(tree, tenant)
    _policies(tree.add("[bold]policies[/]"), spec.policies)
    tree.add(f"[bold]pod security[/] {spec.pod_security}")
    if spec.budget is not None:
        tree.add(f"[bold]budget[/] {spec.budget.monthly} {spec.budget.currency} a month, {spec.budget.action}")
    tree.add(f"[bold]on deletion[/] namespaces: {spec.deletion_policy}")
    _conditions(tree.add("[bold]conditions[/]"), manifest)
    return tree


def _projects(branch: Tree, tenant: Tenant, manifest: Manifest) -> None:
    told: dict[str, Mapping[str, Any]] = {one["name"]: one for one in manifest.get("status", {}).get("namespaces") or ()}
    for project in tenant.spec.projects:
        namespace = namespace_of(tenant, project)
        state = told.pop(namespace, {})
        share = f" [dim]share[/] {project.share} %" if project.share is not None else ""
        branch.add(f"{_mark(state)} {project.name} [dim]namespace[/] {namespace}{share}{_message(state)}")
    for name, state in sorted(told.items()):
        branch.add(f"{WAITING} [dim]no project any more, namespace[/] {name}{_message(state)}")
    if not branch.children:
        branch.add("[dim]none: the tenant has no place to work in[/]")


def _mark(state: Mapping[str, Any]) -> str:
    return HEALTHY if state.get("ready") else WAITING


def _message(state: Mapping[str, Any]) -> str:
    return f": {escape(state['message'])}" if state.get("message") else ""


def _members(branch: Tree, tenant: Tenant, now: datetime) -> None:
    for member in tenant.spec.members:
        name = f"{member.namespace}/{member.name}" if member.namespace else member.name
        where = f"in {', '.join(member.projects)}" if member.projects else "in all projects"
        branch.add(f"{member.kind} {escape(name)} [cyan]{member.role}[/] {where}{_expiry(member, now)}")
    if not branch.children:
        branch.add("[dim]none[/]")


def _expiry(member: Member, now: datetime) -> str:
    if member.expires_at is None:
        return ""
    days = abs(int((member.expires_at - now).total_seconds())) // _DAY
    counted = f"{days} day{'' if days == 1 else 's'}" if days else "less than a day"
    if member.expires_at <= now:
        return f" [red]expired {member.expires_at:%Y-%m-%d %H:%M} UTC, {counted} ago: no rights[/]"
    return f" [dim]until[/] {member.expires_at:%Y-%m-%d %H:%M} UTC [dim](in {counted})[/]"


def _quota(tree: Tree, told: Mapping[str, Mapping[str, str]], distribution: str) -> None:
    branch = tree.add(f"[bold]quota[/] {distribution}")
    if not told:
        branch.add("[dim]not counted yet[/]")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title, justify in (("resource", "left"), ("used", "right"), ("of", "right")):
        table.add_column(title, justify=justify)  # type: ignore[arg-type]
    for name in sorted(told):
        table.add_row(name, told[name].get("used") or "-", told[name].get("hard") or "unlimited")
    branch.add(table)


def _network(tree: Tree, tenant: Tenant) -> None:
    network = tenant.spec.network
    branch = tree.add(f"[bold]network[/] isolation {network.isolation}: {_ISOLATION[network.isolation]}")
    if network.isolation == "None":
        return
    for peer in network.ingress_from:
        branch.add(f"[dim]in from[/] {_peer(peer)}")
    for peer in network.egress_to:
        branch.add(f"[dim]out to[/]  {_peer(peer)}")
    if not network.egress_to:
        branch.add("[dim]out to[/]  nowhere beside DNS and each other")


def _peer(peer: NetworkPeer) -> str:
    ports = f" [dim]ports[/] {', '.join(map(str, peer.ports))}" if peer.ports else ""
    return f"{f'namespace {peer.namespace}' if peer.namespace else peer.cidr}{ports}"


def _policies(branch: Tree, policies: Policies) -> None:
    for name, value in policies.to_dict().items():
        if isinstance(value, str):
            branch.add(f"[dim]{name}[/] {value}")
        else:
            others = f"all but {', '.join(value['allowed'])}" if value["allowed"] else "all"
            branch.add(f"[dim]{name}[/] {value['action']} {others}")


def _conditions(branch: Tree, manifest: Manifest) -> None:
    for one in manifest.get("status", {}).get("conditions") or ():
        message = f": {escape(one['message'])}" if one.get("message") else ""
        branch.add(f"{one['type']} {one['status']} [dim]{escape(one.get('reason', ''))}[/]{message}")
    if not branch.children:
        branch.add("[dim]none: no operator has seen it yet; see dharma doctor[/]")
