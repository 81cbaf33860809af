"""The cluster's processes as data: what each is started with, and how one sees that it works."""

import contextlib
import http.client
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dharma_dev import build, files, kubeconfig, paths, pki
from dharma_dev.node import Node


@dataclass(frozen=True)
class Component:
    """One process. `check` returns nothing when it works, else what is wrong; `ports` are the TCP ports it listens on."""

    name: str
    argv: tuple[str, ...]
    check: Callable[[], str]
    # Files it reads at its start only: a change of one restarts it.
    reads: tuple[Path, ...] = ()
    ports: tuple[tuple[str, int], ...] = ()
    # Seconds between SIGTERM and SIGKILL.
    grace: float = 10.0

    @property
    def fingerprint(self) -> str:
        """A hash of what it is started with: program, arguments, files."""
        return files.digest(list(self.reads), *self.argv, build.version_of(Path(self.argv[0])))


def answers(url: str, expected: str = "ok") -> Callable[[], str]:
    """Return a check that a URL of this machine answers 200, with exactly `expected` as its body when that is given."""

    def check() -> str:
        # Our own process on a loopback or bridge address: that it answers is what is asked, not who it is.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        try:
            with opener.open(url, timeout=5) as response:
                body = response.read().decode(errors="replace").strip()
        except urllib.error.HTTPError as error:
            return f"{url} answers {error.code}"
        except (OSError, http.client.HTTPException) as error:
            return f"{url}: {getattr(error, 'reason', error)}"
        return "" if not expected or body == expected else f"{url} answers {body[:80]!r}"

    return check


def listens(path: Path) -> Callable[[], str]:
    """Return a check that a unix socket takes connections."""

    def check() -> str:
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as client:
            client.settimeout(5)
            try:
                client.connect(str(path))
            except OSError as error:
                return f"{path}: {error.strerror}"
        return ""

    return check


def program(name: str) -> str:
    """Return a program of the cluster, by its stable link."""
    return str(paths.BIN / name)


def flags(**values: str | Path) -> list[str]:
    """Command line flags from keywords: `data_dir="/x"` is `--data-dir=/x`."""
    return [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]


def etcd() -> Component:
    """Describe the store. Without fsync: fast, and enough for a cluster that may be made anew."""
    argv = flags(
        name="etcd",
        data_dir=paths.ETCD_DATA,
        listen_client_urls="https://127.0.0.1:2379",
        advertise_client_urls="https://127.0.0.1:2379",
        listen_peer_urls="https://127.0.0.1:2380",
        initial_advertise_peer_urls="https://127.0.0.1:2380",
        initial_cluster="etcd=https://127.0.0.1:2380",
        listen_metrics_urls="http://127.0.0.1:2381",
        cert_file=pki.crt("etcd"),
        key_file=pki.key("etcd"),
        trusted_ca_file=pki.crt("etcd-ca"),
        peer_cert_file=pki.crt("etcd"),
        peer_key_file=pki.key("etcd"),
        peer_trusted_ca_file=pki.crt("etcd-ca"),
        log_level="warn",
    )
    argv += ["--client-cert-auth", "--peer-client-cert-auth", "--unsafe-no-fsync"]
    loopback = "127.0.0.1"
    return Component(
        "etcd",
        (program("etcd"), *argv),
        answers("http://127.0.0.1:2381/health", expected=""),
        reads=(pki.crt("etcd"), pki.crt("etcd-ca")),
        ports=((loopback, 2379), (loopback, 2380), (loopback, 2381)),
    )


