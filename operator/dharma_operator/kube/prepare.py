"""Wanted objects in the server's own spelling, where another spelling would be lost or owned wrongly on the way."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, cast

from dharma_handlers.outcome import Manifest
from dharma_operator.kube.wire import Json, is_map


def prepared(manifest: Mapping[str, Any]) -> Manifest:
    """Return the object as it is sent and compared: without nulls, Secrets with `data` only, LimitRanges with the server's defaults."""
    clean: Manifest = _without_nulls(manifest)
    if clean.get("kind") == "Secret" and "stringData" in clean:
        texts: dict[str, str] = clean.pop("stringData")
        clean["data"] = {**clean.get("data", {}), **{key: b64encode(text.encode()).decode() for key, text in texts.items()}}
    if clean.get("kind") == "LimitRange":
        for item in clean.get("spec", {}).get("limits", ()):
            _fill_limits(item)
    return clean


def _without_nulls(value: Json) -> Json:
    if is_map(value):
        return {key: _without_nulls(member) for key, member in value.items() if member is not None}
    if isinstance(value, (list, tuple)):
        return [_without_nulls(item) for item in cast("Sequence[Json]", value)]
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
