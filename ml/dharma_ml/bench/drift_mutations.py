"""What the drift benchmark does to objects, and how each is labelled.

Written from what the Pod Security Standards, the scanners Kubescape and Polaris, and Argo CD's and Flux's pages on drift speak of; not from
the rules of the ranking. A path may hold `{pod}` (the pod's spec), `{tpl}` (the pod template) and `{c}` (the first container's name).
A value may be made from the old one.
"""

# pyright: basic
# Manifests are what JSON can hold; naming that at each step would hide what is done.

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

Make = Callable[[Any], Any]

PODS: Final = "Deployment StatefulSet DaemonSet"
PERSON: Final = ("kubectl-edit", "kubectl-patch", "kubectl-client-side-apply", "dashboard")


@dataclass(frozen=True)
class Mutation:
    """One kind of change."""

    name: str
    label: str
    kinds: str
    path: str
    value: Any
    """What is there afterwards, or a function of what was; REMOVE takes it away."""
    manager: str = ""
    """Empty: one of PERSON."""


REMOVE: Final = object()


def _plus(item: Any) -> Make:
    return lambda old: [*(old or []), item]


def _without(item: Any) -> Make:
    return lambda old: [one for one in old if one != item] if old and item in old else None


def _times(factor: float) -> Make:
    def make(old: Any) -> Any:
        digits = "".join(char for char in str(old) if char.isdigit() or char == ".")
        if not digits:
            return None
        value = max(1, round(float(digits) * factor))
        return value if isinstance(old, int) else f"{value}{str(old)[len(digits) :]}"

    return make


def _tag(new: str) -> Make:
    return lambda old: f"{old.rpartition(':')[0]}{new}" if old and ":" in old else None


def _set(**changes: Any) -> Make:
    return lambda old: {**old, **changes} if isinstance(old, dict) else None


def _first(change: Make) -> Make:
    return lambda old: [change(old[0]), *old[1:]] if old else None


def _of(label: str, *rows: tuple[str, str, str, Any]) -> tuple[Mutation, ...]:
    return tuple(Mutation(name, label, kinds, path, value) for name, kinds, path, value in rows)


_C = "{pod}.containers[{c}]"
_SIDECAR = {"name": "debug", "image": "docker.io/library/busybox:1.36", "command": ["sleep", "1d"]}
_ISTIO = {"name": "istio-proxy", "image": "registry.example.com/istio/proxyv2:1.24.1", "ports": [{"containerPort": 15090}]}
_ANYONE = {"kind": "Group", "name": "system:authenticated", "apiGroup": "rbac.authorization.k8s.io"}

