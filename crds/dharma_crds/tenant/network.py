"""Who may talk to the pods of a Tenant, and to whom they may talk."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dharma_crds.base import Struct
from dharma_crds.cel import LIST_SET, Rule, unit
from dharma_crds.formats import Cidr, DnsLabel

Isolation = Literal["Tenant", "Project", "None"]
PortNumber = Annotated[int, Field(ge=1, le=65535), unit("port number")]


class NetworkPeer(Struct):
    """The other end: exactly one of namespace and cidr, on some ports or all."""

    cel_rules = (
        Rule(
            "network-peer-one-member",
            "has(self.__namespace__) != has(self.cidr)",
            "an entry of ingressFrom and egressTo must hold exactly one of namespace and cidr",
        ),
    )
    namespace: DnsLabel | None = Field(default=None, description="All pods of that namespace. Default: cidr is used.")
    cidr: Cidr | None = Field(default=None, description="All addresses in that range. Default: namespace is used.")
    ports: Annotated[tuple[PortNumber, ...], LIST_SET] = Field(
        default=(), max_length=32, description="TCP ports. Default: all ports and protocols."
    )


class Network(Struct):
    """Isolation by NetworkPolicies; DNS always works."""

    isolation: Isolation = Field(
        default="Tenant",
        description="Tenant: projects of one tenant reach each other, others are refused. Project: each is alone. None: no policy is made.",
    )
    ingress_from: tuple[NetworkPeer, ...] = Field(default=(), max_length=64, description="Others that may connect to the tenant's pods.")
    egress_to: tuple[NetworkPeer, ...] = Field(
        default=(),
        max_length=64,
        description="Where the tenant's pods may connect to, beside DNS and each other. 0.0.0.0/0 is anywhere. Default: nowhere else.",
    )
