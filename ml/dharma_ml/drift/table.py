"""The rows of the rules. Security is asked first, then cost and looks, then availability, whose last row holds for anything.

The first of the three that has a row for a leaf speaks; of its rows the one of the greatest weight counts.
"""

from typing import Final

from dharma_ml.drift.rules import (
    INSECURE,
    Category,
    Rule,
    added,
    became,
    both,
    changed,
    image_moved,
    keyed,
    less,
    more,
    off,
    on,
    removed,
    replaced,
    rule,
    text,
)  # fmt: skip

_S, _A, _C, _X = Category.SECURITY, Category.AVAILABILITY, Category.COST, Category.COSMETIC
_RBAC: Final = "Role ClusterRole"
_BINDING: Final = "RoleBinding ClusterRoleBinding"
_HOOK: Final = "ValidatingWebhookConfiguration MutatingWebhookConfiguration"
_NET: Final = "NetworkPolicy"

SECURITY: Final[tuple[Rule, ...]] = (
    # Pod Security Standards, baseline: ways out of the container.
    rule(_S, 1.0, r"securityContext\.privileged$", on),
    rule(_S, 0.95, r"\.host(Network|PID|IPC)$", on),
    rule(_S, 0.95, r"volumes\[\]\.hostPath", added),
    rule(_S, 0.8, r"volumes\[\]\.hostPath", replaced),
    rule(_S, 0.9, r"capabilities\.add\[\]$", added),
    rule(_S, 0.8, r"(procMount|windowsOptions\.hostProcess)$", changed),
    rule(_S, 0.7, r"securityContext\.sysctls", added),
    rule(_S, 0.75, r"\.hostPort$", added),
    rule(_S, 0.75, r"(seccompProfile|appArmorProfile|seLinuxOptions)", changed),
    rule(_S, 0.75, r"annotations\[\]$", keyed(r"apparmor|seccomp")),
    # Restricted: weaker walls.
    rule(_S, 0.8, r"allowPrivilegeEscalation$", lambda leaf: leaf.before is False or leaf.after is True),
    rule(_S, 0.75, r"capabilities\.drop\[\]$", removed),
    rule(_S, 0.8, r"runAsNonRoot$", lambda leaf: leaf.before is True or leaf.after is False),
    rule(_S, 0.85, r"runAs(User|Group)$", became(0)),
    rule(_S, 0.5, r"(runAs(User|Group)|fsGroup|supplementalGroups\[\])$", changed),
    rule(_S, 0.7, r"readOnlyRootFilesystem$", off),
    rule(_S, 0.65, r"shareProcessNamespace$", on),
    rule(_S, 0.6, r"volumeMounts\[\]\.readOnly$", off),
    rule(_S, 0.9, r"^metadata\.labels\[\]$", keyed(r"^pod-security\.kubernetes\.io/"), "Namespace"),
    # Who a pod is and what runs in it.
    rule(_S, 0.7, r"serviceAccount(Name)?$", changed),
    rule(_S, 0.65, r"automountServiceAccountToken$", lambda leaf: leaf.before is False or leaf.after is True),
    rule(_S, 0.85, r"(^|\.)image$", image_moved),
    rule(_S, 0.8, r"[cC]ontainers\[\]\.(image|name)$", added),
    rule(_S, 0.6, r"volumes\[\]\.(secret|projected)", added),
    rule(_S, 0.6, r"\.(postStart|preStop)\.exec", added),
    rule(_S, 0.6, r"hostAliases", changed),
    rule(_S, 0.75, r"\.(command|args)\[\]$", text(INSECURE)),
    rule(_S, 0.7, r"\.env\[\]\.value$", text(INSECURE)),
    rule(_S, 0.75, r"\.env\[\]\.value$", both(added, keyed(r"passw|secret|token|api_?key|credential"))),
    rule(_S, 0.7, r"^(data|stringData|binaryData)\[\]$", text(INSECURE)),
    rule(_S, 0.7, r"^(data|stringData)\[\]$", changed, "Secret"),
    rule(_S, 0.5, r"imagePullSecrets", added),
    # Who may do what.
    rule(_S, 0.85, r"^rules\[\]\.(verbs|resources|apiGroups|nonResourceURLs)\[\]$", added, _RBAC),
    rule(_S, 1.0, r"^rules\[\]\.\w+\[\]$", became("*"), _RBAC),
    rule(_S, 0.8, r"^rules\[\]\.resourceNames\[\]$", changed, _RBAC),
    rule(_S, 0.8, r"^aggregationRule", changed, _RBAC),
    rule(_S, 0.9, r"^subjects", added, _BINDING),
    rule(_S, 0.85, r"^subjects", replaced, _BINDING),
    rule(_S, 0.95, r"^roleRef", changed, _BINDING),
    rule(_S, 0.85, r"annotations\[\]$", keyed(r"role-arn|gcp-service-account|client-id|workload-identity"), "ServiceAccount"),
    # Who may talk to whom.
    rule(_S, 0.8, r"^spec\.(ingress|egress)\[\]($|\.(from|to|ports))", added, _NET),
    rule(_S, 0.95, r"cidr$", became("0.0.0.0/0", "::/0"), _NET),
    rule(_S, 0.8, r"(cidr|except\[\])$", lambda leaf: leaf.after != leaf.before and (removed(leaf) or replaced(leaf)), _NET),
    rule(_S, 0.85, r"^spec\.policyTypes\[\]$", removed, _NET),
    rule(_S, 0.85, r"^spec\.podSelector", changed, _NET),
    rule(_S, 0.75, r"^spec\.(ingress|egress)\[\]\.(from|to)\b.*elector", changed, _NET),
    rule(_S, 0.75, r"^spec\.type$", became("LoadBalancer", "NodePort"), "Service"),
    rule(_S, 0.8, r"^spec\.(externalIPs|externalName)", changed, "Service"),
    rule(_S, 0.8, r"^spec\.loadBalancerSourceRanges", changed, "Service"),
    rule(_S, 0.75, r"^spec\.tls", removed, "Ingress"),
    rule(
        _S,
        0.75,
        r"annotations\[\]$",
        keyed(r"auth|(white|allow)list|ssl-redirect|backend-protocol|snippet|modsec"),
        "Ingress Service",
    ),
    rule(_S, 0.75, r"failurePolicy$", became("Ignore"), _HOOK),
    rule(_S, 0.8, r"(caBundle|clientConfig\.\w+(\.\w+)?)$", changed, _HOOK),
    rule(_S, 0.75, r"(namespaceSelector|objectSelector|matchConditions)", changed, _HOOK),
    rule(_S, 0.75, r"^webhooks\[\]\.rules", removed, _HOOK),
)