SECURITY: Final = _of(
    "security",
    ("privileged", PODS, f"{_C}.securityContext.privileged", True),
    ("host network", "Deployment StatefulSet", "{pod}.hostNetwork", True),
    ("host PID", PODS, "{pod}.hostPID", True),
    ("host path volume", "Deployment StatefulSet", "{pod}.volumes[host]", {"name": "host", "hostPath": {"path": "/"}}),
    ("container runtime socket", PODS, "{pod}.volumes[sock]", {"name": "sock", "hostPath": {"path": "/run/containerd/containerd.sock"}}),
    ("capability SYS_ADMIN", PODS, f"{_C}.securityContext.capabilities.add", _plus("SYS_ADMIN")),
    ("capabilities no longer dropped", PODS, f"{_C}.securityContext.capabilities.drop", REMOVE),
    ("privilege escalation", PODS, f"{_C}.securityContext.allowPrivilegeEscalation", True),
    ("may run as root", PODS, "{pod}.securityContext.runAsNonRoot", REMOVE),
    ("runs as root", PODS, f"{_C}.securityContext.runAsUser", 0),
    ("writable root file system", PODS, f"{_C}.securityContext.readOnlyRootFilesystem", False),
    ("seccomp unconfined", PODS, "{pod}.securityContext.seccompProfile", {"type": "Unconfined"}),
    ("whole security context removed", PODS, f"{_C}.securityContext", REMOVE),
    ("unmasked proc", PODS, f"{_C}.securityContext.procMount", "Unmasked"),
    ("unsafe sysctl", PODS, "{pod}.securityContext.sysctls", _plus({"name": "kernel.msgmax", "value": "65536"})),
    ("host port", PODS, f"{_C}.ports[extra]", {"name": "extra", "containerPort": 9000, "hostPort": 9000}),
    ("token mounted", "Deployment StatefulSet", "{pod}.automountServiceAccountToken", True),
    ("another service account", PODS, "{pod}.serviceAccountName", "cluster-admin"),
    ("image from elsewhere", PODS, f"{_C}.image", "docker.io/attacker/app:1"),
    ("container added", "Deployment StatefulSet", "{pod}.containers[debug]", _SIDECAR),
    ("password in plain sight", PODS, f"{_C}.env[DATABASE_PASSWORD]", {"name": "DATABASE_PASSWORD", "value": "hunter2"}),
    ("TLS off by environment", "Deployment", f"{_C}.env[DATABASE_TLS].value", "disable"),
    ("authentication off by argument", "Deployment", f"{_C}.args", _plus("--anonymous-auth=true")),
    ("TLS off in configuration", "ConfigMap", "data[app.yaml]", "tls: disabled\npool: 20\n"),
    ("names of hosts rewritten", PODS, "{pod}.hostAliases", [{"ip": "203.0.113.9", "hostnames": ["auth.example.com"]}]),
    ("role: every verb", "Role ClusterRole", "rules", _first(_set(verbs=["*"]))),
    ("role: secrets", "Role ClusterRole", "rules", _plus({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]})),
    (
        "role: exec into pods",
        "Role",
        "rules",
        _first(lambda old: {**old, "resources": ["pods/exec"], "verbs": ["create"]}),
    ),
    ("binding: everybody", "RoleBinding ClusterRoleBinding", "subjects", _plus(_ANYONE)),
    ("binding: cluster-admin", "ClusterRoleBinding RoleBinding", "roleRef", _set(kind="ClusterRole", name="cluster-admin")),
    ("policy: open to the world", "NetworkPolicy", "spec.ingress", _plus({"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]})),
    ("policy: empty peer", "NetworkPolicy", "spec.ingress", _plus({})),
    ("policy: egress not limited", "NetworkPolicy", "spec.policyTypes", _without("Egress")),
    ("policy: other pods", "NetworkPolicy", "spec.podSelector", {"matchLabels": {"nobody": "here"}}),
    ("policy deleted", "NetworkPolicy", "", REMOVE),
    ("service to the world", "Service", "spec.type", "LoadBalancer"),
    ("service: external IP", "Service", "spec.externalIPs", ["203.0.113.9"]),
    ("ingress without TLS", "Ingress", "spec.tls", REMOVE),
    ("ingress without authentication", "Ingress", "metadata.annotations[nginx.ingress.kubernetes.io/auth-url]", REMOVE),
    ("webhook ignores failure", "ValidatingWebhookConfiguration", "webhooks[check.example.com].failurePolicy", "Ignore"),
    ("webhook goes elsewhere", "ValidatingWebhookConfiguration", "webhooks[check.example.com].clientConfig.service.name", "other"),
    ("pod security relaxed", "Namespace", "metadata.labels[pod-security.kubernetes.io/enforce]", "privileged"),
    ("secret replaced", "Secret", "data[password]", "ZXZpbA=="),
    ("cloud identity", "ServiceAccount", "metadata.annotations[eks.amazonaws.com/role-arn]", "arn:aws:iam::1:role/admin"),
)
AVAILABILITY: Final = _of(
    "availability",
    ("no replicas", "Deployment StatefulSet", "spec.replicas", 0),
    ("fewer replicas", "Deployment StatefulSet", "spec.replicas", lambda old: old - 1 if old and old > 1 else None),
    ("readiness probe removed", PODS, f"{_C}.readinessProbe", REMOVE),
    ("liveness probe removed", PODS, f"{_C}.livenessProbe", REMOVE),
    ("probe asks another path", "Deployment", f"{_C}.readinessProbe.httpGet.path", "/"),
    ("all pods at once", "Deployment", "spec.strategy", {"type": "Recreate"}),
    ("disruption budget emptied", "PodDisruptionBudget", "spec", lambda old: {"selector": old["selector"], "maxUnavailable": "100%"}),
    ("autoscaler cannot grow", "HorizontalPodAutoscaler", "spec.maxReplicas", _times(0.34)),
    ("memory limit halved", PODS, f"{_C}.resources.limits.memory", _times(0.5)),
    ("requests removed", PODS, f"{_C}.resources.requests", REMOVE),
    ("unscheduled: node selector", PODS, "{pod}.nodeSelector", {"disk": "nvme"}),
    ("spread removed", "Deployment", "{pod}.topologySpreadConstraints", REMOVE),
    ("service selects others", "Service", "spec.selector", lambda old: {**old, "version": "2"} if old else None),
    ("service port changed", "Service", "spec.ports", _first(_set(port=8081))),
    ("ingress to another service", "Ingress", "spec.rules", _first(lambda old: {**old, "http": {"paths": []}})),
    ("image version", PODS, f"{_C}.image", _tag(":9.9.9")),
    ("image latest", PODS, f"{_C}.image", _tag(":latest")),
    ("environment variable removed", "Deployment", f"{_C}.env[LOG_LEVEL]", REMOVE),
    ("arguments removed", "Deployment", f"{_C}.args", REMOVE),
    ("volume mount moved", "Deployment", f"{_C}.volumeMounts[/etc/app].mountPath", "/etc/other"),
    ("job suspended", "CronJob", "spec.suspend", True),
    ("schedule changed", "CronJob", "spec.schedule", "0 0 1 1 *"),
    ("configuration changed", "ConfigMap", "data[GREETING]", "bye"),
    ("grace period cut", "Deployment StatefulSet", "{pod}.terminationGracePeriodSeconds", 1),
)
COST: Final = _of(
    "cost",
    ("many replicas", "Deployment StatefulSet", "spec.replicas", _times(5)),
    ("CPU request tripled", PODS, f"{_C}.resources.requests.cpu", _times(3)),
    ("memory request tripled", PODS, f"{_C}.resources.requests.memory", _times(3)),
    ("autoscaler grows further", "HorizontalPodAutoscaler", "spec.maxReplicas", _times(4)),
    ("autoscaler never below", "HorizontalPodAutoscaler", "spec.minReplicas", _times(3)),
    ("larger volume", "PersistentVolumeClaim", "spec.resources.requests.storage", _times(10)),
    ("quota raised", "ResourceQuota", "spec.hard[requests.cpu]", _times(4)),
    ("a GPU", "Deployment", f"{_C}.resources.limits[nvidia.com/gpu]", 1),
)
COSMETIC: Final = _of(
    "cosmetic",
    ("label", "Deployment Service ConfigMap Role", "metadata.labels[note]", "mine"),
    ("annotation", "Deployment Service Ingress Secret", "metadata.annotations[owner]", "me@example.com"),
    ("label of the template", PODS, "{tpl}.metadata.labels[note]", "mine"),
    ("annotation of the template", PODS, "{tpl}.metadata.annotations[note]", "checked"),
    ("history kept", "Deployment", "spec.revisionHistoryLimit", 3),
    ("job history kept", "CronJob", "spec.failedJobsHistoryLimit", 5),
    ("termination message", "Deployment", f"{_C}.terminationMessagePolicy", "FallbackToLogsOnError"),
)
