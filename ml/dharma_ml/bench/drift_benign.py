"""Changes that are none: spellings, order, defaults, bookkeeping, and controllers at their own fields."""

from typing import Any, Final

from dharma_ml.bench.drift_mutations import _C, _ISTIO, PODS, Mutation  # pyright: ignore[reportPrivateUsage]

_HPA, _KCM, _API = "horizontal-pod-autoscaler", "kube-controller-manager", "kube-apiserver"


def _reverse(old: Any) -> Any:
    return list(reversed(old)) if old and len(old) > 1 else None


def _milli(old: Any) -> Any:
    return f"{int(old) * 1000}m" if str(old).isdigit() else f"{int(old[:-1]) / 1000:g}" if str(old).endswith("m") else None


def _kibi(old: Any) -> Any:
    return f"{int(old[:-2]) * 1024}Ki" if str(old).endswith("Mi") else None


def _rows(*rows: tuple[str, str, str, Any, str]) -> tuple[Mutation, ...]:
    return tuple(Mutation(name, "benign", *rest) for name, *rest in rows)


BENIGN: Final = _rows(
    ("CPU spelt otherwise", PODS, f"{_C}.resources.requests.cpu", _milli, _API),
    ("memory spelt otherwise", PODS, f"{_C}.resources.limits.memory", _kibi, _API),
    ("environment reordered", "Deployment", f"{_C}.env", _reverse, "kubectl-edit"),
    ("volumes reordered", "Deployment", "{pod}.volumes", _reverse, "kubectl-edit"),
    ("keys reordered", "Service", "spec.selector", lambda old: dict(reversed(old.items())) if old else None, "kubectl-edit"),
    ("verbs reordered", "Role", "rules", lambda old: [{**old[0], "verbs": old[0]["verbs"][::-1]}, *old[1:]], "kubectl-edit"),
    ("default: DNS policy", PODS, "{pod}.dnsPolicy", "ClusterFirst", _API),
    ("default: scheduler", PODS, "{pod}.schedulerName", "default-scheduler", _API),
    ("default: restart policy", PODS, "{pod}.restartPolicy", "Always", _API),
    ("default: termination message", PODS, f"{_C}.terminationMessagePath", "/dev/termination-log", _API),
    ("default: progress deadline", "Deployment", "spec.progressDeadlineSeconds", 600, _API),
    ("default: probe timeout", "Deployment", f"{_C}.livenessProbe.timeoutSeconds", 1, _API),
    ("default: session affinity", "Service", "spec.sessionAffinity", "None", _API),
    ("default: traffic policy", "Service", "spec.internalTrafficPolicy", "Cluster", _API),
    ("assigned: cluster IP", "Service", "spec.clusterIP", "10.96.4.20", _API),
    ("assigned: volume", "PersistentVolumeClaim", "spec.volumeName", "pvc-1b2c", _KCM),
    ("default: volume mode", "PersistentVolumeClaim", "spec.volumeMode", "Filesystem", _API),
    ("default: suspended", "CronJob", "spec.suspend", False, _API),
    ("replicas by the autoscaler", "Deployment", "spec.replicas", lambda old: old + 1, _HPA),
    ("sidecar by its injector", "Deployment", "{pod}.containers[istio-proxy]", _ISTIO, "istio-sidecar-injector"),
    ("CA by its injector", "ValidatingWebhookConfiguration", "webhooks[check.example.com].clientConfig.caBundle", "TkVX", "cert-manager-cainjector"),
    ("requests by the VPA", "Deployment", f"{_C}.resources.requests.memory", "300Mi", "vpa-admission-controller"),
    ("bookkeeping: revision", "Deployment", "metadata.annotations[deployment.kubernetes.io/revision]", "4", _KCM),
    ("bookkeeping: last applied", "Service", "metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]", "{}", "kubectl"),
    ("status", "Deployment", "status", {"readyReplicas": 2, "conditions": [{"type": "Available", "status": "True"}]}, _KCM),
    ("resource version", "ConfigMap", "metadata.resourceVersion", "81231", _API),
    ("protecting finalizer", "PersistentVolumeClaim", "metadata.finalizers", ["kubernetes.io/pvc-protection"], _KCM),
    ("namespace's own label", "Namespace", "metadata.labels[kubernetes.io/metadata.name]", "shop", _API),
)  # fmt: skip