def apiserver() -> Component:
    """Describe the API server, on the node's address only: other machines do not reach it."""
    argv = flags(
        bind_address=paths.NODE_ADDRESS,
        advertise_address=paths.NODE_ADDRESS,
        secure_port="6443",
        etcd_servers="https://127.0.0.1:2379",
        etcd_cafile=pki.crt("etcd-ca"),
        etcd_certfile=pki.crt("etcd-client"),
        etcd_keyfile=pki.key("etcd-client"),
        authorization_mode="Node,RBAC",
        enable_admission_plugins="NodeRestriction",
        allow_privileged="true",
        service_cluster_ip_range=paths.SERVICE_CIDR,
        client_ca_file=pki.crt("ca"),
        tls_cert_file=pki.crt("kube-apiserver"),
        tls_private_key_file=pki.key("kube-apiserver"),
        service_account_issuer=f"https://kubernetes.default.svc.{paths.CLUSTER_DOMAIN}",
        service_account_key_file=pki.crt("service-accounts"),
        service_account_signing_key_file=pki.key("service-accounts"),
        kubelet_certificate_authority=pki.crt("ca"),
        kubelet_client_certificate=pki.crt("kubelet-client"),
        kubelet_client_key=pki.key("kubelet-client"),
        # `exec` and `logs` would otherwise try the node's name.
        kubelet_preferred_address_types="InternalIP",
        requestheader_client_ca_file=pki.crt("front-proxy-ca"),
        requestheader_allowed_names="front-proxy-client",
        requestheader_username_headers="X-Remote-User",
        requestheader_group_headers="X-Remote-Group",
        requestheader_extra_headers_prefix="X-Remote-Extra-",
        proxy_client_cert_file=pki.crt("front-proxy-client"),
        proxy_client_key_file=pki.key("front-proxy-client"),
        enable_aggregator_routing="true",
        audit_policy_file=paths.CONFIG / "audit-policy.json",
        audit_log_path=paths.AUDIT_LOG,
        audit_log_maxsize="50",
        audit_log_maxbackup="3",
        shutdown_delay_duration="0s",
    )
    certificates = ("ca", "kube-apiserver", "etcd-client", "service-accounts", "kubelet-client", "front-proxy-ca", "front-proxy-client")
    return Component(
        "kube-apiserver",
        (program("kube-apiserver"), *argv),
        answers(f"{paths.API_SERVER}/readyz"),
        reads=(paths.CONFIG / "audit-policy.json", *(pki.crt(name) for name in certificates)),
        ports=((paths.NODE_ADDRESS, 6443),),
        grace=20.0,
    )


def _client(name: str) -> list[str]:
    config = kubeconfig.of(name)
    return flags(
        kubeconfig=config, authentication_kubeconfig=config, authorization_kubeconfig=config, bind_address="127.0.0.1", leader_elect="false"
    )


def controller_manager() -> Component:
    """Describe the built-in controllers."""
    argv = flags(
        root_ca_file=pki.crt("ca"),
        service_account_private_key_file=pki.key("service-accounts"),
        cluster_signing_cert_file=pki.crt("ca"),
        cluster_signing_key_file=pki.key("ca"),
        use_service_account_credentials="true",
        kube_api_qps="100",
        kube_api_burst="200",
    )
    return Component(
        "kube-controller-manager",
        (program("kube-controller-manager"), *_client("kube-controller-manager"), *argv),
        answers("https://127.0.0.1:10257/healthz"),
        reads=(kubeconfig.of("kube-controller-manager"), pki.crt("ca"), pki.crt("service-accounts")),
        ports=(("127.0.0.1", 10257),),
    )


def scheduler() -> Component:
    """Describe the scheduler."""
    return Component(
        "kube-scheduler",
        (program("kube-scheduler"), *_client("kube-scheduler")),
        answers("https://127.0.0.1:10259/healthz"),
        reads=(kubeconfig.of("kube-scheduler"),),
        ports=(("127.0.0.1", 10259),),
    )


def containerd(node: Node) -> Component:
    """Describe the container runtime of a node."""
    config = paths.CONFIG / f"containerd-{node.name}.toml"
    return Component(
        "containerd",
        (program("containerd"), f"--config={config}"),
        listens(node.containerd_socket),
        reads=(config, node.network_config / "10-bridge.conflist"),
    )


def kubelet(node: Node) -> Component:
    """Describe the kubelet of a node."""
    config = paths.CONFIG / f"kubelet-{node.name}.json"
    client = kubeconfig.of(f"kubelet-{node.name}")
    argv = flags(
        config=config,
        kubeconfig=client,
        hostname_override=node.name,
        node_ip=node.address,
        root_dir=node.kubelet_root,
        cert_dir=node.folder / "kubelet-pki",
    )
    return Component(
        "kubelet",
        (program("kubelet"), *argv),
        answers("http://127.0.0.1:10248/healthz"),
        reads=(config, client, pki.crt("ca"), pki.crt(f"kubelet-serving-{node.name}")),
        ports=((node.address, 10250), ("127.0.0.1", 10248)),
    )


def kube_proxy(node: Node) -> Component:
    """Services, as nftables rules."""
    config = paths.CONFIG / f"kube-proxy-{node.name}.json"
    return Component(
        "kube-proxy",
        (program("kube-proxy"), f"--config={config}"),
        answers("http://127.0.0.1:10256/livez", expected=""),
        reads=(config, kubeconfig.of("kube-proxy")),
        ports=(("127.0.0.1", 10256), ("127.0.0.1", 10249)),
    )


def agent(node: Node) -> Component:
    """Network policies and volumes of a node."""
    argv = flags(kubeconfig=kubeconfig.of("agent"), node=node.name, volumes_root=node.volumes, state_dir=node.agent_state)
    return Component("agent", (program(build.AGENT), *argv), listens(node.agent_socket), reads=(kubeconfig.of("agent"),))
