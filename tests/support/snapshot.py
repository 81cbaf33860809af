"""The state of a namespace, object by object, without what differs from run to run: to compare one run's end with another's."""

import asyncio
import difflib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from dharma_operator.kube import resources
from dharma_operator.kube.client import Client
from dharma_operator.kube.resources import MANAGED_BY, MANAGED_BY_LABEL, Resource

KINDS = (
    resources.BACKUP, resources.BLUEPRINT, resources.CONFIG_MAP, resources.DEPLOYMENT, resources.DHARMA_DEPLOYMENT,
    resources.HORIZONTAL_POD_AUTOSCALER, resources.LIMIT_RANGE, resources.NETWORK_POLICY, resources.PERSISTENT_VOLUME_CLAIM,
    resources.POD_DISRUPTION_BUDGET, resources.RESOURCE_QUOTA, resources.ROLE, resources.ROLE_BINDING, resources.SECRET, resources.SERVICE,
    resources.SERVICE_ACCOUNT, resources.STATEFUL_SET,
)  # fmt: skip
"""What is compared. Pods, ReplicaSets, EndpointSlices and Leases are others' work and have random names."""

Snapshot = Mapping[str, Any]
"""`Kind name` of each object, and its masked content."""

_ANOTHER_EACH_TIME = {"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink", "observedGeneration"}
_ASSIGNED = {"clusterIP", "clusterIPs", "nodePort", "healthCheckNodePort", "volumeName"}
_HASHES = re.compile(r"(checksum|hash|digest|revision)", re.IGNORECASE)
_SERVER_ANNOTATIONS = re.compile(r"^(pv\.kubernetes\.io|volume\.(beta\.)?kubernetes\.io|deployment\.kubernetes\.io)/")
_OWNERS = {resource.kind for resource in resources.OWNERS}


async def snapshot(client: Client, namespace: str, kinds: Iterable[Resource] = KINDS) -> Snapshot:
    """Read the namespace now."""
    objects = await objects_in(client, namespace, kinds)
    return {f"{item['apiVersion']} {item['kind']} {item['metadata']['name']}": masked(item, namespace) for item in objects}


async def objects_in(client: Client, namespace: str, kinds: Iterable[Resource] = KINDS) -> list[dict[str, Any]]:
    """All that is compared of a namespace, as it is."""
    listings = await asyncio.gather(*(client.list(kind, namespace) for kind in kinds))
    return [item for listing in listings for item in listing.items]


def difference(reference: Snapshot, other: Snapshot) -> str:
    """The difference of two snapshots, as a unified diff; empty when there is none."""
    before, after = (yaml.safe_dump(dict(state), sort_keys=True).splitlines() for state in (reference, other))
    return "\n".join(difflib.unified_diff(before, after, "reference", "this run", lineterm="", n=12))


def masked(item: dict[str, Any], name: str) -> Any:
    """An object without what differs from run to run, as `name` does: its namespace, or another name that stands in it."""
    kept = {key: value for key, value in item.items() if key not in {"apiVersion", "kind"}}
    if item["kind"] == "Secret":
        kept["data"] = dict.fromkeys(item.get("data") or {}, "<secret>")
    elif item["kind"] == "ConfigMap" and (item["metadata"].get("labels") or {}).get(MANAGED_BY_LABEL) != MANAGED_BY:
        kept = {"metadata": {"name": item["metadata"]["name"]}}  # others write into it all the time
    kept["status"] = _masked_status(item.get("status") or {}) if item["kind"] in _OWNERS else None
    text = json.dumps(_walk(kept)).replace(name, "<namespace>")
    return json.loads(text)


def _walk(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _mask_member(key, member) for key, member in value.items() if key not in _ANOTHER_EACH_TIME | _ASSIGNED}
    return [_walk(item) for item in value] if isinstance(value, list) else value


def _mask_member(key: str, value: Any) -> Any:
    if key == "annotations" and isinstance(value, dict):
        return {name: "<hash>" if _HASHES.search(name) else text for name, text in value.items() if not _SERVER_ANNOTATIONS.match(name)}
    if key == "ownerReferences":  # whose order is that of uids, another each time
        return sorted((_walk(reference) for reference in value), key=lambda reference: (reference["kind"], reference["name"]))
    if isinstance(value, str) and _HASHES.search(key):
        return "<hash>"
    return _walk(value)


def _masked_status(status: dict[str, Any]) -> dict[str, Any]:
    """Conditions and components without times and words, for words may tell of the way; drift not at all, since a crash may leave some."""
    conditions = [{key: condition.get(key) for key in ("type", "status", "reason")} for condition in status.get("conditions") or ()]
    rest = {key: value for key, value in status.items() if key not in {"conditions", "drift"}}
    if "components" in rest:
        rest["components"] = [{**component, "message": "<words>"} for component in rest["components"]]
    return {**rest, "conditions": sorted(conditions, key=lambda condition: condition["type"])}
