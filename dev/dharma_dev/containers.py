"""What containers leave behind when they and their runtime are gone without having been told to stop."""

import json
from pathlib import Path

from dharma_dev import cgroups, files, mounts, paths, processes
from dharma_dev.configs import NETWORK_NAME
from dharma_dev.node import Node

# Fixed by containerd and its shim, whatever their configuration says.
SHIM_SOCKETS = Path("/run/containerd/s")
RUNC_STATE = Path("/run/containerd/runc") / paths.CONTAINERD_NAMESPACE
# Fixed by the kubelet and by the CNI library.
LOG_LINKS = Path("/var/log/containers")
NETWORK_RESULTS = Path("/var/lib/cni/results")


def live(node: Node) -> bool:
    """Whether anything of a container runs on a node."""
    return bool(processes.shims() or cgroups.members(node.cgroup))


def bundles(node: Node) -> list[Path]:
    """Return the folder of every container that the runtime made and did not remove."""
    return sorted((node.containerd_state / "io.containerd.runtime.v2.task" / paths.CONTAINERD_NAMESPACE).glob("*"))


def forget(node: Node) -> None:
    """Drop the records of containers of which nothing runs any more: they would only mislead the next runtime. Images stay."""
    mounts.unmount_below(node.containerd_state)
    for bundle in bundles(node):
        files.remove(RUNC_STATE / bundle.name)
        bootstrap = bundle / "bootstrap.json"
        address = json.loads(bootstrap.read_text())["address"] if bootstrap.exists() else ""
        socket = Path(address.removeprefix("unix://"))
        if socket.parent == SHIM_SOCKETS:
            files.remove(socket)
    files.remove(node.containerd_state)
    files.remove(node.pod_addresses)


def delete_traces(node: Node) -> None:
    """Remove the files that the kubelet and the CNI library keep outside the node's folder."""
    for link in LOG_LINKS.glob("*.log"):
        if link.is_symlink() and link.readlink().is_relative_to(node.pod_logs):
            files.remove(link)
    for result in NETWORK_RESULTS.glob(f"{NETWORK_NAME}-*"):
        files.remove(result)
