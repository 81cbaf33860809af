"""All that a decision about a Tenant may look at. The shell fills it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from dharma_handlers.facts import ClusterFacts
from dharma_handlers.outcome import Manifest
from dharma_handlers.tenant.quota_state import Ledger, QuotaObserved

ChildName: TypeAlias = tuple[str, str, str]
"""Kind, namespace (empty for cluster scope) and name."""


@dataclass(frozen=True, slots=True)
class TenantObserved:
    """Everything that was seen for one decision."""

    now: datetime
    cluster: ClusterFacts
    operator_namespace: str
    namespaces: Mapping[str, Manifest] = field(default_factory=dict[str, Manifest])
    """Each namespace that the spec asks for, or that was made or taken for this Tenant before, as live."""
    recorded: Mapping[str, str] = field(default_factory=dict[str, str])
    """Namespace → uid, as the Tenant's status recorded it."""
    claims: Mapping[str, str] = field(default_factory=dict[str, str])
    """Namespace → other Tenant that holds it."""
    taken: Collection[str] = ()
    """Namespaces that are on record as another Tenant's, whatever label somebody has put on them since."""
    quotas: Mapping[str, QuotaObserved] = field(default_factory=dict[str, QuotaObserved])
    """The ResourceQuotas that the operator made for this Tenant, by namespace."""
    ledger: Ledger = field(default_factory=Ledger)
    """How the quota is divided, by the Tenant's status."""
    pressed: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])
    """By namespace and resource, the total with which a request would have fit that was refused not long ago."""
    young: bool = False
    """It was first seen, or its spec changed, some moments ago."""
    children: Mapping[ChildName, Manifest] = field(default_factory=dict[ChildName, Manifest])
    """All objects labelled as this Tenant's."""
