"""Rights of a component's pods: Patroni's, for its leader election."""

from collections.abc import Iterable

from dharma_handlers.blueprint.scope import Scope
from dharma_handlers.outcome import Manifest

_GROUP = "rbac.authorization.k8s.io"
_MOST_INSTANCES = 9
"""As the schema has it: rights on pods by name need not change when a component is scaled."""


def patroni_access(scope: Scope) -> list[Manifest]:
    """Build the ServiceAccount of a Postgres component's pods, and its rights: its own ConfigMaps and the labels of its own pods."""
    name = scope.names.base
    rules = [
        _rule("configmaps", ["get", "patch", "update", "delete"], scope.names.patroni),
        # No name can be given for these: lists and watches go by label. Nor may it make any: they are there before it, and when the
        # garbage collector has taken them after the Blueprint, a Patroni that still runs must not bring one back for ever.
        _rule("configmaps", ["list", "watch"]),
        _rule("pods", ["get", "patch"], [scope.names.pod(ordinal) for ordinal in range(_MOST_INSTANCES)]),
        _rule("pods", ["list", "watch"]),
    ]
    subject = {"kind": "ServiceAccount", "name": name, "namespace": scope.namespace}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": scope.metadata(name), "automountServiceAccountToken": False},
        {"apiVersion": f"{_GROUP}/v1", "kind": "Role", "metadata": scope.metadata(name), "rules": rules},
        {
            "apiVersion": f"{_GROUP}/v1",
            "kind": "RoleBinding",
            "metadata": scope.metadata(name),
            "roleRef": {"apiGroup": _GROUP, "kind": "Role", "name": name},
            "subjects": [subject],
        },
    ]


def _rule(resource: str, verbs: list[str], names: Iterable[str] = ()) -> Manifest:
    rule: Manifest = {"apiGroups": [""], "resources": [resource], "verbs": verbs}
    listed = list(names)
    if listed:
        rule["resourceNames"] = listed
    return rule
