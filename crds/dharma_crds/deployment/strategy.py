"""How a new version takes over: blue and green, checks, going back."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dharma_crds.base import Struct
from dharma_crds.cel import Rule, list_map, says, unit
from dharma_crds.deployment.workload import PortOrName
from dharma_crds.formats import DecimalNumber, DnsLabel, HttpUrl, ImageReference, Seconds

Promotion = Literal["Auto", "Manual"]
SwitchMode = Literal["Atomic", "Overlap"]
NoData = Literal["Wait", "Pass", "Fail"]


class HttpCheck(Struct):
    """Requests to the new version, all of which must be answered as expected."""

    path: str = Field(default="/", max_length=1024, description="Path to get.")
    port: PortOrName | None = Field(default=None, description="Port of the Service to ask. Default: the first of ports.")
    expect: Annotated[int, unit("HTTP status")] = Field(default=200, ge=100, le=599, description="The status that counts as success.")
    count: Annotated[int, unit("requests")] = Field(
        default=5, ge=1, le=10000, description="How many requests are made; one that fails, fails the check."
    )
    interval: Seconds = Field(default="2s", validate_default=True, description="Time from one request to the next.")
    timeout: Seconds = Field(default="5s", validate_default=True, description="An answer that takes longer counts as a failure.")


class PrometheusCheck(Struct):
    """A figure from Prometheus that must stay within bounds."""

    cel_rules = (Rule("prometheus-bound", "has(self.min) || has(self.max)", "a prometheus check needs min or max, else it could not fail"),)
    query: str = Field(min_length=1, max_length=4096, description="PromQL query that gives one number.")
    min: DecimalNumber | None = Field(default=None, description="A number below this fails the check. Default: no lower bound.")
    max: DecimalNumber | None = Field(default=None, description="A number above this fails the check. Default: no upper bound.")
    no_data: NoData = Field(
        default="Wait", description="When the query gives nothing: Wait until the window ends and fail then, Pass, or Fail at once."
    )
    address: HttpUrl | None = Field(default=None, description="Prometheus to ask. Default: the one that the operator is configured with.")


class JobCheck(Struct):
    """A program that must end with code 0. It finds the version to look at in the variable DHARMA_TARGET."""

    image: ImageReference = Field(description="Container image that holds the program.")
    command: tuple[Annotated[str, Field(max_length=4096)], ...] = Field(
        default=(), max_length=64, description="Program and arguments, without a shell. Default: what the image starts."
    )
    timeout: Seconds = Field(default="5m", validate_default=True, description="A job that takes longer has failed.")


class Check(Struct):
    """One question that must be answered well: exactly one of http, prometheus and job."""

    cel_rules = (
        Rule(
            "check-one-member",
            "[has(self.http), has(self.prometheus), has(self.job)].filter(set, set).size() == 1",
            "a check must hold exactly one of http, prometheus and job",
            message_expression=says("check %s must hold exactly one of http, prometheus and job", "self.name"),
        ),
    )
    name: DnsLabel = Field(description="Name of the check, for status and events.")
    http: HttpCheck | None = Field(default=None, description="Requests to the new version. Default: another kind is used.")
    prometheus: PrometheusCheck | None = Field(default=None, description="A figure from Prometheus. Default: another kind is used.")
    job: JobCheck | None = Field(default=None, description="A program. Default: another kind is used.")
    window: Seconds | None = Field(default=None, description="For how long the answer must be good. Default: it is asked once.")


class Checks(Struct):
    """What is asked before and after the switch."""

    before: Annotated[tuple[Check, ...], list_map("name")] = Field(
        default=(), max_length=16, description="Asked of the new version before it gets traffic; a failure means no switch."
    )
    after: Annotated[tuple[Check, ...], list_map("name")] = Field(
        default=(), max_length=16, description="Asked while the new version has all traffic; a failure means going back."
    )


class Preview(Struct):
    """The new version before it gets traffic."""

    replicas: Annotated[int, unit("pods")] = Field(
        default=1, ge=1, le=1000, description="Pods of the new version while it is looked at; it is scaled to full before the switch."
    )


class BlueGreen(Struct):
    """Two versions side by side, and one switch of the Service between them."""

    promotion: Promotion = Field(
        default="Auto",
        description="Auto: switch when the checks before it are good. Manual: wait for the annotation dharma.io/promote: <hash>.",
    )
    switch_mode: SwitchMode = Field(
        default="Atomic",
        description="Atomic: from one moment to the next. Overlap: both versions serve for a while, for load balancers that follow slowly.",
    )
    preview: Preview | None = Field(
        default=None, description="Fewer pods while the new version is looked at. Default: full size from the start."
    )
    checks: Checks = Field(default=Checks(), description="What is asked before and after the switch.")
    bake: Seconds = Field(
        default="60s",
        validate_default=True,
        description="How long the new version is watched after the switch; a failure goes back by itself.",
    )
    keep_old: Seconds = Field(
        default="10m",
        validate_default=True,
        description="How long the old version stays ready after that, for going back at once. It costs its pods.",
    )
    progress_deadline: Seconds = Field(
        default="10m", validate_default=True, description="A step that takes longer is given up, and what ran before keeps running."
    )


class Strategy(Struct):
    """How a new version takes over."""

    blue_green: BlueGreen = Field(default=BlueGreen(), description="Two versions side by side, and one switch of the Service between them.")
