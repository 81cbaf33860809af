"""The cluster's certificates: made with `openssl`, put in place at once, repaired where a file is missing or damaged."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dharma_dev import files, paths
from dharma_dev.node import NODES
from dharma_dev.run import command

LIFETIME_DAYS = 3650
RECORD = "record.json"


@dataclass(frozen=True)
class Certificate:
    """One key and its certificate, `<name>.key` and `<name>.crt`. Without an issuer it is an authority of its own."""

    name: str
    common_name: str
    issuer: str = ""
    organization: str = ""
    # As in openssl: "DNS:localhost", "IP:127.0.0.1". With names it may serve, without it may only be a client.
    names: tuple[str, ...] = ()

    @property
    def outputs(self) -> tuple[str, str]:
        """The names of its two files."""
        return f"{self.name}.key", f"{self.name}.crt"


def wanted() -> list[Certificate]:
    """Every certificate of the cluster, each after its issuer."""
    node_addresses = tuple(f"IP:{node.address}" for node in NODES)
    service = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{paths.CLUSTER_DOMAIN}")
    api_names = (
        "DNS:localhost",
        *(f"DNS:{name}" for name in service),
        "IP:127.0.0.1",
        f"IP:{paths.KUBERNETES_SERVICE_ADDRESS}",
        *node_addresses,
    )
    return [
        Certificate("ca", "iac-dharma-dev"),
        Certificate("etcd-ca", "iac-dharma-dev-etcd"),
        Certificate("front-proxy-ca", "iac-dharma-dev-front-proxy"),
        # Only its key is used: it signs the tokens of service accounts.
        Certificate("service-accounts", "iac-dharma-dev-service-accounts"),
        Certificate("etcd", "etcd", "etcd-ca", names=("DNS:localhost", "IP:127.0.0.1")),
        Certificate("etcd-client", "kube-apiserver", "etcd-ca"),
        Certificate("front-proxy-client", "front-proxy-client", "front-proxy-ca"),
        Certificate("kube-apiserver", "kube-apiserver", "ca", names=api_names),
        Certificate("kubelet-client", "kube-apiserver-kubelet-client", "ca", "system:masters"),
        Certificate("admin", "iac-dharma-dev-admin", "ca", "system:masters"),
        Certificate("kube-controller-manager", "system:kube-controller-manager", "ca"),
        Certificate("kube-scheduler", "system:kube-scheduler", "ca"),
        Certificate("kube-proxy", "system:kube-proxy", "ca"),
        Certificate("agent", "dev.dharma.io:agent", "ca"),
        *(
            certificate
            for node in NODES
            for certificate in (
                Certificate(f"kubelet-{node.name}", f"system:node:{node.name}", "ca", "system:nodes"),
                Certificate(f"kubelet-serving-{node.name}", node.name, "ca", names=(f"DNS:{node.name}", f"IP:{node.address}")),
            )
        ),
    ]


def key(name: str) -> Path:
    """Return the file of a private key."""
    return paths.PKI / f"{name}.key"


def crt(name: str) -> Path:
    """Return the file of a certificate."""
    return paths.PKI / f"{name}.crt"


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _spec(certificate: Certificate) -> str:
    return repr(certificate)


def damaged(folder: Path, certificates: Iterable[Certificate]) -> list[Certificate]:
    """Return the certificates that are missing, changed since they were made, made to another specification, or whose issuer is."""
    try:
        record: dict[str, list[str]] = json.loads((folder / RECORD).read_text())
    except (OSError, ValueError):
        record = {}
    broken: list[Certificate] = []
    for certificate in certificates:
        recorded = record.get(certificate.name)
        actual = [_spec(certificate), *(_hash(folder / output) for output in certificate.outputs)]
        if recorded != actual or certificate.issuer in {other.name for other in broken}:
            broken.append(certificate)
    return broken


def authority_lost() -> bool:
    """Whether a cluster that ran has lost a key which its stored tokens and certificates rest on."""
    return paths.PKI.exists() and any(not certificate.issuer for certificate in damaged(paths.PKI, wanted()))


def ensure() -> list[str]:
    """Make what is missing or damaged, and put all of it in place by one rename; return the names made."""
    certificates = wanted()
    broken = damaged(paths.PKI, certificates)
    if not broken:
        return []
    paths.STATE.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=paths.STATE, prefix=".pki."))
    try:
        for certificate in certificates:
            if certificate in broken:
                _make(folder, certificate)
            else:
                for output in certificate.outputs:
                    shutil.copy2(paths.PKI / output, folder / output)
        record = {
            certificate.name: [_spec(certificate), *(_hash(folder / output) for output in certificate.outputs)]
            for certificate in certificates
        }
        files.write(folder / RECORD, json.dumps(record))
        files.replace_folder(paths.PKI, folder)
    finally:
        files.remove(folder)
    return [certificate.name for certificate in broken]


def _make(folder: Path, certificate: Certificate) -> None:
    """Make one key and certificate in a folder that has its issuer's."""
    key_file, certificate_file = (folder / output for output in certificate.outputs)
    config = folder / "openssl.cnf"
    config.write_text(openssl_config(certificate))
    argv: list[str | Path] = ["openssl", "req", "-x509", "-config", config, "-days", str(LIFETIME_DAYS), "-sha256", "-nodes"]
    argv += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", key_file, "-out", certificate_file]
    if certificate.issuer:
        argv += ["-CA", folder / f"{certificate.issuer}.crt", "-CAkey", folder / f"{certificate.issuer}.key"]
    command(argv)
    key_file.chmod(0o600)
    config.unlink()


def openssl_config(certificate: Certificate) -> str:
    """Return the request in openssl's own format: subject, what it may be used for, the names it serves."""
    subject = [f"CN = {certificate.common_name}"]
    if certificate.organization:
        subject.insert(0, f"O = {certificate.organization}")
    if certificate.issuer:
        extensions = ["basicConstraints = critical, CA:FALSE", "keyUsage = critical, digitalSignature, keyEncipherment"]
        usage = "serverAuth, clientAuth" if certificate.names else "clientAuth"
        extensions.append(f"extendedKeyUsage = {usage}")
        if certificate.names:
            extensions.append(f"subjectAltName = {', '.join(certificate.names)}")
    else:
        extensions = ["basicConstraints = critical, CA:TRUE", "keyUsage = critical, keyCertSign, cRLSign, digitalSignature"]
    extensions.append("subjectKeyIdentifier = hash")
    lines = [
        "[req]",
        "distinguished_name = subject",
        "x509_extensions = extensions",
        "prompt = no",
        "[subject]",
        *subject,
        "[extensions]",
        *extensions,
    ]
    return "\n".join(lines) + "\n"
