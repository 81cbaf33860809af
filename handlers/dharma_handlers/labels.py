"""Labels and annotations that the operator puts on children, each spelt here only."""

from typing import Final

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGER: Final = "iac-dharma"
PART_OF: Final = "app.kubernetes.io/part-of"
NAME: Final = "app.kubernetes.io/name"
INSTANCE: Final = "app.kubernetes.io/instance"

BLUEPRINT: Final = "dharma.io/blueprint"
DEPLOYMENT: Final = "dharma.io/deployment"
REVISION: Final = "dharma.io/revision"
"""On a Deployment's ReplicaSets and pods: the digest of the version that they run."""
COLOR: Final = "dharma.io/color"
"""On a Deployment's ReplicaSets: Blue or Green, for people; nothing selects by it."""
COMPONENT: Final = "dharma.io/component"
USER: Final = "dharma.io/user"
"""On a connection Secret: the user it is for."""
TENANT: Final = "dharma.io/tenant"
PROJECT: Final = "dharma.io/project"
ROLE: Final = "dharma.io/role"
"""On a pod that holds data: `primary` or `replica`. Patroni keeps it on Postgres, the operator on Redis."""

CONFIG_HASH: Final = "dharma.io/config-hash"
"""Annotation of a live pod: the mounted configuration it was last told to fetch."""

SERVICE_ACCOUNT: Final = "dharma.io/service-account"
"""Annotation of a pod template: uid of the ServiceAccount that was made anew under it."""

NAMESPACE_NAME: Final = "kubernetes.io/metadata.name"
POD_NAME: Final = "statefulset.kubernetes.io/pod-name"
