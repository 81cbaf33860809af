"""Who may do what to the operator's objects and marks in a tenant's namespace, and in which words the rest is refused."""

from dataclasses import dataclass, field
from typing import Any

from tests.cluster.policy_cases import PATHS, Object, pod, service, volume

from dharma_handlers import labels

RULE = "spec.policies.protection of Tenant acme"
OURS = {labels.MANAGED_BY: labels.MANAGER, labels.TENANT: "acme"}
DATA = {**OURS, labels.BLUEPRINT: "shop", labels.COMPONENT: "db", labels.ROLE: "replica"}
RESOURCES = {
    **PATHS,
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "ResourceQuota": "/api/v1/namespaces/{}/resourcequotas",
    "LimitRange": "/api/v1/namespaces/{}/limitranges",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "CronJob": "/apis/batch/v1/namespaces/{}/cronjobs",
    "PodTemplate": "/api/v1/namespaces/{}/podtemplates",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "Lease": "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
    "Blueprint": "/apis/dharma.io/v1alpha1/namespaces/{}/blueprints",
}


def named(api_version: str, kind: str, name: str, wears: dict[str, str] | None = None, **fields: Any) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "labels": wears or {}}, **fields}


def worn(manifest: Object, name: str, wears: dict[str, str]) -> Object:
    return {**manifest, "metadata": {"name": name, "labels": wears}}


def template(**wears: str) -> Object:
    return {"metadata": {"labels": {"app": "x", **wears}}, "spec": {"containers": [{"name": "x", "image": "x"}]}}


def workload(kind: str, name: str, wears: dict[str, str], pods: dict[str, str]) -> Object:
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "x"}}, "template": template(**pods)}
    return named("apps/v1", kind, name, wears, spec=spec)


def job(**pods: str) -> Object:
    return {"template": {**template(**pods), "spec": {**template()["spec"], "restartPolicy": "Never"}}}


_ROLE = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
MADE = (
    named("rbac.authorization.k8s.io/v1", "RoleBinding", "made", OURS, roleRef=_ROLE, subjects=[]),
    named("v1", "ResourceQuota", "made", OURS, spec={"hard": {"pods": "5"}}),
    named("v1", "LimitRange", "made", OURS, spec={"limits": []}),
    named("networking.k8s.io/v1", "NetworkPolicy", "made", OURS, spec={"podSelector": {}}),
    named("v1", "ConfigMap", "made", DATA, data={"a": "1"}),
    named("v1", "Secret", "made", DATA, stringData={"a": "1"}),
    worn(service(), "made", DATA),
    worn(volume("standard"), "made", DATA),
    workload("StatefulSet", "made", DATA, DATA),
)
"""As the operator makes them; each must be kept from members."""
OTHERS = (
    worn(pod(serviceAccountName="shop-db"), "made", DATA),
    workload("Deployment", "made", DATA, DATA),
    # Patroni's own, made by the operator and not watched by it.
    named("v1", "ConfigMap", "patroni", {labels.BLUEPRINT: "shop", labels.COMPONENT: "db"}, data={"a": "1"}),
    named("v1", "ConfigMap", "mine", data={"a": "1"}),
    workload("Deployment", "mine", {}, {}),
    named("v1", "ServiceAccount", "shop-db"),
)


@dataclass(frozen=True)
class Attempt:
    """What somebody does to an object. `sentence` is the refusal; empty: it passes."""

    who: str
    method: str
    kind: str
    name: str = ""
    body: Object = field(default_factory=dict)
    sentence: str = ""
    subresource: str = ""
    why: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.who, self.method, self.kind, self.name, self.subresource, self.why) if part)


def kept(kind: str, name: str = "made") -> str:
    return (
        f"{kind} {name} was made by the operator, and {RULE} keeps it as it is; "
        "change the Tenant, Blueprint, Deployment or Backup that it was made for"
    )


def owned(key: str, *, new: bool = False) -> str:
    return (
        f"{key} is set by the operator, and {RULE} keeps others from setting, changing and removing it; "
        f"{'leave it out' if new else 'leave it as it was'}"
    )


def for_pods(key: str) -> str:
    return f"{key} is set by the operator, and {RULE} keeps others from giving it to pods; leave it out of the pod template"


CLAIMED = (
    f"label app.kubernetes.io/managed-by: iac-dharma stands for what the operator made, and {RULE} keeps others from setting it; "
    "leave it out"
)


def wearing(wears: dict[str, str | None]) -> Object:
    return {"metadata": {"labels": wears}}


def new(kind: str, wears: dict[str, str]) -> Object:
    api = {"ConfigMap": "v1", "Lease": "coordination.k8s.io/v1", "Blueprint": "dharma.io/v1alpha1"}[kind]
    return named(api, kind, "new", wears)


