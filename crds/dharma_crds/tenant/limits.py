"""Quotas and limits of a Tenant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import Field, WithJsonSchema

from dharma_crds.base import Struct
from dharma_crds.cel import UNIT, VALIDATIONS, Rule, says, unit
from dharma_crds.common import quantity_at_least
from dharma_crds.formats import Bytes, matching
from dharma_crds.quantity import Quantity
from dharma_crds.tenant.rules import ordered_amounts

Distribution = Literal["Elastic", "Static"]
BudgetAction = Literal["Warn", "Deny"]

_QUOTA_KEY: Final = (
    r"(requests|limits)\.(cpu|memory|ephemeral-storage)|requests\.[a-z0-9./-]+|count/[a-z0-9.-]+"
    r"|pods|persistentvolumeclaims|services|services\.(loadbalancers|nodeports)|secrets|configmaps"
)
_LIMIT_KEY: Final = "cpu|memory|ephemeral-storage"
_COUNTED: Final = "count/.*|pods|persistentvolumeclaims|services.*|secrets|configmaps"
_MOST: Final = "1E"
"""More than any cluster has. The API server itself cuts quantities beyond 2^63 off without a word."""
_BOUND: Final = quantity_at_least(f"'{_MOST}'", "self.storage")
_SPELT: Final = r"string(self[key]).matches(r'^[0-9]+(\.[0-9]+)?([KMGTPE]i|[mkMGTPE])?$')"
_BROKEN: Final = rf"key.matches(r'^({_COUNTED})$') && {_SPELT} && !string(self[key]).matches(r'^[0-9]+([KMGTPE]i|[kMGTPE])?$')"


def _each(name: str, wrong: str, static: str, told: str) -> Rule:
    """No entry of the map for which `wrong` (CEL, of `key`) holds; `told` names those in the place of its `%s`."""
    return Rule(name, f"!self.exists(key, {wrong})", static, message_expression=says(told, f"self.filter(key, {wrong})"))


def _amounts(name: str, key_pattern: str, keys: str, *more: Rule) -> WithJsonSchema:
    """Quantities by resource name; names that match `key_pattern` alone."""
    rules = (
        _each(
            f"{name}-keys",
            f"!key.matches(r'^({key_pattern})$')",
            f"a resource is not one that can be limited; use {keys}",
            f"%s cannot be limited here; use {keys}",
        ),
        _each(
            f"{name}-amounts",
            f"!{_SPELT}",
            "an amount is not a quantity, such as 500m, 20 or 40Gi",
            "the amount of %s must be a quantity, such as 500m, 20 or 40Gi",
        ),
        _each(
            f"{name}-bounds",
            f"{_SPELT} && quantity(string(self[key])).compareTo(quantity('{_MOST}')) > 0",
            f"an amount is more than {_MOST}, which no cluster has; lower it",
            f"the amount of %s is more than {_MOST}, which no cluster has; lower it",
        ),
        *more,
    )
    return WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {"x-kubernetes-int-or-string": True, "maxLength": 32},
            "maxProperties": 32,
            VALIDATIONS: [rule.as_schema() for rule in rules],
            UNIT: "quantities by resource",
        }
    )


ComputeAmounts = Annotated[
    Mapping[str, Quantity],
    _amounts(
        "compute",
        _QUOTA_KEY,
        "requests.cpu, requests.memory, limits.cpu, limits.memory, pods, persistentvolumeclaims or services.loadbalancers",
        _each(
            "compute-whole",
            _BROKEN,
            "an amount of what is counted in pieces is no whole number; write one",
            "the amount of %s is counted in pieces and must be a whole number",
        ),
    ),
]
LimitAmounts = Annotated[Mapping[str, Quantity], _amounts("limit", _LIMIT_KEY, "cpu, memory or ephemeral-storage")]


class Quota(Struct):
    """What the tenant may use in all. Each figure left out is the plan's."""

    cel_rules = (
        Rule(
            "quota-storage-bound",
            f"!has(self.storage) || {_BOUND}",
            f"storage is more than {_MOST}, which no cluster has; lower it",
            message_expression=says(f"storage %s is more than {_MOST}, which no cluster has; lower it", "self.storage"),
            field_path=".storage",
        ),
    )
    projects: Annotated[int, unit("projects")] | None = Field(
        default=None, ge=0, le=64, description="How many projects there may be. Default: the plan's."
    )
    blueprints: Annotated[int, unit("Blueprints")] | None = Field(
        default=None, ge=0, le=100_000, description="How many Blueprints there may be in all its namespaces. Default: the plan's."
    )
    deployments: Annotated[int, unit("Deployments")] | None = Field(
        default=None, ge=0, le=100_000, description="How many Deployments (dhd) there may be in all its namespaces. Default: the plan's."
    )
    users: Annotated[int, unit("members")] | None = Field(
        default=None, ge=0, le=100_000, description="How many members there may be. Default: the plan's."
    )
    storage: Bytes | None = Field(default=None, description="How much all its volumes may take. Default: the plan's.")
    api_calls_per_day: Annotated[int, unit("calls a day")] | None = Field(
        default=None,
        ge=0,
        le=10**12,
        description="How many calls to the HTTP API its members may make, by days of timeZone. Default: the plan's.",
    )
    compute: ComputeAmounts = Field(
        default={},
        description="What its pods may request, under ResourceQuota's names; pods beyond are refused. Default: the plan's.",
    )
    distribution: Distribution = Field(
        default="Elastic",
        description="Elastic: capacity moves between projects as they use it. Static: each project has its share of it, always.",
    )


class ContainerLimits(Struct):
    """Requests and limits of single containers (LimitRange)."""

    cel_rules = (
        ordered_amounts("min", "max"),
        ordered_amounts("defaultRequest", "default"),
        ordered_amounts("default", "max"),
        ordered_amounts("min", "defaultRequest"),
    )
    default_request: LimitAmounts = Field(default={}, description="Request of a container that states none. Default: the plan's.")
    default: LimitAmounts = Field(default={}, description="Limit of a container that states none. Default: the plan's.")
    min: LimitAmounts = Field(default={}, description="A container that requests less is refused. Default: no lower bound.")
    max: LimitAmounts = Field(default={}, description="A container whose limit is higher is refused. Default: no upper bound.")


class PodLimits(Struct):
    """Requests and limits of pods, over their containers (LimitRange)."""

    cel_rules = (ordered_amounts("min", "max"),)
    min: LimitAmounts = Field(default={}, description="A pod that requests less is refused. Default: no lower bound.")
    max: LimitAmounts = Field(default={}, description="A pod whose limits are higher is refused. Default: no upper bound.")


class Limits(Struct):
    """Bounds for single containers and pods."""

    container: ContainerLimits | None = Field(default=None, description="Requests and limits of single containers. Default: the plan's.")
    pod: PodLimits | None = Field(default=None, description="Requests and limits of pods. Default: the plan's.")


class Budget(Struct):
    """Money for a month."""

    monthly: Annotated[
        str, matching("money", r"[0-9]{1,12}(\.[0-9]{1,2})?", 'must be an amount of money in quotes, such as "500" or "99.90"', 16)
    ] = Field(description="The most that a month may cost, in currency.")
    currency: Annotated[str, matching("currency", r"[A-Z]{3}", "must be a currency of ISO 4217, such as USD or INR", 3)] = Field(
        default="USD", description="Currency of monthly."
    )
    action: BudgetAction = Field(
        default="Warn",
        description="When the forecast exceeds it: Warn reports, Deny also refuses Blueprints and Deployments that would cost more.",
    )
