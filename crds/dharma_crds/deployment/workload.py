"""The pods of a Deployment: ports, environment, resources, probes."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from dharma_crds.base import Struct
from dharma_crds.blueprint.component_name import ComponentName
from dharma_crds.cel import UNIT, VALIDATIONS, Rule, says, unit
from dharma_crds.common import LIMITS_COVER_REQUESTS, ResourceAmounts
from dharma_crds.formats import EnvironmentName, ObjectName, PortName, WholeSeconds, matching

Protocol = Literal["TCP", "UDP", "SCTP"]
PortNumber = Annotated[int, Field(ge=1, le=65535), unit("port number")]
SECRET_LIKE: Final = r"(?i)(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIALS?)$"  # noqa: S105  a pattern

PORT_RULE: Final = Rule(
    "port-or-name",
    "type(self) == int ? (self >= 1 && self <= 65535) : self.matches(r'^[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$')",
    "must be a port number from 1 to 65535 or the name of a port, such as http",
)


def _check_port(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and not 1 <= value <= 65535:
        raise ValueError(PORT_RULE.message)
    return value


PortOrName = Annotated[
    int | str,
    BeforeValidator(_check_port),
    WithJsonSchema(
        {"x-kubernetes-int-or-string": True, "maxLength": 15, VALIDATIONS: [PORT_RULE.as_schema()], UNIT: "port number or name"}
    ),
]


class Port(Struct):
    """A port of the Service and of the pods behind it."""

    name: PortName = Field(description="Name of the port; probes, checks and other objects may use it.")
    port: PortNumber = Field(description="Port of the Service.")
    target_port: PortOrName | None = Field(default=None, description="Port of the pods. Default: the same as port.")
    protocol: Protocol = Field(default="TCP", description="TCP, UDP or SCTP.")


class KeyReference(Struct):
    """One key of a Secret or ConfigMap of the same namespace."""

    name: ObjectName = Field(description="Name of the Secret or ConfigMap.")
    key: str = Field(min_length=1, max_length=253, description="The key in it.")
    optional: bool = Field(default=False, description="Whether pods start without it.")


class FieldReference(Struct):
    """A field of the pod itself."""

    field_path: str = Field(min_length=1, max_length=253, description="The field, such as metadata.name or status.podIP.")


class EnvironmentSource(Struct):
    """Where a variable's value comes from: exactly one of the three."""

    cel_rules = (
        Rule(
            "env-source-one-member",
            "[has(self.secretKeyRef), has(self.configMapKeyRef), has(self.fieldRef)].filter(set, set).size() == 1",
            "valueFrom must hold exactly one of secretKeyRef, configMapKeyRef and fieldRef",
        ),
    )
    secret_key_ref: KeyReference | None = Field(default=None, description="A key of a Secret. Default: another source is used.")
    config_map_key_ref: KeyReference | None = Field(default=None, description="A key of a ConfigMap. Default: another source is used.")
    field_ref: FieldReference | None = Field(default=None, description="A field of the pod. Default: another source is used.")


class EnvironmentVariable(Struct):
    """One variable in the environment of the container."""

    cel_rules = (
        Rule(
            "env-one-value",
            "!(has(self.value) && has(self.valueFrom))",
            "a variable has both value and valueFrom; keep one",
            message_expression=says("variable %s has both value and valueFrom; keep one", "self.name"),
        ),
        Rule(
            "env-no-secret",
            f"!has(self.value) || !self.name.matches(r'{SECRET_LIKE}')",
            "a password must not stand in a resource; put it into a Secret and name that by valueFrom.secretKeyRef",
            message_expression=says(
                "variable %s looks like a password, and a password must not stand in a resource; "
                "put it into a Secret and name that by valueFrom.secretKeyRef",
                "self.name",
            ),
            reason="FieldValueForbidden",
            field_path=".value",
        ),
    )
    name: EnvironmentName = Field(description="Name of the variable.")
    value: str | None = Field(default=None, max_length=8192, description="Its value, in clear. Default: empty, or what valueFrom says.")
    value_from: EnvironmentSource | None = Field(default=None, description="Where its value comes from. Default: value is used.")


