"""Deployment (`dhd`): an application, what it binds to, and how a new version takes over.

The class is called `DharmaDeployment`, as Kubernetes has a Deployment of its own; in YAML the kind is `Deployment` of `dharma.io/v1alpha1`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from dharma_crds.base import CrdMeta, CustomResource, PrinterColumn, Scale
from dharma_crds.deployment.spec import Autoscaling, DeploymentSpec, Disruption
from dharma_crds.deployment.status import CheckStatus, DeploymentRevision, DeploymentRevisions, DeploymentStatus, Pin, Rollback
from dharma_crds.deployment.strategy import BlueGreen, Check, Checks, HttpCheck, JobCheck, Preview, PrometheusCheck, Strategy
from dharma_crds.deployment.workload import Binding, EnvironmentSource, EnvironmentVariable, KeyReference, Port, Probe, Probes
from dharma_crds.status import AGE_COLUMN, MESSAGE_COLUMN, READY_COLUMN, REASON_COLUMN

__all__ = [
    "Autoscaling",
    "Binding",
    "BlueGreen",
    "Check",
    "CheckStatus",
    "Checks",
    "DeploymentRevision",
    "DeploymentRevisions",
    "DeploymentSpec",
    "DeploymentStatus",
    "DharmaDeployment",
    "Disruption",
    "EnvironmentSource",
    "EnvironmentVariable",
    "HttpCheck",
    "JobCheck",
    "KeyReference",
    "Pin",
    "Port",
    "Preview",
    "Probe",
    "Probes",
    "PrometheusCheck",
    "Rollback",
    "Strategy",
]


class DharmaDeployment(CustomResource):
    """An application in two colours, of which one serves, with checks around each switch and a way back."""

    crd: ClassVar[CrdMeta] = CrdMeta(
        plural="deployments",
        singular="deployment",
        short_name="dhd",
        scope="Namespaced",
        summary="An application, what it binds to, and how a new version takes over.",
        columns=(
            READY_COLUMN,
            PrinterColumn("Phase", ".status.phase", "The step of a switch."),
            PrinterColumn("Active", ".status.active", "The colour that serves."),
            PrinterColumn("Pods", ".status.ready", "Ready pods of those wanted."),
            PrinterColumn("Environment", ".spec.environment", "The stage it runs in."),
            replace(REASON_COLUMN, wide=True),
            PrinterColumn("Image", ".spec.image", "Container image.", wide=True),
            MESSAGE_COLUMN,
            AGE_COLUMN,
        ),
        selectable=(".spec.environment",),
        scale=Scale(".spec.replicas", ".status.replicas", ".status.selector"),
    )

    kind: Literal["Deployment"] = Field(default="Deployment", description="Always Deployment, of dharma.io and not of apps.")
    spec: DeploymentSpec = Field(description="What is wanted.")
    status: DeploymentStatus = Field(default=DeploymentStatus(), description="What was found and done; written by the operator.")