AVAILABILITY: Final[tuple[Rule, ...]] = (
    rule(_A, 0.75, r"^spec\.replicas$", less),
    rule(_A, 0.95, r"^spec\.replicas$", both(less, became(0))),
    rule(_A, 0.65, r"^spec\.(minReplicas|maxReplicas)$", less),
    rule(_A, 0.55, r"^spec\.(metrics|behavior|scaleTargetRef|target)", changed, "HorizontalPodAutoscaler"),
    rule(_A, 0.75, r"^spec\.(minAvailable|maxUnavailable|selector)", changed, "PodDisruptionBudget"),
    rule(_A, 0.7, r"(liveness|readiness|startup)Probe\b", removed),
    rule(_A, 0.6, r"(liveness|readiness|startup)Probe\b", changed),
    rule(_A, 0.65, r"^spec\.(strategy|updateStrategy|podManagementPolicy|minReadySeconds)", changed),
    rule(_A, 0.7, r"resources\.limits\.(memory|cpu)$", less),
    rule(_A, 0.6, r"resources\.requests\.(memory|cpu)$", lambda leaf: less(leaf) or removed(leaf)),
    rule(_A, 0.55, r"resources\.limits\.(memory|cpu)$", removed),
    rule(_A, 0.6, r"(nodeSelector|nodeName|[aA]ffinity|tolerations|topologySpreadConstraints|priorityClassName|schedulerName)", changed),
    rule(_A, 0.55, r"terminationGracePeriodSeconds$", changed),
    rule(_A, 0.55, r"\.lifecycle\.", changed),
    rule(_A, 0.55, r"(^|\.)image$", changed),
    rule(_A, 0.65, r"(^|\.)image$", lambda leaf: str(leaf.after).endswith(":latest") or ":" not in str(leaf.after)),
    rule(_A, 0.5, r"imagePullPolicy$", changed),
    rule(_A, 0.6, r"\.(command|args|workingDir)\b", changed),
    rule(_A, 0.55, r"\.(env|envFrom)\[\]", changed),
    rule(_A, 0.65, r"\.(volumes|volumeMounts)\[\]", changed),
    rule(_A, 0.65, r"[cC]ontainers\[\]\.(image|name|ports)", removed),
    rule(_A, 0.55, r"\.ports\[\]", changed),
    rule(_A, 0.55, r"(dnsPolicy|dnsConfig|hostname|subdomain|restartPolicy|runtimeClassName)", changed),
    rule(_A, 0.85, r"^spec\.(selector|ports)", changed, "Service"),
    rule(_A, 0.55, r"^spec\.", changed, "Service"),
    rule(_A, 0.75, r"^spec\.(rules|defaultBackend|ingressClassName)", changed, "Ingress"),
    rule(_A, 0.6, r"^(data|binaryData)\[\]$", changed, "ConfigMap"),
    rule(_A, 0.75, r"^spec\.suspend$", on),
    rule(_A, 0.6, r"^spec\.(schedule|timeZone|concurrencyPolicy|startingDeadline\w*|jobTemplate\.spec\.(backoffLimit|active))", changed),
    rule(_A, 0.85, r"persistentVolumeReclaimPolicy|persistentVolumeClaimRetentionPolicy", changed),
    rule(_A, 0.65, r"^spec\.(storageClassName|accessModes|volumeName)", changed, "PersistentVolumeClaim"),
    rule(_A, 0.6, r"^metadata\.(finalizers|ownerReferences)", changed),
    rule(_A, 0.6, r"^(rules|subjects)", removed, f"{_RBAC} {_BINDING}"),
    rule(_A, 0.6, r"^spec\.(ingress|egress)", removed, _NET),
    rule(_A, 0.6, r"^spec\.(hard|limits)", less, "ResourceQuota LimitRange"),
    rule(_A, 0.5, r"", changed),  # what no rule knows
)

COST: Final[tuple[Rule, ...]] = (
    rule(_C, 0.5, r"^spec\.(replicas|minReplicas|maxReplicas|parallelism|completions)$", more),
    rule(_C, 0.5, r"resources\.requests\.", lambda leaf: more(leaf) or added(leaf)),
    rule(_C, 0.4, r"resources\.limits\.", lambda leaf: more(leaf) or added(leaf)),
    rule(_C, 0.6, r"resources\.\w+\[\]$", keyed(r"gpu|nvidia|amd|tpu|neuron|fpga", lambda leaf: more(leaf) or added(leaf))),
    rule(_C, 0.5, r"resources\.requests\.storage$", more),
    rule(_C, 0.5, r"sizeLimit$", more),
    rule(_C, 0.5, r"^spec\.(hard|limits)", more, "ResourceQuota LimitRange"),
)

COSMETIC: Final[tuple[Rule, ...]] = (
    rule(_X, 0.12, r"metadata\.(labels|annotations)\[\]$"),
    rule(_X, 0.12, r"(revisionHistoryLimit|HistoryLimit|terminationMessage\w+|description|displayName|ttlSecondsAfterFinished)$"),
)
