"""One object of each kind that the operator makes, spelled in all the ways in which a handler may, and the server does not."""

from typing import Any

RESTRICTED: dict[str, Any] = {
    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]},
}  # fmt: skip
DATA: dict[str, Any] = {
    "name": "data",
    "ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}}}},
}
PROBE: dict[str, Any] = {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 10}


def container(name: str = "main") -> dict[str, Any]:
    """A container with everything that has defaults, empties, nulls and quantities."""
    return {
        "name": name,
        "image": "localhost/none:1",
        "command": ["sleep", "1d"],
        "args": [],
        "env": [
            {"name": "EMPTY", "value": ""},
            {"name": "PLAIN", "value": "1000m"},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"containerName": name, "resource": "limits.memory"}}},
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "credentials", "key": "password", "optional": False}}},
        ],
        "envFrom": [{"configMapRef": {"name": "settings"}}],
        "ports": [{"name": "http", "containerPort": 8080}, {"name": "dns", "containerPort": 8080, "protocol": "UDP"}],
        "resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": {"memory": 2 * 2**30}},
        "securityContext": RESTRICTED,
        "volumeMounts": [
            {"name": "data", "mountPath": "/var/lib/data", "readOnly": False},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
        "readinessProbe": PROBE,
        "livenessProbe": {"exec": {"command": ["true"]}, "initialDelaySeconds": 0},
        "startupProbe": None,
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "1"]}}},
    }


def pod_spec(*more_volumes: dict[str, Any]) -> dict[str, Any]:
    """A pod's spec with all that the product's pods have."""
    return {
        "serviceAccountName": "app",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "hostNetwork": False,
        "nodeSelector": {},
        "tolerations": [],
        "imagePullSecrets": [],
        "priorityClassName": "",
        "securityContext": {"runAsUser": 5432, "runAsGroup": 5432, "fsGroup": 5432, "seccompProfile": {"type": "RuntimeDefault"}},
        "affinity": {
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "weight": 100,
                        "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "x"}}},
                    }
                ]
            }
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "topology.kubernetes.io/zone",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {"app": "x"}},
            }
        ],
        "initContainers": [],
        "containers": [container()],
        "volumes": [
            *more_volumes,
            {"name": "tmp", "emptyDir": {}},
            {"name": "run", "emptyDir": {"medium": "Memory", "sizeLimit": "65536Ki"}},
            {"name": "configuration", "configMap": {"name": "settings", "items": [{"key": "a", "path": "a.conf"}]}},
            {"name": "secret", "secret": {"secretName": "credentials", "defaultMode": 0o440}},
            {
                "name": "token",
                "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}, {"configMap": {"name": "kube-root-ca.crt"}}]},
            },
        ],
    }


def template(*more_volumes: dict[str, Any]) -> dict[str, Any]:
    """A pod template; its pods are never to run."""
    return {"metadata": {"labels": {"app": "x"}, "annotations": {}, "creationTimestamp": None}, "spec": pod_spec(*more_volumes)}


def children(namespace: str) -> list[dict[str, Any]]:
    """All of them, as manifests."""
    return [_named(namespace, *item) for item in _bodies(namespace)]