_MEMBER = (
    *(Attempt("member", "DELETE", one["kind"], "made", sentence=kept(one["kind"])) for one in MADE),
    *(Attempt("member", "PATCH", one["kind"], "made", wearing({"team": "web"}), kept(one["kind"])) for one in MADE),
    Attempt("member", "PATCH", "RoleBinding", "made", {"subjects": [{**_ROLE, "kind": "User", "name": "eve"}]}, kept("RoleBinding")),
    Attempt("member", "PATCH", "ResourceQuota", "made", {"spec": {"hard": {"pods": "500"}}}, kept("ResourceQuota")),
    Attempt("member", "PATCH", "ConfigMap", "made", wearing({labels.MANAGED_BY: None}), kept("ConfigMap"), why="disown"),
    Attempt("member", "PATCH", "Pod", "made", wearing({labels.ROLE: "primary"}), kept("Pod"), why="promote it"),
    Attempt("member", "PATCH", "Pod", "made", {"spec": {"activeDeadlineSeconds": 60}}, kept("Pod")),
    Attempt("member", "PATCH", "ConfigMap", "mine", wearing({labels.MANAGED_BY: labels.MANAGER}), CLAIMED),
    Attempt("member", "PATCH", "ConfigMap", "mine", wearing({labels.TENANT: "b"}), owned(labels.TENANT)),
    Attempt("member", "PATCH", "ConfigMap", "patroni", {"data": {"a": "2"}}, kept("ConfigMap", "patroni")),
    Attempt("member", "DELETE", "ConfigMap", "patroni", sentence=kept("ConfigMap", "patroni")),
    Attempt(
        "member",
        "PATCH",
        "ConfigMap",
        "made",
        {"metadata": {"annotations": {"dharma.io/retain": "true"}}},
        owned("dharma.io/retain"),
        why="retain",
    ),
    *(
        Attempt("member", "POST", kind, "", new(kind, {key: "x"}), owned(key, new=True))
        for kind in ("ConfigMap", "Lease")
        for key in (labels.TENANT, labels.PROJECT, labels.BLUEPRINT, labels.COMPONENT, labels.USER, labels.ROLE)
    ),
    Attempt("member", "POST", "ConfigMap", "", new("ConfigMap", {labels.MANAGED_BY: labels.MANAGER}), CLAIMED),
    Attempt("member", "POST", "Pod", "", worn(pod(), "new", DATA), CLAIMED),
    Attempt("member", "POST", "Deployment", "", workload("Deployment", "new", {}, DATA), for_pods(labels.TENANT)),
    Attempt("member", "PATCH", "Deployment", "mine", {"spec": {"template": wearing({labels.ROLE: "x"})}}, for_pods(labels.ROLE)),
    Attempt("member", "POST", "Job", "", named("batch/v1", "Job", "new", {"app": "x"}, spec=job(**DATA)), for_pods(labels.TENANT)),
    Attempt(
        "member",
        "POST",
        "CronJob",
        "",
        named("batch/v1", "CronJob", "new", spec={"schedule": "0 0 * * *", "jobTemplate": {"spec": job(**{labels.COMPONENT: "db"})}}),
        for_pods(labels.COMPONENT),
    ),
    Attempt(
        "member",
        "POST",
        "PodTemplate",
        "",
        named("v1", "PodTemplate", "new", template=template(**{labels.MANAGED_BY: labels.MANAGER})),
        for_pods(labels.MANAGED_BY),
    ),
)

_SCALE = {"spec": {"replicas": 3}}
_STRANGERS = (
    Attempt("stranger", "PATCH", "ConfigMap", "made", {"data": {"a": "2"}}, kept("ConfigMap"), why="a ServiceAccount of the namespace"),
    Attempt("stranger", "PATCH", "Pod", "made", wearing({labels.ROLE: "primary"}), kept("Pod")),
    Attempt("patroni", "PATCH", "ConfigMap", "made", {"data": {"a": "2"}}, kept("ConfigMap")),
    Attempt("patroni", "PATCH", "ConfigMap", "patroni", wearing({labels.BLUEPRINT: "other"}), owned(labels.BLUEPRINT)),
    Attempt("patroni", "DELETE", "Secret", "made", sentence=kept("Secret")),
    Attempt("patroni", "PATCH", "Pod", "made", wearing({labels.COMPONENT: "x"}), kept("Pod")),
)
REFUSED = (*_MEMBER, *_STRANGERS)

PASSES = (
    *(
        Attempt(who, "PATCH", "ConfigMap", "made", {"data": {"a": "2"}})
        for who in ("operator", "root", "administrator", "controller", "node")
    ),
    *(Attempt(who, "DELETE", "StatefulSet", "made") for who in ("operator", "administrator", "controller", "manager", "scheduler")),
    *(Attempt(who, "POST", "Pod", "", worn(pod(), "new", DATA)) for who in ("operator", "administrator", "controller", "manager")),
    Attempt("patroni", "PATCH", "Pod", "made", {"metadata": {"labels": {labels.ROLE: "primary"}, "annotations": {"status": "{}"}}}),
    Attempt("patroni", "PATCH", "ConfigMap", "patroni", {"metadata": {"annotations": {"leader": "x"}}, "data": {"a": "2"}}),
    Attempt("patroni", "DELETE", "ConfigMap", "patroni"),
    Attempt("member", "PATCH", "Deployment", "made", _SCALE, subresource="/scale"),
    Attempt("member", "PATCH", "StatefulSet", "made", _SCALE, subresource="/scale"),
    Attempt("member", "PATCH", "Pod", "made", {"status": {"message": "x"}}, subresource="/status"),
    Attempt(
        "member",
        "POST",
        "Pod",
        "made",
        {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "made"}},
        subresource="/eviction",
    ),
    Attempt("member", "DELETE", "Pod", "made", why="which restarts it"),
    Attempt("member", "PATCH", "PersistentVolumeClaim", "made", {"metadata": {"annotations": {"volume.example/node": "a"}}}),
    Attempt("member", "PATCH", "PersistentVolumeClaim", "made", {"metadata": {"finalizers": ["snapshot.example/a"]}}),
    Attempt("member", "PATCH", "ConfigMap", "mine", {"data": {"a": "2"}}),
    Attempt("member", "PATCH", "ConfigMap", "mine", wearing({labels.MANAGED_BY: "Helm", "team": "web"})),
    Attempt("member", "DELETE", "ConfigMap", "mine"),
    Attempt("member", "PATCH", "Deployment", "mine", {"spec": {"template": wearing({"team": "web"})}}),
    Attempt("member", "POST", "Lease", "", new("Lease", {"team": "web"})),
)
