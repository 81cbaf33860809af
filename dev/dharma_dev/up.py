"""Bringing the cluster up: each step looks at what is there, and makes only what is missing."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from dharma_dev import bridge, build, cgroups, checks, configs, files, kubeconfig, manifests, mounts, packages, paths, pki, processes, ready, wheels
from dharma_dev import components as parts
from dharma_dev.components import Component
from dharma_dev.down import stop_everything
from dharma_dev.node import NODES, Node
from dharma_dev.run import UserError, command, say, tail

# Links in the folder of programs: one binary is etcd and all of Kubernetes.
KUBE_LINKS = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"]
# Links of the checkout, for people: the rest is of no use by hand.
CHECKOUT_LINKS = ["kubectl", "helm", "ctr"]
# Seconds.
START_PATIENCE = 60.0
HUNG_PATIENCE = 10.0
POLL = 0.1


@dataclass(frozen=True)
class Control:
    """The components in the order of their start: those of one group are started together, after the group before works."""

    groups: tuple[tuple[Component, ...], ...]

    @property
    def all(self) -> list[Component]:
        """Every component, in order."""
        return [component for group in self.groups for component in group]


def control() -> Control:
    """The whole cluster. A controller-manager that starts before the API server is ready dies, so that one is waited for."""
    return Control(
        (
            (parts.etcd(), *(parts.containerd(node) for node in NODES)),
            (parts.apiserver(),),
            # Before the kubelet, so that no pod waits for its volumes or its network policies.
            tuple(parts.agent(node) for node in NODES),
            (
                *(parts.kubelet(node) for node in NODES),
                parts.controller_manager(),
                parts.scheduler(),
                *(parts.kube_proxy(node) for node in NODES),
            ),
        )
    )


def up() -> None:
    """Make the cluster work, from whatever state it is in. Raises UserError with the remedy when it cannot."""
    begun = time.monotonic()
    checks.disk_space([(paths.STATE, checks.RUN_SPACE)])
    if not any(paths.BUILD_CACHE.glob(f"core-*/{build.RECORD}")):
        checks.disk_space([(paths.CACHE, checks.BUILD_SPACE)])
    if not processes.running():
        checks.ports(control().all)
    for node in NODES:
        bridge.exists(node)
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
    started = start_all(programs)
    ready_after = ready.wait_for_node(started.get("kubelet")) - begun
    ready.apply_addons(manifests.addons(programs.images["coredns"], programs.images["metrics-server"]))
    ready.wait_for_addons()
    link_checkout()
    say(f"The cluster is up: node Ready after {ready_after:.1f} s, all of it after {time.monotonic() - begun:.1f} s.")


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


def start_all(programs: build.Programs) -> dict[str, float]:
    """Start what does not run as it should; return when (Unix time) each that was started was."""
    cluster = control()
    live = processes.running()
    checks.ports(component for component in cluster.all if component.name not in live)
    for node in NODES:
        bridge.ensure(node)
        cgroups.ensure(node.cgroup)
        if "containerd" not in live:
            forget_dead_containers(node)
        for folder in (node.volumes, node.agent_state):
            folder.mkdir(parents=True, exist_ok=True)
    paths.ETCD_DATA.mkdir(mode=0o700, exist_ok=True)
    started: dict[str, float] = {}
    for group in cluster.groups:
        replaced = [component for component in group if not _keeps(component, live.get(component.name, []))]
        for component in replaced:
            say(f"  starting {component.name}")
            started[component.name] = time.time()
            processes.start(component.name, component.argv, component.fingerprint)
        wait_for(replaced)
        if any(component.name == "containerd" for component in group):
            for node in NODES:
                load_images(node, programs)
    return started


def _keeps(component: Component, found: Sequence[processes.Running]) -> bool:
    """Whether a component runs as it should; whatever runs otherwise is stopped."""
    fitting = [process for process in found if process.fingerprint == component.fingerprint]
    if len(found) == 1 and fitting:
        deadline = time.monotonic() + HUNG_PATIENCE
        while problem := component.check():
            if not processes.alive(found[0].pid):
                return False
            if time.monotonic() > deadline:
                say(f"  {component.name} runs but does not work ({problem}): it is restarted")
                break
            time.sleep(POLL)
        else:
            return True
    processes.stop(found, component.grace)
    return False


def wait_for(components: Sequence[Component]) -> None:
    """Wait until each component works. Raises UserError with the end of its log when one ends or does not come to work."""
    with ThreadPoolExecutor(max_workers=max(1, len(components))) as pool:
        for outcome in [pool.submit(_wait_for, component) for component in components]:
            outcome.result()


def _wait_for(component: Component) -> None:
    deadline = time.monotonic() + START_PATIENCE
    while True:
        problem = component.check()
        live = processes.running().get(component.name)
        if live and not problem:
            return
        log = processes.log_of(component.name)
        shown = f"{tail(log.read_text(errors='replace'), 5)}\nThe whole log: {log}"
        if not live:
            raise UserError(f"{component.name} ended right after its start; the end of its log:\n{shown}")
        if time.monotonic() > deadline:
            raise UserError(f"{component.name} does not work after {START_PATIENCE:.0f} s ({problem}); the end of its log:\n{shown}")
        time.sleep(POLL)


def forget_dead_containers(node: Node) -> None:
    """Where neither containerd nor any container runs: drop the records of those that ran, which would only mislead."""
    if processes.shims() or cgroups.members(node.cgroup):
        return
    mounts.unmount_below(node.containerd_state)
    files.remove(node.containerd_state)
    files.remove(node.pod_addresses)


def load_images(node: Node, programs: build.Programs) -> None:
    """Import the images of the cluster's own pods that the node does not have."""
    client = [paths.BIN / "ctr", "--address", node.containerd_socket, "--namespace", paths.CONTAINERD_NAMESPACE, "images"]
    present = set(command([*client, "list", "--quiet"]).split())
    for program, name in programs.images.items():
        if name not in present:
            command([*client, "import", programs.archive(program)])
