"""What every step of a rollout is given: the spec, the version that it asks for, what was seen, and measures taken of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

from dharma_crds.deployment import BlueGreen, DeploymentRevision, DharmaDeployment
from dharma_handlers.deployment.names import Names
from dharma_handlers.deployment.observed import BOTH, Observed, View
from dharma_handlers.deployment.revision import Revision
from dharma_handlers.deployment.state import AFTER_SWITCH, AT_REST, BEFORE_SWITCH, State

PROMOTE: Final = "dharma.io/promote"
ABORT: Final = "dharma.io/abort"


@dataclass(frozen=True)
class World:
    """One Deployment at one moment."""

    deployment: DharmaDeployment
    view: View
    wanted: Revision | None
    """The version to bring about. None: it cannot be told yet, and nothing new is begun."""
    pinned: bool = False
    """It is not the one that the spec asks for, but an older one that a person asked for."""

    @property
    def names(self) -> Names:
        """Names of its objects."""
        return self.view.names

    @property
    def observed(self) -> Observed:
        """What was seen."""
        return self.view.observed

    @property
    def now(self) -> datetime:
        """The time of the decision."""
        return self.observed.now

    @property
    def strategy(self) -> BlueGreen:
        """How a new version takes over."""
        return self.deployment.spec.strategy.blue_green

    @property
    def has_services(self) -> bool:
        """Whether anything is served; without ports a version takes over when its pods are ready."""
        return bool(self.deployment.spec.ports)

    @cached_property
    def wanted_version(self) -> DeploymentRevision | None:
        """The wanted version as status names it."""
        return None if self.wanted is None else DeploymentRevision(hash=self.wanted.hash, image=self.wanted.source.image)

    def decided(self, annotation: str) -> str:
        """Return the version that a person's decision names; empty without one."""
        annotations: Mapping[str, str] = self.deployment.metadata.annotations
        return annotations.get(annotation, "")

    def asks_for_other(self, version: str) -> bool:
        """Whether the spec is known to ask for another version than this one."""
        return self.wanted is not None and self.wanted.hash != version

    def revision(self, version: str) -> Revision | None:
        """Return what a version is made from: the spec, or its ReplicaSet. None: that is lost."""
        return self.wanted if self.wanted is not None and self.wanted.hash == version else self.view.revision(version)

    # Sizes

    @property
    def spec_size(self) -> int:
        """How many pods the spec asks for; with autoscaling, how many it begins with."""
        spec = self.deployment.spec
        return spec.autoscaling.min if spec.autoscaling is not None else 1 if spec.replicas is None else spec.replicas

    def full_size(self, state: State) -> int:
        """How many pods can carry the load: as many as carry it now, and no fewer than the spec asks for.

        An autoscaler's number, or one that was set by hand, is carried over to the new version.
        """
        scales = [self.view.scale(version) for version in (state.active.hash, state.left) if version]
        if state.phase in BEFORE_SWITCH:
            scales = [self.view.scale(state.active.hash)] if state.active.hash else []
        return self._bounded(max([self.spec_size, *scales]))

    def _bounded(self, size: int) -> int:
        autoscaling = self.deployment.spec.autoscaling
        return size if autoscaling is None else min(size, autoscaling.max)

    def target_size(self, state: State) -> int:
        """How many pods the version that is made ready shall have now: few while it is looked at, all before it takes over."""
        full = self.full_size(state)
        preview = self.strategy.preview
        if preview is None or not state.active.hash or self.cleared(state):
            return full
        return min(preview.replicas, full)

    def size(self, state: State, version: str) -> int:
        """How many pods a version shall have in this state."""
        if version == state.target.hash and state.phase in BEFORE_SWITCH:
            return self.target_size(state)
        if state.phase in AT_REST or (state.phase == "Drain" and version == state.active.hash):
            return self.resting_size(version) if version == state.active.hash else 0
        if version == state.active.hash:
            return self.full_size(state)
        return self.view.scale(version) if version == state.left else 0

    def resting_size(self, version: str) -> int:
        """How many pods the version that serves has at rest: an autoscaler's number, within its bounds, or the spec's."""
        autoscaling = self.deployment.spec.autoscaling
        live = self.view.scale(version)
        return (
            self.spec_size
            if autoscaling is None or version not in self.view.replica_sets
            else max(autoscaling.min, min(live, autoscaling.max))
        )

    # Readiness

    def is_ready(self, version: str, size: int) -> bool:
        """Whether so many pods of a version are there and ready: not more, not fewer."""
        return self.view.scale(version) == size and len(self.view.ready(version)) == size and len(self.view.pods(version)) == size

    def leads_to(self, service: str, *versions: str) -> bool:
        """Whether a Service, as it is and as proxies see it, leads to exactly the ready pods of these versions."""
        if not self.has_services:
            return True
        selected = versions[0] if len(versions) == 1 else BOTH
        ready = frozenset(uid for version in versions for uid in self.view.ready(version))
        return self.view.selected(service) == selected and self.view.holds_exactly(service, ready)

    # Decisions of people, and checks

    def cleared(self, state: State) -> bool:
        """Whether the target may take over once it is at full size: its checks are good and whoever must say yes has."""
        good = {check.name for check in state.checks if check.result == "Passed"}
        checked = all(check.name in good for check in self.strategy.checks.before)
        return checked and self.promoted(state)

    def promoted(self, state: State) -> bool:
        """Whether nobody has to say yes any more. The first version replaces none: there is nothing to decide."""
        return self.strategy.promotion == "Auto" or not state.active.hash or self.decided(PROMOTE) == state.target.hash

    def kept(self, state: State) -> bool:
        """Whether another version is ready to take over again."""
        return state.phase in AFTER_SWITCH and bool(state.previous.hash) and state.previous.hash in self.view.replica_sets
