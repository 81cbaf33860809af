"""One component in its Blueprint: what every builder of its objects is given."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from dharma_crds.blueprint import Blueprint, Component
from dharma_handlers import labels
from dharma_handlers.blueprint.names import Names
from dharma_handlers.blueprint.observed import Observed
from dharma_handlers.outcome import RETAIN_ANNOTATION, Manifest

_APPLICATION = {"postgres": "postgresql", "pgbouncer": "pgbouncer", "redis": "redis"}


@dataclass(frozen=True)
class Scope:
    """A component, its Blueprint, and what was observed."""

    blueprint: Blueprint
    component: Component
    observed: Observed

    @cached_property
    def names(self) -> Names:
        """Names of its objects."""
        return Names(self.blueprint.name, self.component.name)

    @property
    def namespace(self) -> str:
        """Where all of it lives."""
        return self.blueprint.namespace

    @property
    def stopped(self) -> bool:
        """Whether it has no pods on purpose."""
        return self.blueprint.spec.lifecycle == "Archived"

    @cached_property
    def selector(self) -> dict[str, str]:
        """Labels that its pods, and no others, carry. A workload's selector is immutable: nothing that may change belongs here."""
        return {labels.BLUEPRINT: self.blueprint.name, labels.COMPONENT: self.component.name}

    @cached_property
    def labels(self) -> dict[str, str]:
        """Labels of all its objects and pods."""
        return {
            labels.NAME: _APPLICATION[self.component.type],
            labels.INSTANCE: self.names.base,
            labels.MANAGED_BY: labels.MANAGER,
            labels.PART_OF: labels.MANAGER,
            **self.selector,
        }

    @property
    def retained(self) -> bool:
        """Whether volumes and credentials outlive the component."""
        return self.blueprint.spec.deletion_policy == "Retain"

    def metadata(self, name: str, *, holds_data: bool = False, extra_labels: Mapping[str, str] | None = None) -> Manifest:
        """Metadata of one of its objects; one that `holds_data` is marked to stay, unless the Blueprint says otherwise."""
        metadata: Manifest = {"name": name, "namespace": self.namespace, "labels": {**self.labels, **(extra_labels or {})}}
        if holds_data and self.retained:
            metadata["annotations"] = {RETAIN_ANNOTATION: "true"}
        return metadata

    def child(self, kind: str, name: str) -> Manifest | None:
        """One of the Blueprint's objects as it is now."""
        return self.observed.children.get((kind, name))

    @property
    def poolers(self) -> tuple[Component, ...]:
        """The PgBouncer components in front of this Postgres."""
        return tuple(
            other
            for other in self.blueprint.spec.components
            if other.pgbouncer is not None and other.pgbouncer.target == self.component.name
        )

    def sibling(self, name: str) -> "Scope":
        """Another component of the same Blueprint. Raises KeyError when there is none."""
        for other in self.blueprint.spec.components:
            if other.name == name:
                return Scope(self.blueprint, other, self.observed)
        raise KeyError(name)


def scopes(blueprint: Blueprint, observed: Observed) -> tuple[Scope, ...]:
    """All components, as written."""
    return tuple(Scope(blueprint, component, observed) for component in blueprint.spec.components)
