"""What is no drift: defaults that the API server fills in, bookkeeping, and controllers that write the fields they own.

A manager's name is what a client calls itself. So it excuses only the field that this controller exists for,
and a value that it may set there.
"""

import re
from typing import Final

from dharma_ml.drift.changes import Json, Leaf
from dharma_ml.drift.rules import Category, Rule, changed, keyed, rule

_B = Category.BENIGN

BOOKKEEPING: Final[tuple[Rule, ...]] = (
    rule(_B, 0.0, r"^status\b"),
    rule(_B, 0.0, r"^metadata\.(resourceVersion|generation|uid|creationTimestamp|managedFields|selfLink|deletionGracePeriodSeconds)"),
    rule(
        _B,
        0.0,
        r"metadata\.annotations\[\]$",
        lambda leaf: (
            re.match(
                r"kubectl\.kubernetes\.io/(last-applied-configuration|restartedAt)$|deployment\.kubernetes\.io/|pv\.kubernetes\.io/"
                r"|volume\.(beta\.)?kubernetes\.io/|autoscaling\.alpha\.kubernetes\.io/|control-plane\.alpha\.kubernetes\.io/"
                r"|endpoints\.kubernetes\.io/|meta\.helm\.sh/|argocd\.argoproj\.io/tracking-id",
                leaf.key,
            )
            is not None
        ),
    ),
    rule(_B, 0.0, r"^metadata\.labels\[\]$", keyed(r"^(kubernetes\.io/metadata\.name|controller-uid|pod-template-hash)$")),
)


def _some(leaf: Leaf) -> bool:
    """Tell whether there is still at least one: an autoscaler does not go to nothing by itself."""
    return bool(leaf.after)


OWNED: Final[tuple[tuple[re.Pattern[str], Rule], ...]] = tuple(
    (re.compile(manager), owned)
    for manager, owned in (
        (
            r"horizontal-pod-autoscaler|keda|kube-controller-manager",
            rule(_B, 0.0, r"^spec\.replicas$", _some),
        ),
        (r"kube-controller-manager", rule(_B, 0.0, r"^spec\.(volumeName|claimRef)", kinds="PersistentVolumeClaim PersistentVolume")),
        (r"kube-controller-manager|service-?controller|cloud-controller", rule(_B, 0.0, r"(nodePort|healthCheckNodePort|finalizers\[\])$")),
        (r"kube-controller-manager", rule(_B, 0.0, r"^metadata\.(finalizers|ownerReferences)")),
        (r"kube-controller-manager", rule(_B, 0.0, r"^(secrets|imagePullSecrets)", kinds="ServiceAccount")),
        (r"clusterrole-aggregation-controller|kube-controller-manager", rule(_B, 0.0, r"^rules", kinds="ClusterRole")),
        (r"cainjector|cert-manager", rule(_B, 0.0, r"caBundle$")),
        (r"vpa-(updater|admission)|vertical-pod-autoscaler", rule(_B, 0.0, r"resources\.(requests|limits)\.(cpu|memory)$")),
        (r"sidecar-injector|istiod|linkerd|vault-agent-injector", rule(_B, 0.0, r"[cC]ontainers\[\]\.", changed)),
        (r"external-dns|cert-manager", rule(_B, 0.0, r"^metadata\.annotations\[\]$")),
        (r"csi-\w+|external-provisioner|external-resizer", rule(_B, 0.0, r"^(spec\.resources\.requests\.storage|metadata\.)")),
    )
)
"""Manager, and what it may do. An injector may only touch containers of its own name: see `INJECTED`."""
INJECTED: Final = re.compile(r"^(istio|linkerd|vault|envoy)[-\w]*$")

DEFAULTS: Final[tuple[tuple[re.Pattern[str], tuple[Json, ...]], ...]] = tuple(
    (re.compile(path), values)
    for path, values in (
        (r"\.(restartPolicy|concurrencyPolicy)$", ("Always", "Allow")),
        (r"\.dnsPolicy$", ("ClusterFirst",)),
        (r"\.schedulerName$", ("default-scheduler",)),
        (r"\.terminationGracePeriodSeconds$", (30,)),
        (r"\.terminationMessagePath$", ("/dev/termination-log",)),
        (r"\.terminationMessagePolicy$", ("File",)),
        (r"\.imagePullPolicy$", ("IfNotPresent", "Always")),
        (r"\.protocol$", ("TCP",)),
        (r"Probe\.(failureThreshold|periodSeconds|timeoutSeconds|successThreshold|httpGet\.scheme)$", (3, 10, 1, "HTTP")),
        (
            r"^spec\.(revisionHistoryLimit|progressDeadlineSeconds|replicas|(successful|failed)JobsHistoryLimit)$",
            (10, 600, 1, 3),
        ),
        (r"^spec\.(strategy|updateStrategy)\.", ("RollingUpdate", "25%", 1, 0)),
        (r"^spec\.podManagementPolicy$", ("OrderedReady",)),
        (r"^spec\.persistentVolumeClaimRetentionPolicy\.", ("Retain",)),
        (
            r"^spec\.(sessionAffinity|type|\w+TrafficPolicy|ipFamilyPolicy)$",
            ("None", "ClusterIP", "Cluster", "SingleStack"),
        ),
        (r"^spec\.ipFamilies\[\]$", ("IPv4", "IPv6")),
        (r"(defaultMode|volumeMode)$", (420, "Filesystem")),
        (
            r"\.(host(Network|PID|IPC)|privileged|readOnly\w*|suspend|publishNotReadyAddresses|optional)$",
            (False,),
        ),
        (r"\.enableServiceLinks$", (True,)),
        (r"pathType$", ("ImplementationSpecific",)),
        (r"targetPort$", ()),
        (r"(matchPolicy|failurePolicy|reinvocationPolicy|scope|timeoutSeconds)$", ("Equivalent", "Fail", "Never", "*", 10)),
        (r"\.(apiGroup|apiVersion)$", ("rbac.authorization.k8s.io", "v1")),
    )
)
"""What the API server fills in where nothing was said. Source: the defaults in the Kubernetes API reference."""
ASSIGNED: Final = re.compile(r"^spec\.(clusterIPs?|clusterIPs\[\]|volumeName|ports\[\]\.nodePort)$")
"""What the API server chooses itself where nothing was said."""


def is_benign(kind: str, leaf: Leaf, manager: str) -> bool:
    """Tell whether a leaf is a default, bookkeeping, or a controller's own field."""
    if any(one.holds(kind, leaf) for one in BOOKKEEPING):
        return True
    if leaf.before is None and (_defaulted(leaf) or (ASSIGNED.search(leaf.path) is not None and leaf.after is not None)):
        return True
    return any(name.search(manager) and owned.holds(kind, leaf) and _own(leaf) for name, owned in OWNED)


def _defaulted(leaf: Leaf) -> bool:
    return any(path.search(leaf.path) and any(_equal(leaf.after, value) for value in values) for path, values in DEFAULTS)


def _equal(one: Json, other: Json) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _own(leaf: Leaf) -> bool:
    """Tell whether an injector stays with what is its own: additions, and nothing that opens the container."""
    container = re.search(r"ontainers\[([^\]]*)\]", leaf.full)
    if container is None or "resources" in leaf.path:
        return True
    opens = re.search(r"privileged$|hostPort$|capabilities\.add|runAsUser$", leaf.path)
    return leaf.before is None and opens is None and INJECTED.match(container[1]) is not None
