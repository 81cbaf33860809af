"""The four kinds: the one list that operator, chart and command line take names from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from dharma_crds import API_VERSION, GROUP, VERSION
from dharma_crds.backup import Backup
from dharma_crds.base import CustomResource
from dharma_crds.blueprint import Blueprint
from dharma_crds.deployment import DharmaDeployment
from dharma_crds.tenant import Tenant


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind is called and which model reads it."""

    kind: str
    plural: str
    singular: str
    short_name: str
    scope: Literal["Namespaced", "Cluster"]
    model: type[CustomResource]
    group: str = GROUP
    version: str = VERSION
    api_version: str = API_VERSION

    @property
    def namespaced(self) -> bool:
        """Whether its objects live in namespaces."""
        return self.scope == "Namespaced"

    @property
    def crd_name(self) -> str:
        """Name of its CustomResourceDefinition."""
        return f"{self.plural}.{self.group}"


def _kind(model: type[CustomResource]) -> Kind:
    meta = model.crd
    return Kind(model.__name__.removeprefix("Dharma"), meta.plural, meta.singular, meta.short_name, meta.scope, model)


TENANT: Final = _kind(Tenant)
BLUEPRINT: Final = _kind(Blueprint)
DEPLOYMENT: Final = _kind(DharmaDeployment)
BACKUP: Final = _kind(Backup)
KINDS: Final[Mapping[str, Kind]] = MappingProxyType({kind.kind: kind for kind in (TENANT, BLUEPRINT, DEPLOYMENT, BACKUP)})
"""All kinds by their `kind`."""
