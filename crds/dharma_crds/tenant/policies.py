"""What the people of a Tenant may ask of the cluster. The API server itself checks it, so that it holds with the operator down."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from dharma_crds.base import Struct
from dharma_crds.cel import LIST_SET
from dharma_crds.formats import ObjectName, matching

PolicyAction = Literal["Audit", "Warn", "Deny"]
ServiceType = Literal["NodePort", "LoadBalancer", "ExternalName", "ExternalIPs"]

_MOST: Final = 64
_LABEL: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SEGMENT: Final = r"[a-z0-9]+([._-]+[a-z0-9]+)*"
Registry = Annotated[
    str,
    matching(
        "registry",
        rf"(localhost|{_LABEL}(\.{_LABEL})+|{_LABEL}(\.{_LABEL})*:[0-9]{{1,5}})(/{_SEGMENT})*",
        "must be a registry with or without a path, such as registry.example or ghcr.io/acme, without https:// and without a tag",
        253,
    ),
]
IngressHost = Annotated[
    str,
    matching(
        "ingress-host",
        rf"(\*\.)?{_LABEL}(\.{_LABEL})+",
        "must be a host name such as shop.acme.example, or *.acme.example for all names below it",
        253,
    ),
]


class _Policy(Struct):
    """What is done about what is not allowed."""

    action: PolicyAction = Field(
        default="Deny",
        description="Deny refuses what is not allowed. Warn lets it pass with a warning to the person and a mark in the audit log. "
        "Audit lets it pass with the mark alone.",
    )


class StorageClassPolicy(_Policy):
    """Storage classes of volumes."""

    allowed: Annotated[tuple[ObjectName, ...], LIST_SET] = Field(
        min_length=1,
        max_length=_MOST,
        description="Names of the storage classes that volumes may have. One without a class is not allowed.",
    )


class PriorityClassPolicy(_Policy):
    """Priority classes of pods."""

    allowed: Annotated[tuple[ObjectName, ...], LIST_SET] = Field(
        default=(),
        max_length=_MOST,
        description="Names of the priority classes that pods may have, the cluster's default class included. Pods without one are allowed.",
    )


class RegistryPolicy(_Policy):
    """Where images come from."""

    allowed: Annotated[tuple[Registry, ...], LIST_SET] = Field(
        min_length=1,
        max_length=_MOST,
        description="Registries, with or without a path, that images of pods may come from; nginx comes from docker.io/library. "
        "The operator's own images for Postgres, PgBouncer and Redis are always allowed.",
    )


class IngressHostPolicy(_Policy):
    """Host names of Ingresses."""

    allowed: Annotated[tuple[IngressHost, ...], LIST_SET] = Field(
        default=(),
        max_length=_MOST,
        description="Host names that Ingresses may serve; *.acme.example is all names below acme.example, of one label or more, "
        "and not acme.example itself. An Ingress without a host is not allowed. None allowed: no Ingress.",
    )


class ServiceTypePolicy(_Policy):
    """Services that are reached from outside, or lead there."""

    allowed: Annotated[tuple[ServiceType, ...], LIST_SET] = Field(
        default=(),
        max_length=4,
        description="Types that Services may have beside ClusterIP, which is always allowed. ExternalIPs allows spec.externalIPs.",
    )


class Policies(Struct):
    """What the tenant's people may ask of the cluster, in all its namespaces. Each left out is unrestricted."""

    storage_classes: StorageClassPolicy | None = Field(default=None, description="Storage classes of volumes. Default: any.")
    priority_classes: PriorityClassPolicy | None = Field(default=None, description="Priority classes of pods. Default: any.")
    registries: RegistryPolicy | None = Field(default=None, description="Where images of pods come from. Default: anywhere.")
    ingress_hosts: IngressHostPolicy | None = Field(default=None, description="Host names of Ingresses. Default: any.")
    service_types: ServiceTypePolicy | None = Field(default=None, description="Types of Services. Default: any.")
    protection: PolicyAction = Field(
        default="Deny",
        description="What is done when somebody else changes what the operator made in the tenant's namespaces, or sets its labels. "
        "The labels of the namespaces themselves are always protected.",
    )