def _named(namespace: str, api_version: str, kind: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "labels": {"app": "x"}, "annotations": {}}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def _bodies(namespace: str) -> list[tuple[str, str, str, dict[str, Any]]]:
    selector = {"matchLabels": {"app": "x"}}
    return [
        ("v1", "ServiceAccount", "app", {"automountServiceAccountToken": False, "imagePullSecrets": []}),
        (
            "rbac.authorization.k8s.io/v1",
            "Role",
            "app",
            {
                "rules": [
                    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "patch"], "resourceNames": ["a"]},
                    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": []},
                ]
            },
        ),
        (
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            "app",
            {
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "app"},
                "subjects": [
                    {"kind": "ServiceAccount", "name": "app", "namespace": namespace, "apiGroup": ""},
                    {"kind": "Group", "name": "developers"},
                ],
            },
        ),
        (
            "v1",
            "Secret",
            "credentials",
            {"type": "Opaque", "stringData": {"password": "ö secret"}, "data": {"user": "YWxpY2U="}, "immutable": None},
        ),
        ("v1", "Secret", "empty", {"data": {}}),
        ("v1", "ConfigMap", "settings", {"data": {"a": "work_mem = 4MB\n", "requests": "1000m"}, "binaryData": {"b": "AAE="}}),
        (
            "v1",
            "PersistentVolumeClaim",
            "data-db-0",
            {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "0.5Gi"}}, "storageClassName": "standard"}},
        ),
        (
            "v1",
            "PersistentVolumeClaim",
            "plain",
            {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}}},
        ),
        (
            "v1",
            "Service",
            "db",
            {
                "spec": {
                    "type": "ClusterIP",
                    "selector": {"app": "x"},
                    "publishNotReadyAddresses": False,
                    "ports": [
                        {"name": "a", "port": 5432, "targetPort": "http"},
                        {"name": "b", "port": 53, "targetPort": 53, "protocol": "UDP"},
                    ],
                }
            },
        ),
        (
            "v1",
            "Service",
            "headless",
            {"spec": {"clusterIP": "None", "selector": {"app": "x"}, "ports": [{"port": 5432}], "publishNotReadyAddresses": True}},
        ),
        ("v1", "Service", "without-selector", {"spec": {"clusterIP": "None", "selector": None, "ports": [{"name": "pg", "port": 5432}]}}),
        (
            "apps/v1",
            "StatefulSet",
            "db",
            {
                "spec": {
                    "replicas": 0,
                    "serviceName": "headless",
                    "selector": selector,
                    "podManagementPolicy": "Parallel",
                    "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
                    "template": template(),
                    "volumeClaimTemplates": [
                        {
                            "metadata": {"name": "data", "labels": {}},
                            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}},
                        }
                    ],
                }
            },
        ),
        (
            "apps/v1",
            "Deployment",
            "pool",
            {
                "spec": {
                    "replicas": 0,
                    "selector": selector,
                    "template": template(DATA),
                    "paused": False,
                    "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": "0%"}},
                }
            },
        ),
        ("policy/v1", "PodDisruptionBudget", "db", {"spec": {"maxUnavailable": 1, "selector": selector}}),
        ("policy/v1", "PodDisruptionBudget", "share", {"spec": {"minAvailable": "50%", "selector": {"matchLabels": {"app": "y"}}}}),
        (
            "networking.k8s.io/v1",
            "NetworkPolicy",
            "deny",
            {"spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [], "egress": []}},
        ),
        (
            "networking.k8s.io/v1",
            "NetworkPolicy",
            "allow",
            {
                "spec": {
                    "podSelector": {"matchLabels": {"app": "x"}, "matchExpressions": []},
                    "policyTypes": ["Ingress", "Egress"],
                    "ingress": [
                        {
                            "from": [
                                {"podSelector": {"matchLabels": {"role": "client"}}},
                                {"namespaceSelector": {}, "podSelector": {}},
                                {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
                                {"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}},
                            ],
                            "ports": [{"port": 5432}, {"port": "http"}, {"port": 8000, "endPort": 8010, "protocol": "UDP"}],
                        },
                        {"from": [], "ports": [{"port": 9187}]},
                        {},
                    ],
                    "egress": [{"to": [], "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53}]}],
                }
            },
        ),
        (
            "v1",
            "ResourceQuota",
            "compute",
            {
                "spec": {
                    "hard": {
                        "requests.cpu": "20000m",
                        "requests.memory": "40960Mi",
                        "pods": 10,
                        "limits.cpu": 4,
                        "services.loadbalancers": "0",
                    }
                }
            },
        ),
        (
            "v1",
            "LimitRange",
            "limits",
            {
                "spec": {
                    "limits": [
                        {
                            "type": "Container",
                            "max": {"cpu": "2000m", "memory": "4Gi"},
                            "min": {"cpu": "10m"},
                            "defaultRequest": {"cpu": 0.1},
                        },
                        {"type": "Pod", "max": {"cpu": "4"}, "min": {}},
                        {"type": "PersistentVolumeClaim", "max": {"storage": "1024Gi"}},
                    ]
                }
            },
        ),
        (
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            "pool",
            {
                "spec": {
                    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "none"},
                    "minReplicas": 1,
                    "maxReplicas": 3,
                    "metrics": [
                        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}},
                        {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1024Mi"}}},
                    ],
                    "behavior": {
                        "scaleDown": {"stabilizationWindowSeconds": 60, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 15}]}
                    },
                }
            },
        ),
        (
            "batch/v1",
            "Job",
            "check",
            {"spec": {"suspend": True, "backoffLimit": 0, "template": {"spec": {**pod_spec(DATA), "restartPolicy": "Never"}}}},
        ),
        (
            "batch/v1",
            "CronJob",
            "nightly",
            {
                "spec": {
                    "schedule": "0 2 * * *",
                    "timeZone": "Etc/UTC",
                    "suspend": True,
                    "concurrencyPolicy": "Forbid",
                    "jobTemplate": {"spec": {"template": {"spec": {**pod_spec(DATA), "restartPolicy": "OnFailure"}}}},
                }
            },
        ),
        ("apps/v1", "ControllerRevision", "shop-1", {"revision": 1, "data": {"spec": {"limits": {"cpu": "1000m"}, "empty": {"list": []}}}}),
    ]
