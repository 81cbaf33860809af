"""Laying one manifest over another, as `podTemplate` lies over the pod template."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from dharma_handlers.outcome import Manifest


def overlay(base: Mapping[str, Any], over: Mapping[str, Any]) -> Manifest:
    """Return `base` with `over` on top. Maps are merged, lists of named items by name, anything else is replaced; null removes."""
    merged: Manifest = dict(base)
    for key, value in over.items():
        merged[key] = _merged(base.get(key), value)
    return {key: value for key, value in merged.items() if value is not None}


def _merged(under: Any, over: Any) -> object:  # noqa: ANN401 (what YAML can hold)
    if isinstance(under, Mapping) and isinstance(over, Mapping):
        return overlay(cast("Manifest", under), cast("Manifest", over))
    below, above = _named(under), _named(over)
    if below is None or above is None:
        return over
    return [*(overlay(item, above.get(name, {})) for name, item in below.items()), *(above[name] for name in above if name not in below)]


def _named(value: Any) -> dict[str, Manifest] | None:  # noqa: ANN401 (what YAML can hold)
    """Return a list of named maps by name; None for anything else."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return None
    items = cast("Sequence[object]", value)
    maps = [cast("Manifest", item) for item in items if isinstance(item, Mapping) and "name" in item]
    return {str(item["name"]): item for item in maps} if len(maps) == len(items) else None
