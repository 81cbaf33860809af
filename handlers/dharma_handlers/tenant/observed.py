"""All that a decision about a Tenant may look at. The shell fills it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from dharma_handlers.facts import ClusterFacts
from dharma_handlers.outcome import Manifest

ChildName: TypeAlias = tuple[str, str, str]
"""Kind, namespace (empty for cluster scope) and name."""


@dataclass(frozen=True, slots=True)
class TenantObserved:
    """Everything that was seen for one decision."""

    now: datetime
    cluster: ClusterFacts
    operator_namespace: str
    namespaces: Mapping[str, Manifest | None] = field(default_factory=dict[str, Manifest | None])
    """Each namespace that the spec asks for or that carries this Tenant's label, as live; None or missing: there is none."""
    claims: Mapping[str, str] = field(default_factory=dict[str, str])
    """Namespace → other Tenant that holds it."""
    children: Mapping[ChildName, Manifest] = field(default_factory=dict[ChildName, Manifest])
    """All objects labelled as this Tenant's."""
