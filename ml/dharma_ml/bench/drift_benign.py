"""Changes that are none: spellings, order, defaults, bookkeeping, and controllers at their own fields."""

# pyright: basic
# Manifests are what JSON can hold; naming that at each step would hide what is done.

from typing import Any, Final

from dharma_ml.bench.drift_mutations import _C, _ISTIO, PODS, Make, Mutation  # pyright: ignore[reportPrivateUsage]

_CA = "webhooks[check.example.com].clientConfig.caBundle"
_HPA, _KCM, _API = "horizontal-pod-autoscaler", "kube-controller-manager", "kube-apiserver"


def _reverse(old: Any) -> Any:
    return list(reversed(old)) if old and len(old) > 1 else None


def _milli(old: Any) -> Any:
    return f"{int(old) * 1000}m" if str(old).isdigit() else f"{int(old[:-1]) / 1000:g}" if str(old).endswith("m") else None


def _kibi(old: Any) -> Any:
    return f"{int(old[:-2]) * 1024}Ki" if str(old).endswith("Mi") else None


def _absent(value: Any) -> Make:
    """Fill in only where nothing was said: over another value it would be a change."""
    return lambda old: value if old is None else None


def _rows(*rows: tuple[str, str, str, Any, str]) -> tuple[Mutation, ...]:
    return tuple(Mutation(name, "benign", *rest) for name, *rest in rows)


BENIGN: Final = _rows(
    ("CPU spelt otherwise", PODS, f"{_C}.resources.requests.cpu", _milli, _API),
    ("memory spelt otherwise", PODS, f"{_C}.resources.limits.memory", _kibi, _API),
    ("environment reordered", "Deployment", f"{_C}.env", _reverse, "kubectl-edit"),
    ("volumes reordered", "Deployment", "{pod}.volumes", _reverse, "kubectl-edit"),
    ("keys reordered", "Service", "spec.selector", lambda old: dict(reversed(old.items())) if old else None, "kubectl-edit"),
    ("verbs reordered", "Role", "rules", lambda old: [{**old[0], "verbs": old[0]["verbs"][::-1]}, *old[1:]], "kubectl-edit"),
    ("default: DNS policy", PODS, "{pod}.dnsPolicy", _absent("ClusterFirst"), _API),
    ("default: scheduler", PODS, "{pod}.schedulerName", _absent("default-scheduler"), _API),
    ("default: restart policy", PODS, "{pod}.restartPolicy", _absent("Always"), _API),
    ("default: termination message", PODS, f"{_C}.terminationMessagePath", _absent("/dev/termination-log"), _API),
    ("default: progress deadline", "Deployment", "spec.progressDeadlineSeconds", _absent(600), _API),
    ("default: probe timeout", "Deployment", f"{_C}.livenessProbe.timeoutSeconds", _absent(1), _API),
    ("default: session affinity", "Service", "spec.sessionAffinity", _absent("None"), _API),
    ("default: traffic policy", "Service", "spec.internalTrafficPolicy", _absent("Cluster"), _API),
    ("assigned: cluster IP", "Service", "spec.clusterIP", _absent("10.96.4.20"), _API),
    ("assigned: volume", "PersistentVolumeClaim", "spec.volumeName", _absent("pvc-1b2c"), _KCM),
    ("default: volume mode", "PersistentVolumeClaim", "spec.volumeMode", _absent("Filesystem"), _API),
    ("default: suspended", "CronJob", "spec.suspend", _absent(value=False), _API),
    ("replicas by the autoscaler", "Deployment", "spec.replicas", lambda old: old + 1, _HPA),
    ("sidecar by its injector", "Deployment", "{pod}.containers[istio-proxy]", _ISTIO, "istio-sidecar-injector"),
    ("CA by its injector", "ValidatingWebhookConfiguration", _CA, "TkVX", "cert-manager-cainjector"),
    ("requests by the VPA", "Deployment", f"{_C}.resources.requests.memory", "300Mi", "vpa-admission-controller"),
    ("bookkeeping: revision", "Deployment", "metadata.annotations[deployment.kubernetes.io/revision]", "4", _KCM),
    ("bookkeeping: last applied", "Service", "metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]", "{}", "kubectl"),
    ("status", "Deployment", "status", {"readyReplicas": 2, "conditions": [{"type": "Available", "status": "True"}]}, _KCM),
    ("resource version", "ConfigMap", "metadata.resourceVersion", "81231", _API),
    ("protecting finalizer", "PersistentVolumeClaim", "metadata.finalizers", ["kubernetes.io/pvc-protection"], _KCM),
    ("namespace's own label", "Namespace", "metadata.labels[kubernetes.io/metadata.name]", "shop", _API),
)  # fmt: skip
