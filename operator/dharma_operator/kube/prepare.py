"""Wanted objects in the server's own spelling, where another spelling would be lost or owned wrongly on the way."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, cast

from dharma_handlers.outcome import Manifest
from dharma_operator.kube.wire import Json, is_map

_KEPT_ONLY_WHEN_FILLED = frozenset(
    {"annotations", "data", "default", "defaultRequest", "labels", "limits", "matchLabels", "max", "min", "nodeSelector", "requests",
     "containers", "env", "finalizers", "hostAliases", "imagePullSecrets", "initContainers", "ownerReferences", "ports", "secrets",
     "topologySpreadConstraints", "volumeMounts", "volumes"}
)  # fmt: skip
"""Maps whose members, and lists whose items, have owners of their own. Empty, they say nothing, but would be owned, or fought over."""


def prepared(manifest: Mapping[str, Any]) -> Manifest:
    """Return the object as it is sent and compared.

    That is without nulls and without empty maps and lists of which the server keeps no trace, Secrets with `data` only, LimitRanges with
    the server's defaults.
    """
    clean: Manifest = _clean(manifest)
    if clean.get("kind") == "Secret" and "stringData" in clean:
        texts: dict[str, str] = clean.pop("stringData")
        clean["data"] = {**clean.get("data", {}), **{key: b64encode(text.encode()).decode() for key, text in texts.items()}}
    if clean.get("kind") == "LimitRange":
        for item in clean.get("spec", {}).get("limits", ()):
            _fill_limits(item)
    return clean


def _clean(value: Json) -> Json:
    """Run for each value of each object in each reconcile: therefore one loop, which goes down only where there is something below."""
    if is_map(value):
        cleaned: Manifest = {}
        for key, member in value.items():
            if isinstance(member, (dict, list, tuple)):
                below = _clean(cast("Json", member))
                if below or key not in _KEPT_ONLY_WHEN_FILLED:
                    cleaned[key] = below
            elif member is not None:
                cleaned[key] = member
        return cleaned
    if isinstance(value, (list, tuple)):
        return [_clean(item) for item in cast("Sequence[Json]", value)]
    return value


def _fill_limits(item: Manifest) -> None:
    """Fill a container's `default` from `max`, its `defaultRequest` from `default`, then `min`, each resource by itself."""
    if item.get("type") != "Container":
        return
    default = {**item.get("max", {}), **item.get("default", {})}
    request = {**item.get("min", {}), **default, **item.get("defaultRequest", {})}
    if default:
        item["default"] = default
    if request:
        item["defaultRequest"] = request
