"""Kubeconfig files, with the certificates in them so that one file is all a client needs."""

import base64
import json
from pathlib import Path

from dharma_dev import files, paths, pki
from dharma_dev.node import NODES

CONTEXT = "iac-dharma-dev"


def of(name: str) -> Path:
    """Return the kubeconfig file of a client."""
    return paths.KUBECONFIGS / name


def clients() -> dict[str, str]:
    """Each kubeconfig's name, and the certificate in it."""
    return {
        paths.KUBECONFIG.name: "admin",
        "kube-controller-manager": "kube-controller-manager",
        "kube-scheduler": "kube-scheduler",
        "kube-proxy": "kube-proxy",
        "agent": "agent",
        **{f"kubelet-{node.name}": f"kubelet-{node.name}" for node in NODES},
    }


def render(certificate: str) -> str:
    """Return a kubeconfig that authenticates by one of our certificates. It is JSON, which every YAML reader takes."""

    def encoded(path: Path) -> str:
        return base64.b64encode(path.read_bytes()).decode()

    cluster = {"server": paths.API_SERVER, "certificate-authority-data": encoded(pki.crt("ca"))}
    user = {"client-certificate-data": encoded(pki.crt(certificate)), "client-key-data": encoded(pki.key(certificate))}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CONTEXT, "cluster": cluster}],
        "users": [{"name": certificate, "user": user}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": certificate}}],
        "current-context": CONTEXT,
    }
    return json.dumps(content, indent=2) + "\n"


def ensure() -> None:
    """Write every kubeconfig whose content is not as it should be."""
    for name, certificate in clients().items():
        files.write(of(name), render(certificate), mode=0o600)
