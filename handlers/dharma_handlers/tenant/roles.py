"""RoleBindings: members get one of three fixed ClusterRoles in the namespaces of their projects, until their time is over."""

from datetime import datetime

from dharma_crds.tenant import Member, Tenant
from dharma_handlers import labels
from dharma_handlers.outcome import Manifest

_GROUP = "rbac.authorization.k8s.io"
_ROLES = ("Admin", "Editor", "Viewer")


def bindings(tenant: Tenant, project: str, namespace: str, now: datetime) -> list[Manifest]:
    """Build the RoleBindings of a project's namespace, one for each role that somebody has there."""
    built: list[Manifest] = []
    for role in _ROLES:
        present = [one for one in tenant.spec.members if one.role == role and _works(one, project, now)]
        if present:
            built.append(_binding(tenant, role.lower(), namespace, present))
    return built


def next_expiry(tenant: Tenant, now: datetime) -> float | None:
    """Return the seconds until the next member's rights end. None: nobody's do."""
    ends = [one.expires_at for one in tenant.spec.members if one.expires_at is not None and one.expires_at > now]
    return (min(ends) - now).total_seconds() if ends else None


def _works(member: Member, project: str, now: datetime) -> bool:
    current = member.expires_at is None or member.expires_at > now
    return current and (not member.projects or project in member.projects)


def _binding(tenant: Tenant, role: str, namespace: str, members: list[Member]) -> Manifest:
    ordered = sorted(members, key=lambda one: (one.kind, one.namespace or "", one.name))
    own = {labels.MANAGED_BY: labels.MANAGER, labels.TENANT: tenant.name}
    return {
        "apiVersion": f"{_GROUP}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"dharma-{role}", "namespace": namespace, "labels": own},
        "roleRef": {"apiGroup": _GROUP, "kind": "ClusterRole", "name": f"dharma-tenant-{role}"},
        "subjects": [_subject(one) for one in ordered],
    }


def _subject(member: Member) -> Manifest:
    if member.kind == "ServiceAccount":
        return {"kind": member.kind, "name": member.name, "namespace": member.namespace}
    return {"apiGroup": _GROUP, "kind": member.kind, "name": member.name}
