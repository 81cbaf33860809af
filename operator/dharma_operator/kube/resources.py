"""Names of the API's resources: which group, version and plural a kind has, and how one object of it is named."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dharma_crds import GROUP, VERSION

FIELD_MANAGER = "iac-dharma"
"""Owner of all fields that the operator sets by server-side apply."""

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "iac-dharma"
"""Value of `MANAGED_BY_LABEL` on every child: the operator watches children by it alone."""


@dataclass(frozen=True, slots=True, order=True)
class Resource:
    """One kind of object of the API, in one version."""

    group: str
    """Empty for the core group."""
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """`group/version`, or the version alone for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """URL path of the collection, of one object, or of its subresource. Without a namespace: the collection over all of them."""
        parts = [f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"]
        if namespace and self.namespaced:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/".join(parts)

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """The name of one object. It says nothing of the object's life: that is its uid."""

    resource: Resource
    namespace: str | None
    """None for objects of cluster scope."""
    name: str

    def path(self, subresource: str | None = None) -> str:
        """URL path of the object."""
        return self.resource.path(self.namespace, self.name, subresource)

    @property
    def short(self) -> str:
        """`StatefulSet/shop-db`: as status and events name a child, whose namespace is known."""
        return f"{self.resource.kind}/{self.name}"

    def __str__(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.resource.kind} {where}{self.name}"


TENANT = Resource(GROUP, VERSION, "tenants", "Tenant", namespaced=False)
BLUEPRINT = Resource(GROUP, VERSION, "blueprints", "Blueprint")
DHARMA_DEPLOYMENT = Resource(GROUP, VERSION, "deployments", "Deployment")
BACKUP = Resource(GROUP, VERSION, "backups", "Backup")
OWNERS = (TENANT, BLUEPRINT, DHARMA_DEPLOYMENT, BACKUP)
"""The kinds that users write."""

CONFIG_MAP = Resource("", "v1", "configmaps", "ConfigMap")
ENDPOINTS = Resource("", "v1", "endpoints", "Endpoints")
EVENT = Resource("events.k8s.io", "v1", "events", "Event")
LIMIT_RANGE = Resource("", "v1", "limitranges", "LimitRange")
NAMESPACE = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
NODE = Resource("", "v1", "nodes", "Node", namespaced=False)
PERSISTENT_VOLUME = Resource("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False)
PERSISTENT_VOLUME_CLAIM = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
POD = Resource("", "v1", "pods", "Pod")
RESOURCE_QUOTA = Resource("", "v1", "resourcequotas", "ResourceQuota")
SECRET = Resource("", "v1", "secrets", "Secret")
SERVICE = Resource("", "v1", "services", "Service")
SERVICE_ACCOUNT = Resource("", "v1", "serviceaccounts", "ServiceAccount")
CONTROLLER_REVISION = Resource("apps", "v1", "controllerrevisions", "ControllerRevision")
DEPLOYMENT = Resource("apps", "v1", "deployments", "Deployment")
REPLICA_SET = Resource("apps", "v1", "replicasets", "ReplicaSet")
STATEFUL_SET = Resource("apps", "v1", "statefulsets", "StatefulSet")
HORIZONTAL_POD_AUTOSCALER = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
CRON_JOB = Resource("batch", "v1", "cronjobs", "CronJob")
JOB = Resource("batch", "v1", "jobs", "Job")
LEASE = Resource("coordination.k8s.io", "v1", "leases", "Lease")
ENDPOINT_SLICE = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
NETWORK_POLICY = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
POD_DISRUPTION_BUDGET = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
CLUSTER_ROLE = Resource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False)
CLUSTER_ROLE_BINDING = Resource("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False)
ROLE = Resource("rbac.authorization.k8s.io", "v1", "roles", "Role")
ROLE_BINDING = Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding")
STORAGE_CLASS = Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False)
CUSTOM_RESOURCE_DEFINITION = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)

_REGISTRY: Mapping[tuple[str, str], Resource] = {
    (value.api_version, value.kind): value for value in tuple(globals().values()) if isinstance(value, Resource)
}


def resource_of(manifest: Mapping[str, Any]) -> Resource:
    """Return the resource of an object by its `apiVersion` and `kind`.

    Raises LookupError for a kind that the operator does not know: such a manifest is a bug of the handler that made it.
    """
    api_version, kind = str(manifest.get("apiVersion")), str(manifest.get("kind"))
    try:
        return _REGISTRY[api_version, kind]
    except KeyError:
        raise LookupError(f"apiVersion {api_version}, kind {kind} is not known: add it to dharma_operator.kube.resources") from None


def owner_label(kind: str) -> str:
    """Label by which a child names its owner of that kind: `dharma.io/blueprint`."""
    return f"{GROUP}/{kind.lower()}"


def key_of(manifest: Mapping[str, Any], resource: Resource | None = None) -> ObjectKey:
    """Return the key of an object. `resource` spares the look-up, and is needed for items of a list, which carry no kind."""
    resource = resource or resource_of(manifest)
    metadata = manifest["metadata"]
    return ObjectKey(resource, metadata.get("namespace") if resource.namespaced else None, metadata["name"])
