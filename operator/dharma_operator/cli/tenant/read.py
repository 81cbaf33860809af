"""What is read of a Tenant: the object, its namespaces, their ResourceQuotas, and people's objects in them."""

from collections.abc import Iterable

from pydantic import ValidationError

from dharma_crds.kinds import BACKUP, BLUEPRINT, DEPLOYMENT, Kind
from dharma_crds.tenant import Tenant
from dharma_handlers import labels
from dharma_handlers.tenant.quota_state import NAME, QuotaObserved, observed_from
from dharma_operator.cli.cluster import CliError, Cluster, Manifest
from dharma_operator.cli.target import GROUP
from dharma_operator.cli.tenant.bundle import namespaces_of
from dharma_operator.store import part

TENANT_WORDS = {"dht", "tenant", "tenants", "tenants.dharma.io"}
NAMESPACES = "/api/v1/namespaces"


def tenants(cluster: Cluster) -> list[Manifest]:
    """Return all Tenants by name."""
    return sorted(cluster.list(f"{GROUP}/tenants"), key=lambda one: str(one["metadata"]["name"]))


def tenant(cluster: Cluster, target: str) -> Manifest:
    """Return the Tenant that a person named, as dht/acme or acme. Raises CliError when there is none, with those that there are."""
    kind, separator, name = target.rpartition("/")
    if separator and kind.lower() not in TENANT_WORDS:
        raise CliError(f'"{kind}" is not a Tenant; write dht/{name}.')
    found = cluster.get(f"{GROUP}/tenants/{name}")
    if found is not None:
        return found
    others = ", ".join(one["metadata"]["name"] for one in tenants(cluster)) or "none"
    raise CliError(f'There is no Tenant "{name}" (there: {others}); all: dharma tenant list')


def model(manifest: Manifest) -> Tenant:
    """Read a Tenant as a model. Raises CliError when this program is older or newer than what wrote it."""
    try:
        return Tenant.model_validate(manifest)
    except ValidationError as error:
        told = error.errors()[0]
        field = ".".join(str(part) for part in told["loc"])
        raise CliError(
            f"Tenant {manifest['metadata']['name']} cannot be read: {field}: {told['msg']}; is dharma as old as the CRDs?"
        ) from error


def own_namespaces(cluster: Cluster, manifest: Manifest) -> tuple[list[str], list[str]]:
    """Return the namespaces of the projects, and sentences about those that cannot be looked into: not there, or somebody else's."""
    name, own, missing = manifest["metadata"]["name"], list[str](), list[str]()
    for project, namespace in namespaces_of(manifest).items():
        live = cluster.get(f"{NAMESPACES}/{namespace}")
        if live is None:
            missing.append(f"project {project}: namespace {namespace} does not exist")
        elif part(live["metadata"], "labels").get(labels.TENANT) != name:
            missing.append(f"project {project}: namespace {namespace} is not labelled {labels.TENANT}={name}, so it is not this Tenant's")
        else:
            own.append(namespace)
    return own, missing


def contents(cluster: Cluster, namespaces: Iterable[str]) -> list[Manifest]:
    """Return the Blueprints, Deployments and Backups of namespaces, without those that are being deleted."""
    found: list[Manifest] = []
    for namespace in namespaces:
        for kind in (BLUEPRINT, DEPLOYMENT, BACKUP):
            listed = cluster.list(path(kind, namespace))
            found += [{**one, "kind": kind.kind} for one in listed if "deletionTimestamp" not in one["metadata"]]
    return found


def path(kind: Kind, namespace: str, name: str = "") -> str:
    """Return the path of a collection, or of one object; without a namespace for a kind of cluster scope."""
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"{GROUP}{scope}/{kind.plural}" + (f"/{name}" if name else "")


def quotas(cluster: Cluster, namespaces: Iterable[str]) -> dict[str, QuotaObserved]:
    """Return the ResourceQuotas that divide a Tenant's limits, by namespace."""
    found = {namespace: cluster.get(f"{NAMESPACES}/{namespace}/resourcequotas/{NAME}") for namespace in namespaces}
    return {namespace: observed_from(live) for namespace, live in found.items() if live is not None}
