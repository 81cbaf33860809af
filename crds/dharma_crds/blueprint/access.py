"""Who may connect to the components of a Blueprint."""

from __future__ import annotations

from pydantic import Field

from dharma_crds.base import Struct
from dharma_crds.cel import Rule
from dharma_crds.common import LabelSelector
from dharma_crds.formats import DnsLabel


class AccessPeer(Struct):
    """Pods that may connect: of a project, of a namespace, or by label; label and place together narrow each other."""

    cel_rules = (
        Rule(
            "peer-says-who",
            "has(self.project) || has(self.__namespace__) || has(self.podSelector)",
            "an entry of access.from is empty and would admit nobody; set project, namespace or podSelector",
            reason="FieldValueRequired",
        ),
        Rule(
            "peer-one-place",
            "!(has(self.project) && has(self.__namespace__))",
            "an entry of access.from names both project and namespace; keep one of them, or make two entries",
        ),
    )
    project: DnsLabel | None = Field(
        default=None, description="A project of the same Tenant: pods of its namespace may connect. Default: not restricted to a project."
    )
    namespace: DnsLabel | None = Field(
        default=None, description="A namespace whose pods may connect. Default: the Blueprint's own namespace."
    )
    pod_selector: LabelSelector | None = Field(
        default=None, description="Labels of the pods that may connect, in the place named beside it. Default: all pods there."
    )


class Access(Struct):
    """Who may connect."""

    from_: tuple[AccessPeer, ...] = Field(
        validation_alias="from",
        serialization_alias="from",
        max_length=32,
        description="Pods that may open connections to the components; all others are refused by NetworkPolicies. "
        "An empty list admits none but the components themselves and the operator.",
    )
