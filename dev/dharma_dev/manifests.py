"""What every cluster has in it: DNS, the metrics API, the default storage class. Pure data."""

from dataclasses import dataclass
from typing import Any

from dharma_dev import configs, paths

SYSTEM = "kube-system"
DNS_LABELS = {"k8s-app": "kube-dns"}
METRICS_LABELS = {"k8s-app": "metrics-server"}
METRICS_PORT = 10250
PROVISIONER = "dev.dharma.io/xfs"
NOBODY = 65534


@dataclass(frozen=True)
class Manifest:
    """An object and the API path it is applied to."""

    path: str
    content: dict[str, Any]


def manifest(
    api_version: str, kind: str, name: str, content: dict[str, Any], *, namespace: str = "", labels: dict[str, str] | None = None
) -> Manifest:
    """One object with its path. The plural is the regular one of English, as Kubernetes' own kinds have it."""
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    lower = kind.lower()
    plural = f"{lower}es" if lower.endswith("s") else f"{lower}s"
    scope = f"/namespaces/{namespace}" if namespace else ""
    metadata: dict[str, Any] = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    extra: dict[str, Any] = content.get("metadata", {})
    all_labels = {"app.kubernetes.io/part-of": "iac-dharma-dev", **(labels or {}), **extra.get("labels", {})}
    whole = {**content, "apiVersion": api_version, "kind": kind, "metadata": {**metadata, **extra, "labels": all_labels}}
    return Manifest(f"{root}{scope}/{plural}/{name}", whole)