class WorkloadResources(Struct):
    """CPU and memory of each pod."""

    cel_rules = LIMITS_COVER_REQUESTS
    requests: ResourceAmounts | None = Field(
        default=None, description="What the scheduler sets aside for each pod. Default: what the namespace's LimitRange says."
    )
    limits: ResourceAmounts | None = Field(
        default=None, description="What a pod may use at most; over its memory it is killed. Default: what the namespace's LimitRange says."
    )


class HttpProbe(Struct):
    """A GET that must be answered with a status from 200 to 399."""

    path: str = Field(default="/", max_length=1024, description="Path to get.")
    port: PortOrName | None = Field(default=None, description="Port to ask. Default: the first of ports.")
    scheme: Literal["HTTP", "HTTPS"] = Field(default="HTTP", description="HTTP or HTTPS; certificates are not checked.")


class TcpProbe(Struct):
    """A connection that must be accepted."""

    port: PortOrName | None = Field(default=None, description="Port to connect to. Default: the first of ports.")


class ExecProbe(Struct):
    """A command in the container that must end with code 0."""

    command: tuple[Annotated[str, Field(max_length=4096)], ...] = Field(
        min_length=1, max_length=64, description="Program and arguments, without a shell."
    )


class GrpcProbe(Struct):
    """A gRPC health check."""

    port: PortNumber = Field(description="Port to ask.")
    service: str | None = Field(default=None, max_length=253, description="Name of the service to ask for. Default: the server as a whole.")


class Probe(Struct):
    """How a pod is asked, exactly one of http, tcp, exec and grpc, and how often."""

    cel_rules = (
        Rule(
            "probe-one-member",
            "[has(self.http), has(self.tcp), has(self.exec), has(self.grpc)].filter(set, set).size() == 1",
            "a probe must hold exactly one of http, tcp, exec and grpc",
        ),
    )
    http: HttpProbe | None = Field(default=None, description="Ask by HTTP. Default: another way is used.")
    tcp: TcpProbe | None = Field(default=None, description="Ask by a TCP connection. Default: another way is used.")
    exec: ExecProbe | None = Field(default=None, description="Ask by a command. Default: another way is used.")
    grpc: GrpcProbe | None = Field(default=None, description="Ask by gRPC. Default: another way is used.")
    initial_delay: WholeSeconds | None = Field(default=None, description="Wait before the first question. Default: none.")
    period: WholeSeconds = Field(default="10s", validate_default=True, description="Time from one question to the next.")
    timeout: WholeSeconds = Field(default="1s", validate_default=True, description="An answer that takes longer counts as a failure.")
    failure_threshold: Annotated[int, unit("failures in a row")] = Field(
        default=3, ge=1, le=1000, description="So many failures make the pod fail."
    )
    success_threshold: Annotated[int, unit("successes in a row")] = Field(
        default=1, ge=1, le=1000, description="So many successes make it well again."
    )


class Probes(Struct):
    """How Kubernetes asks whether a pod is well."""

    cel_rules = tuple(
        Rule(
            f"{probe}-one-success",
            f"!has(self.{probe}) || self.{probe}.successThreshold == 1",
            f"probes.{probe}.successThreshold must be 1, as Kubernetes allows more for readiness alone; remove it",
            field_path=f".{probe}.successThreshold",
        )
        for probe in ("liveness", "startup")
    )
    readiness: Probe | None = Field(
        default=None, description="Whether a pod gets traffic. Without it the switch cannot know that new pods serve. Default: none."
    )
    liveness: Probe | None = Field(default=None, description="Whether a pod is restarted. Default: none.")
    startup: Probe | None = Field(default=None, description="Whether a pod has started; the others wait for it. Default: none.")


class Binding(Struct):
    """A component whose connection comes into the environment."""

    blueprint: ObjectName = Field(description="Name of the Blueprint (dhb) in the same namespace.")
    component: ComponentName = Field(description="Name of its component.")
    as_: Annotated[
        str, matching("bind-prefix", r"[A-Z][A-Z0-9_]*", "must be capital letters, digits and underscores, such as DATABASE", 40)
    ] = Field(
        validation_alias="as",
        serialization_alias="as",
        description="Prefix of the variables: DATABASE gives DATABASE_URI, DATABASE_HOST, DATABASE_PORT and so on.",
    )
    user: Annotated[str, Field(max_length=31)] | None = Field(
        default=None, description="Database user to connect as. Default: the owner of the component's first database."
    )
