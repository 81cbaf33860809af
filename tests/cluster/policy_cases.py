"""What each need of a Tenant's policies lets through, and what it refuses in which words."""

from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

POLICIES = {
    "storageClasses": ["fast", "standard"],
    "priorityClasses": ["RUN-low"],
    "registries": ["docker.io/library", "ghcr.io/acme", "registry.example"],
    "ingressHosts": ["*.acme.example", "acme-shop.example"],
    "serviceTypes": ["LoadBalancer"],
}
"""Allowed lists. RUN is the name of the test's run, as priority classes must exist."""
PATHS = {
    "PersistentVolumeClaim": "/api/v1/namespaces/{}/persistentvolumeclaims",
    "Pod": "/api/v1/namespaces/{}/pods",
    "Service": "/api/v1/namespaces/{}/services",
    "Ingress": "/apis/networking.k8s.io/v1/namespaces/{}/ingresses",
}


@dataclass(frozen=True)
class Case:
    """An object that somebody makes. `wrong` is what is said to be not allowed, `remedy` what to do; empty: it is allowed."""

    need: str
    what: str
    manifest: Object
    wrong: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.need}: {self.what}"


def _named(api_version: str, kind: str, spec: Object, **metadata: Any) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", **metadata}, "spec": spec}


def volume(storage_class: str | None, **annotations: str) -> Object:
    spec: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    chosen = spec if storage_class is None else {**spec, "storageClassName": storage_class}
    return _named("v1", "PersistentVolumeClaim", chosen, annotations=annotations)


def pod(image: str = "registry.example/shop:1", **spec: Any) -> Object:
    """A pod that never runs: nobody takes its scheduling gate away."""
    gates = [{"name": "dharma.io/test"}]
    return _named("v1", "Pod", {"containers": [{"name": "shop", "image": image}], "schedulingGates": gates, **spec})


def service(**spec: Any) -> Object:
    return _named("v1", "Service", {"ports": [{"port": 80}], **spec})


BACKEND = {"service": {"name": "shop", "port": {"number": 80}}}


def ingress(*hosts: str | None, **spec: Any) -> Object:
    http = {"paths": [{"path": "/", "pathType": "Prefix", "backend": BACKEND}]}
    rules = [{"http": http} if host is None else {"host": host, "http": http} for host in hosts]
    return _named("networking.k8s.io/v1", "Ingress", {**({"rules": rules} if rules else {}), **spec})


_CLASS = "set storageClassName to one of these, or ask who manages the Tenant to add it"
_PRIORITY = "set priorityClassName to one that is allowed, leave it out, or ask who manages the Tenant to add it"
_REGISTRY = "use an image from there, or ask who manages the Tenant to add the registry"
_HOST = "use one of these, or ask who manages the Tenant to add it"
_EVERY = "give each rule a host of these and leave defaultBackend out, or ask who manages the Tenant to add it"
_OLD_CLASS = {"volume.beta.kubernetes.io/storage-class": "premium"}


def _image(what: str, image: str, named: str = "") -> Case:
    return Case("registries", what, pod(image), f"image {named}" if named else "", _REGISTRY if named else "")


CASES = (
    Case("storage-classes", "an allowed class", volume("fast")),
    Case("storage-classes", "another class", volume("premium"), "storage class premium", _CLASS),
    Case("storage-classes", "no class, by name", volume(""), "a volume without a storage class", _CLASS),
    Case("storage-classes", "another class by the old annotation", volume("fast", **_OLD_CLASS), "storage class premium", _CLASS),
    Case("priority-classes", "no class", pod()),
    Case("priority-classes", "an allowed class", pod(priorityClassName="RUN-low")),
    Case("priority-classes", "another class", pod(priorityClassName="RUN-high"), "priority class RUN-high", _PRIORITY),
    Case(
        "priority-classes",
        "a class of the cluster",
        pod(priorityClassName="system-node-critical"),
        "priority class system-node-critical",
        _PRIORITY,
    ),
    _image("a registry", "registry.example/team/shop:1"),
    _image("a path in a registry, by digest", "ghcr.io/acme/shop@sha256:" + "0" * 64),
    _image("the path itself is a repository", "ghcr.io/acme:2"),
    _image("a short name", "nginx"),
    _image("the other name of docker.io", "index.docker.io/library/nginx:1"),
    _image("one of the operator's own, of any version", "ghcr.io/iac-dharma/postgres:0.0.1"),
    _image("a path that only begins like it", "ghcr.io/acme-evil/shop:1", "ghcr.io/acme-evil/shop:1"),
    _image("a host that only begins like it", "registry.example.evil/shop", "registry.example.evil/shop"),
    _image("a registry on another port", "registry.example:5000/shop", "registry.example:5000/shop"),
    _image("somebody's own on docker.io", "someone/nginx", "docker.io/someone/nginx"),
    _image("a host told by capitals", "Library/nginx", "Library/nginx"),
    _image("one named like the operator's", "ghcr.io/iac-dharma/postgres-evil:1", "ghcr.io/iac-dharma/postgres-evil:1"),
    Case(
        "registries",
        "an init container",
        pod(initContainers=[{"name": "init", "image": "evil.example/a"}]),
        "image evil.example/a",
        _REGISTRY,
    ),
    Case(
        "registries",
        "a volume that is an image",
        pod(volumes=[{"name": "data", "image": {"reference": "evil.example/data:1"}}]),
        "image evil.example/data:1",
        _REGISTRY,
    ),
    Case("ingress-hosts", "allowed hosts", ingress("shop.acme.example", "a.b.acme.example", "acme-shop.example")),
    Case("ingress-hosts", "a wildcard below the wildcard", ingress("*.shop.acme.example", "*.acme.example")),
    Case("ingress-hosts", "another host", ingress("shop.acme.example", "evil.example"), "host evil.example", _HOST),
    Case("ingress-hosts", "the name above the wildcard", ingress("acme.example"), "host acme.example", _HOST),
    Case("ingress-hosts", "a name that only ends like it", ingress("evilacme.example"), "host evilacme.example", _HOST),
    Case("ingress-hosts", "a wider wildcard", ingress("*.example"), "host *.example", _HOST),
    Case("ingress-hosts", "no host", ingress(None), "an Ingress for every host", _EVERY),
    Case("ingress-hosts", "a default backend", ingress("a.acme.example", defaultBackend=BACKEND), "an Ingress for every host", _EVERY),
    Case("ingress-hosts", "a certificate", ingress("a.acme.example", tls=[{"hosts": ["a.acme.example"], "secretName": "a"}])),
    Case(
        "ingress-hosts",
        "a certificate of another host",
        ingress("a.acme.example", tls=[{"hosts": ["a.acme.example", "evil.example"], "secretName": "a"}]),
        "host evil.example under tls",
        _HOST,
    ),
    Case("service-types", "ClusterIP", service()),
    Case("service-types", "headless", service(clusterIP="None")),
    Case("service-types", "an allowed type", service(type="LoadBalancer")),
    Case("service-types", "NodePort", service(type="NodePort"), "type NodePort", _HOST),
    Case("service-types", "ExternalName", service(type="ExternalName", externalName="evil.example"), "type ExternalName", _HOST),
    Case(
        "service-types",
        "external addresses",
        service(externalIPs=["192.0.2.1"]),
        "externalIPs 192.0.2.1",
        "leave it out, or ask who manages the Tenant to add ExternalIPs",
    ),
)