def access(name: str, role: str, subject: dict[str, str]) -> Manifest:
    """Bind a cluster role to somebody in the whole cluster."""
    group = "rbac.authorization.k8s.io"
    content = {"roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role}, "subjects": [subject]}
    return manifest(f"{group}/v1", "ClusterRoleBinding", name, content)


def service_account(name: str) -> dict[str, str]:
    """Return the subject of a service account in kube-system."""
    return {"kind": "ServiceAccount", "name": name, "namespace": SYSTEM}


def role(name: str, rules: list[dict[str, Any]]) -> Manifest:
    """Return a cluster role."""
    return manifest("rbac.authorization.k8s.io/v1", "ClusterRole", name, {"rules": rules})


def container_security(capabilities: list[str] | None = None) -> dict[str, Any]:
    """Return what Pod Security's `restricted` asks for, and a read-only root."""
    drop: dict[str, Any] = {"drop": ["ALL"]}
    if capabilities:
        drop["add"] = capabilities
    return {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": drop}


def deployment(name: str, labels: dict[str, str], container: dict[str, Any], volumes: list[dict[str, Any]]) -> Manifest:
    """One pod of a system component, replaced at once when it changes."""
    pod = {
        "serviceAccountName": name,
        "priorityClassName": "system-cluster-critical",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": NOBODY,
            "runAsGroup": NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [{"name": name, "imagePullPolicy": "Never", **container}],
        "volumes": volumes,
        "terminationGracePeriodSeconds": 5,
    }
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    return manifest("apps/v1", "Deployment", name, {"spec": spec}, namespace=SYSTEM, labels=labels)


def probe(path: str, port: int, *, scheme: str = "HTTP", period: int = 2) -> dict[str, Any]:
    """Return an HTTP probe; `period` in seconds."""
    return {"httpGet": {"path": path, "port": port, "scheme": scheme}, "periodSeconds": period, "failureThreshold": 5}


def dns(image: str) -> list[Manifest]:
    """CoreDNS as the pods that NetworkPolicies of real clusters select (`k8s-app: kube-dns`)."""
    reading = [
        {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    container = {
        "image": image,
        "args": ["-conf", "/etc/coredns/Corefile"],
        "ports": [
            {"name": "dns", "containerPort": 53, "protocol": "UDP"},
            {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"},
        ],
        "readinessProbe": probe("/ready", 8181, period=1),
        "livenessProbe": probe("/health", 8080, period=10),
        "resources": {"requests": {"cpu": "20m", "memory": "40Mi"}, "limits": {"memory": "200Mi"}},
        "securityContext": container_security(["NET_BIND_SERVICE"]),
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
    }
    ports = [
        {"name": "dns", "port": 53, "targetPort": "dns", "protocol": "UDP"},
        {"name": "dns-tcp", "port": 53, "targetPort": "dns-tcp", "protocol": "TCP"},
    ]
    return [
        manifest("v1", "ServiceAccount", "coredns", {}, namespace=SYSTEM),
        role("system:coredns", reading),
        access("system:coredns", "system:coredns", service_account("coredns")),
        manifest("v1", "ConfigMap", "coredns", {"data": {"Corefile": configs.COREFILE}}, namespace=SYSTEM),
        manifest(
            "v1",
            "Service",
            "kube-dns",
            {"spec": {"clusterIP": paths.DNS_SERVICE_ADDRESS, "selector": DNS_LABELS, "ports": ports}},
            namespace=SYSTEM,
            labels={**DNS_LABELS, "kubernetes.io/name": "CoreDNS"},
        ),
        deployment("coredns", DNS_LABELS, container, [{"name": "config", "configMap": {"name": "coredns"}}]),
    ]


def metrics(image: str) -> list[Manifest]:
    """metrics-server and its place in the API (`metrics.k8s.io`), for `kubectl top` and autoscaling."""
    reading = [
        {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]},
    ]
    account = service_account("metrics-server")
    container = {
        "image": image,
        "args": [
            "--cert-dir=/tmp",
            f"--secure-port={METRICS_PORT}",
            "--kubelet-preferred-address-types=InternalIP",
            "--kubelet-certificate-authority=/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
            "--metric-resolution=10s",
            # It must be less than the resolution.
            "--kubelet-request-timeout=5s",
        ],
        "ports": [{"name": "https", "containerPort": METRICS_PORT}],
        "readinessProbe": probe("/readyz", METRICS_PORT, scheme="HTTPS"),
        "livenessProbe": probe("/livez", METRICS_PORT, scheme="HTTPS", period=10),
        "resources": {"requests": {"cpu": "20m", "memory": "50Mi"}, "limits": {"memory": "300Mi"}},
        "securityContext": container_security(),
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - a path in the container
    }
    api_service = {
        "spec": {
            "group": "metrics.k8s.io",
            "version": "v1beta1",
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            # metrics-server makes its own certificate at each start.
            "insecureSkipTLSVerify": True,
            "service": {"name": "metrics-server", "namespace": SYSTEM, "port": 443},
        }
    }
    group = "rbac.authorization.k8s.io"
    reader_ref = {"apiGroup": group, "kind": "Role", "name": "extension-apiserver-authentication-reader"}
    aggregated = {
        "metadata": {"labels": {f"{group}/aggregate-to-{name}": "true" for name in ("admin", "edit", "view")}},
        "rules": [{"apiGroups": ["metrics.k8s.io"], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]}],
    }
    return [
        manifest("v1", "ServiceAccount", "metrics-server", {}, namespace=SYSTEM),
        role("system:metrics-server", reading),
        manifest(f"{group}/v1", "ClusterRole", "system:aggregated-metrics-reader", aggregated),
        access("system:metrics-server", "system:metrics-server", account),
        access("metrics-server:system:auth-delegator", "system:auth-delegator", account),
        manifest(
            f"{group}/v1", "RoleBinding", "metrics-server-auth-reader", {"roleRef": reader_ref, "subjects": [account]}, namespace=SYSTEM
        ),
        manifest(
            "v1",
            "Service",
            "metrics-server",
            {"spec": {"selector": METRICS_LABELS, "ports": [{"name": "https", "port": 443, "targetPort": "https"}]}},
            namespace=SYSTEM,
        ),
        deployment("metrics-server", METRICS_LABELS, container, [{"name": "tmp", "emptyDir": {}}]),
        manifest("apiregistration.k8s.io/v1", "APIService", "v1beta1.metrics.k8s.io", api_service),
    ]


def storage() -> list[Manifest]:
    """Return the default storage class: volumes of an enforced size that grow online, made by the agent."""
    content = {
        "metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": PROVISIONER,
        "allowVolumeExpansion": True,
        "reclaimPolicy": "Delete",
        # With WaitForFirstConsumer the scheduler would look for the volume once a second, and every pod with a claim start a second later.
        "volumeBindingMode": "Immediate",
    }
    agent = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "dev.dharma.io:agent"}
    return [
        manifest("storage.k8s.io/v1", "StorageClass", "standard", content),
        access("dev.dharma.io:agent", "cluster-admin", agent),
    ]


def addons(coredns_image: str, metrics_image: str) -> list[Manifest]:
    """Everything, in the order in which it is applied."""
    return [*storage(), *dns(coredns_image), *metrics(metrics_image)]
