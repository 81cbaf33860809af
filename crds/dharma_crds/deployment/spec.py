"""What a Deployment asks for."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from dharma_crds.base import Struct
from dharma_crds.cel import UNIT, VALIDATIONS, Rule, list_map, says, unit
from dharma_crds.common import FreeForm
from dharma_crds.deployment.strategy import Strategy
from dharma_crds.deployment.workload import Binding, EnvironmentVariable, Port, Probes, WorkloadResources
from dharma_crds.formats import ImageReference

Environment = Literal["dev", "test", "uat", "staging", "preprod", "prod", "dr"]

_PODS_RULE: Final = Rule(
    "pods-or-percent",
    "type(self) == int ? self >= 0 : self.matches(r'^(100|[1-9]?[0-9])%$')",
    'must be a number of pods or a percentage from 0% to 100%, such as 2 or "50%"',
)


def _check_pods(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and value < 0:
        raise ValueError(_PODS_RULE.message)
    return value


PodsOrPercent = Annotated[
    int | str,
    BeforeValidator(_check_pods),
    WithJsonSchema(
        {"x-kubernetes-int-or-string": True, "maxLength": 4, VALIDATIONS: [_PODS_RULE.as_schema()], UNIT: "pods, or percent of them"}
    ),
]


class Autoscaling(Struct):
    """A number of pods that follows the load."""

    cel_rules = (
        Rule(
            "autoscaling-range",
            "self.min <= self.max",
            "autoscaling.min must not be more than max; lower it or raise max",
            field_path=".min",
        ),
        Rule(
            "autoscaling-target",
            "has(self.cpu) || has(self.memory)",
            "autoscaling needs cpu or memory as the load to follow; set one, such as cpu: 70",
            reason="FieldValueRequired",
        ),
    )
    min: Annotated[int, unit("pods")] = Field(default=1, ge=1, le=1000, description="Never fewer pods.")
    max: Annotated[int, unit("pods")] = Field(ge=1, le=1000, description="Never more pods; beyond that, requests slow down.")
    cpu: Annotated[int, unit("percent of the request")] | None = Field(
        default=None, ge=1, le=1000, description="Average use of CPU to keep, of resources.requests.cpu. Default: CPU is not looked at."
    )
    memory: Annotated[int, unit("percent of the request")] | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Average use of memory to keep, of resources.requests.memory. Default: memory is not looked at.",
    )


class Disruption(Struct):
    """How many pods may be taken away on purpose, by draining a node for example: exactly one of the two."""

    cel_rules = (
        Rule(
            "disruption-one-member",
            "has(self.minAvailable) != has(self.maxUnavailable)",
            "disruption must hold exactly one of minAvailable and maxUnavailable",
        ),
    )
    min_available: PodsOrPercent | None = Field(default=None, description="So many pods must stay. Default: maxUnavailable is used.")
    max_unavailable: PodsOrPercent | None = Field(default=None, description="So many pods may be away. Default: minAvailable is used.")


def _target_needs_request(resource: str) -> Rule:
    return Rule(
        f"autoscaling-{resource}-request",
        f"!has(self.autoscaling) || !has(self.autoscaling.{resource}) || (has(self.resources) && has(self.resources.requests)"
        f" && has(self.resources.requests.{resource}))",
        f"autoscaling.{resource} is a share of resources.requests.{resource}, which is not set; set it",
        reason="FieldValueRequired",
        field_path=f".resources.requests.{resource}",
    )


class DeploymentSpec(Struct):
    """What a Deployment asks for."""

    cel_rules = (
        Rule(
            "replicas-or-autoscaling",
            "!(has(self.replicas) && has(self.autoscaling))",
            "replicas and autoscaling both say how many pods there are; keep one",
            field_path=".replicas",
        ),
        _target_needs_request("cpu"),
        _target_needs_request("memory"),
        Rule(
            "disruption-leaves-room",
            "!has(self.disruption) || !has(self.disruption.minAvailable) || type(self.disruption.minAvailable) != int"
            " || self.disruption.minAvailable < (has(self.replicas) ? self.replicas : (has(self.autoscaling) ? self.autoscaling.min : 1))",
            "disruption.minAvailable must be less than the number of pods, else no node could ever be drained; lower it or raise replicas",
            message_expression=says(
                "disruption.minAvailable %s must be less than the %s pods there are, else no node could ever be drained; "
                "lower it or have more pods",
                "self.disruption.minAvailable",
                "has(self.replicas) ? self.replicas : (has(self.autoscaling) ? self.autoscaling.min : 1)",
            ),
            field_path=".disruption.minAvailable",
        ),
    )
    suspend: bool = Field(default=False, description="Stop acting and keep reporting: a switch under way halts where it is.")
    environment: Environment = Field(description="The stage it runs in: dev, test, uat, staging, preprod, prod or dr.")
    bind: Annotated[tuple[Binding, ...], list_map("as")] = Field(
        default=(),
        max_length=16,
        description="Components of Blueprints to connect to; each adds variables, and pods restart when its password changes.",
    )
    replicas: Annotated[int, unit("pods")] | None = Field(
        default=None, ge=0, le=1000, description="How many pods serve. With autoscaling, leave it out. Default: 1."
    )
    autoscaling: Autoscaling | None = Field(default=None, description="A number of pods that follows the load. Default: replicas, always.")
    image: ImageReference = Field(description="Container image. A new one starts a switch.")
    ports: Annotated[tuple[Port, ...], list_map("name")] = Field(
        default=(),
        max_length=16,
        description="Ports to serve on. With none there is no Service, and a new version takes over when its pods are ready.",
    )
    env: Annotated[tuple[EnvironmentVariable, ...], list_map("name")] = Field(
        default=(), max_length=128, description="Variables in the environment of the container."
    )
    resources: WorkloadResources | None = Field(
        default=None, description="CPU and memory of each pod. Default: what the namespace's LimitRange says."
    )
    probes: Probes = Field(default=Probes(), description="How Kubernetes asks whether a pod is well.")
    pod_template: FreeForm | None = Field(
        default=None,
        description="Overlay on the pod template, for what has no field here; it is merged last and wins. The container is called app. "
        "Its shape is checked when pods are made, not on admission. Default: nothing.",
    )
    strategy: Strategy = Field(default=Strategy(), description="How a new version takes over.")
    disruption: Disruption | None = Field(
        default=None, description="How many pods may be taken away on purpose. Default: one, when there are two or more."
    )
    revision_history_limit: Annotated[int, unit("revisions")] = Field(
        default=10, ge=1, le=100, description="How many old revisions are kept to go back to."
    )
