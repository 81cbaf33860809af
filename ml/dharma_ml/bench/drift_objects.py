"""A rendered fleet for the drift benchmark: what common charts make for web apps, workers, an agent and a job of several teams."""

from typing import Any, Final

import numpy as np

Manifest = dict[str, Any]

TEAMS: Final = ("shop", "billing", "search", "media", "reports")
APPS: Final = ("api", "web", "worker")
PORT: Final = 8080
_PORT: Final = {"name": "http", "port": 80, "targetPort": "http"}
_NODES: Final = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}


def fleet(seed: int = 7) -> list[Manifest]:
    """Render the objects of five teams and of the cluster; the same for the same seed."""
    random = np.random.default_rng(seed)
    made: list[Manifest] = []
    for team in TEAMS:
        made.append(_object("v1", "Namespace", team, None, {"pod-security.kubernetes.io/enforce": "restricted"}))
        made += [item for app in APPS for item in _app(team, app, random)]
        made += _team(team, random)
    return [*made, *_cluster()]


def _app(team: str, app: str, random: np.random.Generator) -> list[Manifest]:
    replicas = int(random.choice([1, 2, 3, 6]))
    memory = int(random.choice([128, 256, 512]))
    container: Manifest = {
        "name": app,
        "image": f"registry.example.com/{team}/{app}:{random.integers(1, 5)}.{random.integers(0, 20)}.{random.integers(0, 9)}",
        "imagePullPolicy": "IfNotPresent",
        "args": ["--listen=0.0.0.0:8080", "--log-level=info"],
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "env": [
            {"name": "LOG_LEVEL", "value": "info"},
            {"name": "DATABASE_TLS", "value": "require"},
            {"name": "DATABASE_PASSWORD", "valueFrom": {"secretKeyRef": {"name": f"{app}-db", "key": "password"}}},
        ],
        "resources": {
            "requests": {"cpu": f"{random.choice([50, 100, 250])}m", "memory": f"{memory}Mi"},
            "limits": {"cpu": "1", "memory": f"{memory * 2}Mi"},
        },
        "livenessProbe": {"httpGet": {"path": "/livez", "port": "http"}, "periodSeconds": 15},
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "failureThreshold": 2},
        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, {"name": "config", "mountPath": "/etc/app", "readOnly": True}],  # noqa: S108
    }
    pod: Manifest = {
        "serviceAccountName": app,
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "terminationGracePeriodSeconds": 45,
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}],
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}, {"name": "config", "configMap": {"name": app}}],
    }
    labels = {"app.kubernetes.io/name": app, "team": team}
    return [
        _object(
            "apps/v1", "Deployment", app, team, labels,
            spec={
                "replicas": replicas,
                "revisionHistoryLimit": 5,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels, "annotations": {"prometheus.io/scrape": "true"}}, "spec": pod},
            },
        ),
        _object("v1", "Service", app, team, labels, spec={"selector": labels, "ports": [_PORT]}),
        _object("v1", "ServiceAccount", app, team, labels, automountServiceAccountToken=False),
        _object(
            "policy/v1", "PodDisruptionBudget", app, team, labels, spec={"minAvailable": replicas, "selector": {"matchLabels": labels}}
        ),
        _object(
            "autoscaling/v2", "HorizontalPodAutoscaler", app, team, labels,
            spec={
                "minReplicas": replicas,
                "maxReplicas": replicas * 3,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": app},
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}],
            },
        ),
        _object("v1", "ConfigMap", app, team, labels, data={"app.yaml": "tls: required\npool: 20\n", "GREETING": "hello"}),
        _object(
            "networking.k8s.io/v1", "Ingress", app, team, labels, {"nginx.ingress.kubernetes.io/auth-url": "https://auth.example.com"},
            spec={
                "ingressClassName": "nginx",
                "tls": [{"hosts": [f"{app}.{team}.example.com"], "secretName": f"{app}-tls"}],
                "rules": [{"host": f"{app}.{team}.example.com", "http": {"paths": [_backend(app)]}}],
            },
        ),
    ]  # fmt: skip


def _backend(app: str) -> Manifest:
    return {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": app, "port": {"name": "http"}}}}


def _team(team: str, random: np.random.Generator) -> list[Manifest]:
    rules = [{"apiGroups": [""], "resources": ["pods", "configmaps"], "verbs": ["get", "list"]}]
    peers = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}]
    job = {
        "restartPolicy": "Never",
        "containers": [{"name": "clean", "image": f"registry.example.com/{team}/clean:1.4.{random.integers(0, 9)}"}],
    }
    return [
        _object("rbac.authorization.k8s.io/v1", "Role", "reader", team, rules=rules),
        _object(
            "rbac.authorization.k8s.io/v1", "RoleBinding", "reader", team,
            subjects=[{"kind": "ServiceAccount", "name": "api", "namespace": team}],
            roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        ),
        _object(
            "networking.k8s.io/v1", "NetworkPolicy", "default", team,
            spec={
                "podSelector": {},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{"from": peers, "ports": [{"protocol": "TCP", "port": PORT}]}],
                "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.96.0.0/16"]}}]}],
            },
        ),
        _object("v1", "ResourceQuota", "team", team, spec={"hard": {"requests.cpu": "20", "requests.memory": "64Gi"}}),
        _object("v1", "Secret", "db", team, type="Opaque", data={"password": f"cGFzc3dvcmQ{random.integers(100, 999)}"}),
        _object(
            "v1", "PersistentVolumeClaim", "data", team,
            spec={"accessModes": ["ReadWriteOnce"], "storageClassName": "ssd", "resources": {"requests": {"storage": "20Gi"}}},
        ),
        _object(
            "batch/v1", "CronJob", "clean", team,
            spec={"schedule": "10 3 * * *", "concurrencyPolicy": "Forbid", "jobTemplate": {"spec": {"template": {"spec": job}}}},
        ),
    ]  # fmt: skip


def _cluster() -> list[Manifest]:
    agent: Manifest = {
        "hostNetwork": True,
        "serviceAccountName": "agent",
        "containers": [{
            "name": "agent",
            "image": "registry.example.com/platform/agent:2.7.1",
            "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
            "securityContext": {"capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}},
            "volumeMounts": [{"name": "proc", "mountPath": "/host/proc", "readOnly": True}],
        }],
        "tolerations": [{"operator": "Exists"}],
        "volumes": [{"name": "proc", "hostPath": {"path": "/proc"}}],
    }  # fmt: skip
    hook = {
        "name": "check.example.com",
        "failurePolicy": "Fail",
        "clientConfig": {"service": {"name": "check", "namespace": "platform", "path": "/check"}, "caBundle": "Q0E="},
        "rules": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["deployments"]}],
    }
    labels = {"app.kubernetes.io/name": "agent"}
    return [
        _object(
            "apps/v1", "DaemonSet", "agent", "platform", labels,
            spec={"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": agent}},
        ),
        _object("rbac.authorization.k8s.io/v1", "ClusterRole", "agent", None, rules=[_NODES]),
        _object(
            "rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "agent", None,
            subjects=[{"kind": "ServiceAccount", "name": "agent", "namespace": "platform"}],
            roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "agent"},
        ),
        _object("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "check", None, webhooks=[hook]),
    ]  # fmt: skip


def _object(
    version: str,
    kind: str,
    name: str,
    namespace: str | None,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    **body: Any,
) -> Manifest:
    metadata: Manifest = {"name": name, "labels": dict(labels or {}), "annotations": dict(annotations or {})}
    if namespace is not None:
        metadata["namespace"] = namespace
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **body}
