"""What belongs to one node, so that a second one can be added later as one more element of `NODES`."""

from dataclasses import dataclass
from pathlib import Path

from dharma_dev import paths


@dataclass(frozen=True)
class Node:
    """One kubelet with its containerd. A second node would live in a network namespace of its own."""

    name: str
    # The node's IP; it is also the gateway of its pods, on its bridge.
    address: str
    # The addresses of its pods; the node's own address is the first of them.
    pod_cidr: str
    bridge: str

    @property
    def folder(self) -> Path:
        """Everything the node keeps on disk."""
        return paths.NODES / self.name

    @property
    def kubelet_root(self) -> Path:
        """Pods' volumes and the kubelet's own records."""
        return self.folder / "kubelet"

    @property
    def pod_logs(self) -> Path:
        """Containers' logs."""
        return self.folder / "pod-logs"

    @property
    def containerd_root(self) -> Path:
        """Images and snapshots: kept when the cluster stops."""
        return self.folder / "containerd"

    @property
    def containerd_state(self) -> Path:
        """Mounts and shims of running containers: worthless once no container runs."""
        return self.folder / "containerd-state"

    @property
    def containerd_socket(self) -> Path:
        """Where `ctr` and the kubelet reach containerd."""
        return self.folder / "containerd.sock"

    @property
    def pod_addresses(self) -> Path:
        """Which address each pod sandbox holds: worthless once no container runs."""
        return self.folder / "pod-addresses"

    @property
    def network_config(self) -> Path:
        """The folder of the CNI configuration."""
        return self.folder / "cni"

    @property
    def volumes(self) -> Path:
        """The files and mounts of persistent volumes, kept by the agent."""
        return self.folder / "volumes"

    @property
    def agent_state(self) -> Path:
        """The agent's folder."""
        return self.folder / "agent"

    @property
    def agent_socket(self) -> Path:
        """Where the agent takes the requests of the CNI plugin."""
        return self.agent_state / "network.sock"

    @property
    def cgroup(self) -> str:
        """The control group above all pods of the node; its name tells two state folders apart."""
        return f"{str(paths.STATE).strip('/').replace('/', '-')}-{self.name}"


NODES = [Node(name=paths.NODE_NAME, address=paths.NODE_ADDRESS, pod_cidr="10.244.0.0/24", bridge=paths.BRIDGE)]
