"""Names of everything that a Deployment is made of, and the labels by which its pods are found."""

from dataclasses import dataclass
from typing import Final

from dharma_handlers import labels

NOTHING: Final = "none"
"""Revision that a Service selects before the first version has taken over: no pod carries it."""
LONGEST_NAME: Final = 52
"""`<name>-<hash>` names pods' owner, `<name>-preview` a Service: both must stay DNS labels."""


@dataclass(frozen=True, slots=True)
class Names:
    """Names of one Deployment's objects."""

    deployment: str

    @property
    def service(self) -> str:
        """Service of the version that serves; also the name of the PodDisruptionBudget and of the autoscaler."""
        return self.deployment

    @property
    def preview(self) -> str:
        """Service of the version that is made ready; that of the serving one while there is none."""
        return f"{self.deployment}-preview"

    def replica_set(self, revision: str) -> str:
        """ReplicaSet of one version."""
        return f"{self.deployment}-{revision}"

    def selector(self, revision: str) -> dict[str, str]:
        """Labels that the pods of one version, and no others, carry."""
        return {labels.DEPLOYMENT: self.deployment, labels.REVISION: revision}

    @property
    def everyone(self) -> dict[str, str]:
        """Labels that the pods of all versions carry."""
        return {labels.DEPLOYMENT: self.deployment}

    @property
    def labels(self) -> dict[str, str]:
        """Labels of all objects and pods."""
        return {
            labels.NAME: self.deployment,
            labels.INSTANCE: self.deployment,
            labels.MANAGED_BY: labels.MANAGER,
            labels.PART_OF: labels.MANAGER,
            labels.DEPLOYMENT: self.deployment,
        }
