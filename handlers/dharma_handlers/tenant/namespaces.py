"""One namespace for each project: made, taken over only when nobody owns it, released or deleted when its project goes."""

from collections.abc import Mapping
from dataclasses import dataclass

from dharma_crds import API_VERSION
from dharma_crds.tenant import Project, Tenant
from dharma_handlers import labels
from dharma_handlers.outcome import RETAIN_ANNOTATION, Manifest
from dharma_handlers.tenant.observed import TenantObserved

ADOPT = "dharma.io/adopt"
"""Annotation by which the owner of a namespace hands it to the Tenant that it names."""
_LONGEST = 63
_SECURITY = "pod-security.kubernetes.io/"


@dataclass(frozen=True, slots=True)
class Placement:
    """A project and its namespace."""

    project: str
    namespace: str
    live: Manifest | None = None
    manifest: Manifest | None = None
    """As wanted; None: it is refused."""
    message: str = ""
    """Why it is refused, or what it waits for."""
    waiting: bool = False
    """It is being deleted: nothing can be made in it."""

    @property
    def exists(self) -> bool:
        """Whether objects can be made in it now."""
        return self.manifest is not None and self.live is not None and not self.waiting


def namespace_of(tenant: Tenant, project: Project) -> str:
    """Name the namespace of a project."""
    return project.namespace or f"{tenant.name}-{project.name}"


def placements(tenant: Tenant, observed: TenantObserved) -> tuple[Placement, ...]:
    """Decide about the namespace of each project, in the order of the spec."""
    return tuple(_place(tenant, project, observed) for project in tenant.spec.projects)


def removed(tenant: Tenant, observed: TenantObserved) -> tuple[Manifest, ...]:
    """Return the live namespaces that are this Tenant's and belong to no project of it any more."""
    wanted = {namespace_of(tenant, project) for project in tenant.spec.projects}
    return tuple(
        live
        for name, live in sorted(observed.namespaces.items())
        if name not in wanted
        and name not in observed.taken
        and (_labels(live).get(labels.TENANT) == tenant.name or _recorded(live, observed))
    )


def released(live: Manifest) -> Manifest:
    """Return what stays ours of a namespace that is let go: nothing but its Pod Security level, which must not become weaker by it.

    Applied as our field manager, it takes away every other label and annotation of ours, and the owner reference.
    """
    kept = {name: value for name, value in sorted(_labels(live).items()) if name.startswith(_SECURITY)}
    metadata: Manifest = {"name": live["metadata"]["name"]}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {**metadata, "labels": kept} if kept else metadata}


def hangs_on(live: Manifest) -> str | None:
    """Say what a namespace that is being deleted waits for. None: it is not being deleted."""
    if "deletionTimestamp" not in live["metadata"]:
        return None
    told = [one.get("message", "") for one in (live.get("status") or {}).get("conditions") or () if one.get("status") == "True"]
    reasons = "; ".join(text for text in told if text)
    return f"namespace {live['metadata']['name']} is being deleted" + (f" and waits: {reasons}" if reasons else "")


def _place(tenant: Tenant, project: Project, observed: TenantObserved) -> Placement:
    name = namespace_of(tenant, project)
    live = observed.namespaces.get(name)
    refusal = _misnamed(name, observed) or _held(tenant, name, live, observed)
    if refusal:
        return Placement(project.name, name, message=f"project {project.name}: {refusal}")
    hanging = hangs_on(live) if live is not None else None
    return Placement(project.name, name, live, _manifest(tenant, project, name), hanging or "", hanging is not None)


def _misnamed(name: str, observed: TenantObserved) -> str:
    if len(name) > _LONGEST:
        return f"its namespace would be called {name}, longer than {_LONGEST} characters; shorten a name or set namespace"
    if name == "default" or name.startswith("kube-") or name == observed.operator_namespace:
        return f"namespace {name} is reserved; set another namespace"
    return ""


def _recorded(live: Manifest, observed: TenantObserved) -> bool:
    """Whether this very namespace was the Tenant's before: then no label that somebody has put on it since gives it to another."""
    metadata = live["metadata"]
    return bool(metadata.get("uid")) and observed.recorded.get(metadata["name"]) == metadata["uid"]


def _held(tenant: Tenant, name: str, live: Manifest | None, observed: TenantObserved) -> str:
    """Say who owns the namespace. Empty: this Tenant, or nobody."""
    if live is not None and _recorded(live, observed):
        return ""
    found = {} if live is None else _labels(live)
    other = found.get(labels.TENANT, tenant.name)
    if other == tenant.name:
        other = observed.claims.get(name, tenant.name)
    if other != tenant.name:
        return f"namespace {name} belongs to Tenant {other}; set another namespace"
    if live is None:
        return ""
    controller = next((one for one in live["metadata"].get("ownerReferences") or () if one.get("controller")), None)
    if controller is not None and controller.get("uid") != tenant.metadata.uid:
        # Not even an annotation helps: an object has one controller, and goes when that one goes.
        return f"namespace {name} is controlled by {controller['kind']} {controller['name']}; set another namespace"
    manager = found.get(labels.MANAGED_BY, labels.MANAGER)
    agreed = (live["metadata"].get("annotations") or {}).get(ADOPT) == tenant.name
    if labels.TENANT not in found and manager != labels.MANAGER and not agreed:
        return (
            f"namespace {name} is managed by {manager}; annotate it with {ADOPT}: {tenant.name} to hand it over, or set another namespace"
        )
    return ""


def _manifest(tenant: Tenant, project: Project, name: str) -> Manifest:
    level = tenant.spec.pod_security.lower()
    security = {
        f"{_SECURITY}{mode}{suffix}": value
        for mode in ("enforce", "warn", "audit")
        for suffix, value in (("", level), ("-version", "latest"))
    }
    own = {labels.MANAGED_BY: labels.MANAGER, labels.TENANT: tenant.name, labels.PROJECT: project.name}
    metadata: Manifest = {"name": name, "labels": {**project.labels, **security, **own}}
    if tenant.spec.deletion_policy == "Retain":
        # The applier then gives it no owner reference: Kubernetes does not delete it after the Tenant.
        metadata["annotations"] = {RETAIN_ANNOTATION: "true"}
    else:
        metadata["ownerReferences"] = [_owner(tenant)]
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def _owner(tenant: Tenant) -> Manifest:
    """Build a reference that makes a foreground deletion of the Tenant wait for the namespace, and its status say what that hangs on."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Tenant",
        "name": tenant.name,
        "uid": tenant.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _labels(live: Manifest) -> Mapping[str, str]:
    found: Mapping[str, str] = live["metadata"].get("labels") or {}
    return found
