"""Which components make up the cluster, and in which order they start."""

from dataclasses import dataclass

from dharma_dev import components as parts
from dharma_dev.components import Component
from dharma_dev.node import NODES


@dataclass(frozen=True)
class Control:
    """The components in the order of their start: those of one group are started together, after the group before works."""

    groups: tuple[tuple[Component, ...], ...]

    @property
    def all(self) -> list[Component]:
        """Every component, in order."""
        return [component for group in self.groups for component in group]


def control() -> Control:
    """Return the whole cluster. A controller-manager that starts before the API server is ready dies, so that one is waited for."""
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
