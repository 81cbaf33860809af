"""Bringing the cluster up: each step looks at what is there, and makes only what is missing."""

import time
from pathlib import Path

from dharma_dev import (
    bridge,
    build,
    checks,
    configs,
    files,
    kubeconfig,
    manifests,
    packages,
    paths,
    pki,
    processes,
    ready,
    starting,
    wheels,
)
from dharma_dev.control import control
from dharma_dev.down import stop_everything
from dharma_dev.node import NODES
from dharma_dev.run import command, say

# Links in the folder of programs: one binary is etcd and all of Kubernetes.
KUBE_LINKS = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"]
# Links of the checkout, for people: the rest is of no use by hand.
CHECKOUT_LINKS = ["kubectl", "helm", "ctr"]


def up() -> None:
    """Make the cluster work, from whatever state it is in. Raises UserError with the remedy when it cannot."""
    begun = time.monotonic()
    check()
    packages.ensure()
    programs = build.ensure()
    link_programs(programs, wheels.kubectl())
    if pki.authority_lost():
        say("The cluster's certificate authority is damaged: everything is stopped and gets new certificates.")
        stop_everything()
    pki.ensure()
    kubeconfig.ensure()
    write_configs(programs)
    processes.shorten_logs()
    before_start = time.monotonic()
    started = starting.start_all(
        {
            "containerd": lambda: load_images(programs),
            # At once: the agent's rights are among them.
            "kube-apiserver": lambda: ready.apply_addons(manifests.addons(programs.images["coredns"], programs.images["metrics-server"])),
        }
    )
    ready.wait_for_node(started.get("kubelet"))
    node_ready = time.monotonic()
    ready.wait_for_addons()
    link_checkout()
    total = time.monotonic() - begun
    if started:
        seconds = f"{node_ready - before_start:.1f}"
        say(f"The cluster is up after {total:.1f} s; its node was Ready {seconds} s after the first process was started.")
    else:
        say(f"The cluster was up already; looking at all of it took {total:.1f} s.")


def check() -> None:
    """Everything that can be known to be missing, before anything is done."""
    checks.disk_space([(paths.STATE, checks.RUN_SPACE)])
    if not any(paths.BUILD_CACHE.glob(f"core-*/{build.RECORD}")):
        checks.disk_space([(paths.CACHE, checks.BUILD_SPACE)])
    live = processes.running()
    checks.ports(component for component in control().all if component.name not in live)
    if packages.find("ip") is not None:
        for node in NODES:
            bridge.refuse_foreign(node)


def link_programs(programs: build.Programs, kubectl: Path) -> None:
    """Point the stable links at the programs that were built."""
    for program in sorted((programs.core / "bin").iterdir()) + sorted((programs.agent / "bin").iterdir()):
        files.link(paths.BIN / (build.AGENT if program.name == "agent" else program.name), program)
    for name in KUBE_LINKS:
        files.link(paths.BIN / name, programs.core / "bin" / "kube")
    files.link(paths.BIN / "kubectl", kubectl)


def link_checkout() -> None:
    """Give this checkout its `.dev/`: kubeconfig, programs, logs."""
    files.link(paths.LINKS_DIR / "kubeconfig", paths.KUBECONFIG)
    files.link(paths.LINKS_DIR / "logs", paths.LOGS)
    for name in CHECKOUT_LINKS:
        files.link(paths.LINKS_DIR / "bin" / name, paths.BIN / name)


def write_configs(programs: build.Programs) -> None:
    """Write the components' configuration files."""
    files.write(paths.CONFIG / "audit-policy.json", configs.as_json(configs.audit_policy()))
    runc = packages.find("runc") or "runc"
    for node in NODES:
        files.write(paths.CONFIG / f"containerd-{node.name}.toml", configs.containerd(node, programs.images["pause"], runc))
        files.write(paths.CONFIG / f"kubelet-{node.name}.json", configs.as_json(configs.kubelet(node)))
        proxy = configs.kube_proxy(node, str(kubeconfig.of("kube-proxy")))
        files.write(paths.CONFIG / f"kube-proxy-{node.name}.json", configs.as_json(proxy))
        files.write(node.network_config / "10-bridge.conflist", configs.as_json(configs.network(node)))


def load_images(programs: build.Programs) -> None:
    """Import the images of the cluster's own pods that a node does not have."""
    for node in NODES:
        client: list[str | Path] = [
            paths.BIN / "ctr",
            "--address",
            node.containerd_socket,
            "--namespace",
            paths.CONTAINERD_NAMESPACE,
            "images",
        ]
        present = set(command([*client, "list", "--quiet"]).split())
        for program, name in programs.images.items():
            if name not in present:
                command([*client, "import", programs.archive(program)])
