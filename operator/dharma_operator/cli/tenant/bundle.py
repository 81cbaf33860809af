"""The bundle of a Tenant: one JSON document with what people wrote of it, the same bytes for the same content.

JSON and not YAML, since a YAML writer's line breaks and quotes differ between versions and platforms.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from dharma_crds import API_VERSION
from dharma_crds.kinds import KINDS
from dharma_handlers.outcome import Manifest
from dharma_operator.cli.cluster import CliError
from dharma_operator.kube.wire import Json, is_list, is_map
from dharma_operator.store import part

KIND: Final = "TenantBundle"
SCHEMA_VERSION: Final = 1
ORDER: Final = tuple(KINDS)
"""Kinds in the order in which they depend on each other: Tenant, Blueprint, Deployment, Backup."""
_KEYS: Final = frozenset({"kind", "schemaVersion", "checksum", "objects"})
_METADATA: Final = frozenset({"name", "namespace", "labels", "annotations"})
_NOT_PEOPLES: Final = ("kubectl.kubernetes.io/", "dharma.io/")
"""Prefixes of annotations that tools write, or that decide about one moment of one object (`dharma.io/promote`)."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A Tenant and the objects of its namespaces, as people wrote them, in the order in which they depend on each other."""

    tenant: Manifest
    objects: tuple[Manifest, ...] = ()


def reduced(live: Mapping[str, Any]) -> Manifest:
    """Return what people wrote of a live object: its name, labels, annotations, and spec."""
    metadata: Mapping[str, Any] = live["metadata"]
    kept: Manifest = {name: metadata[name] for name in ("name", "namespace") if metadata.get(name)}
    if labels := part(metadata, "labels"):
        kept["labels"] = dict(labels)
    annotations = {name: text for name, text in part(metadata, "annotations").items() if by_people(name)}
    if annotations:
        kept["annotations"] = annotations
    return {"apiVersion": API_VERSION, "kind": live["kind"], "metadata": kept, "spec": live["spec"]}


def by_people(annotation: str) -> bool:
    """Tell whether an annotation of that name goes with the object."""
    return not annotation.startswith(_NOT_PEOPLES)


def place(manifest: Mapping[str, Any]) -> tuple[int, str, str]:
    """Return the place of an object among others: kinds by dependency, then namespace and name."""
    metadata: Mapping[str, Any] = manifest["metadata"]
    return ORDER.index(manifest["kind"]), metadata.get("namespace", ""), metadata["name"]


def render(tenant: Mapping[str, Any], objects: Iterable[Mapping[str, Any]]) -> str:
    """Write the bundle of a Tenant and the live objects of its namespaces, in whatever order they come."""
    content = [reduced(tenant), *sorted((reduced(one) for one in objects), key=place)]
    document = {"kind": KIND, "schemaVersion": SCHEMA_VERSION, "checksum": _checksum(content), "objects": content}
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def parse(data: bytes) -> Bundle:
    """Read a bundle and verify it. Raises CliError when it is of another version, was changed, or holds what no bundle holds."""
    try:
        document: Json = json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise CliError(f"This is no bundle: it cannot be read as JSON ({error}); export it again.") from error
    if not is_map(document) or document.get("kind") != KIND:
        raise CliError(f"This is no bundle of a Tenant: kind is not {KIND}; make one with dharma tenant export.")
    version = document.get("schemaVersion")
    if version != SCHEMA_VERSION or isinstance(version, (bool, float)):
        raise CliError(f"The bundle has schemaVersion {version} and this dharma reads {SCHEMA_VERSION}; use the dharma that wrote it.")
    if document.keys() != _KEYS:
        listed = ", ".join(sorted(document.keys() ^ _KEYS))
        raise CliError(f"The bundle was changed after it was exported: these keys are too many or missing: {listed}; export it again.")
    content = document["objects"]
    found = _checksum(content)
    if document["checksum"] != found:
        raise CliError(
            f"The bundle was changed after it was exported: checksum says {document['checksum']}, its content has {found}; export it again."
        )
    return _bundle(content)


def _bundle(content: Json) -> Bundle:
    """Look at each object: a checksum says that nothing was changed, not that a bundle's objects are in it."""
    if not is_list(content) or not content:
        raise CliError("The bundle holds no objects; export it again.")
    for one in content:
        _known(one)
    tenant, *objects = content
    others = [one for one in objects if one["kind"] == "Tenant"]
    if tenant["kind"] != "Tenant" or others:
        raise CliError("The bundle must hold one Tenant, before all other objects; export it again.")
    places = [place(one) for one in content]
    if places != sorted(set(places)):
        raise CliError("The objects in the bundle are not in order, or one is there twice; export it again.")
    try:
        namespaces = set(namespaces_of(tenant).values())
    except (AttributeError, KeyError, TypeError):
        raise CliError("spec.projects of the Tenant in the bundle is no list of projects; export it again.") from None
    for one in objects:
        if one["metadata"].get("namespace") not in namespaces:
            raise CliError(f"{label(one)} is in no namespace of Tenant {tenant['metadata']['name']}; a bundle holds nothing else.")
    return Bundle(tenant, tuple(objects))


def _known(one: Json) -> None:
    if not (is_map(one) and one.get("kind") in KINDS and one.get("apiVersion") == API_VERSION):
        raise CliError(f"The bundle holds something else than {', '.join(ORDER)} of {API_VERSION}; it is not taken.")
    metadata = one.get("metadata")
    well_formed = (
        one.keys() == {"apiVersion", "kind", "metadata", "spec"}
        and is_map(one["spec"])
        and is_map(metadata)
        and all(is_map(metadata.get(name, {})) for name in ("labels", "annotations"))
        and metadata.keys() <= _METADATA
        and all(isinstance(metadata.get(name, "-"), str) for name in ("name", "namespace"))
        and metadata.get("name")
        and KINDS[one["kind"]].namespaced == ("namespace" in metadata)
    )
    if not well_formed:
        raise CliError(f"A {one['kind']} in the bundle has fields that no exported object has, or lacks some; export it again.")


def namespaces_of(tenant: Mapping[str, Any]) -> dict[str, str]:
    """Return the namespace that the spec asks for, by project."""
    name = tenant["metadata"]["name"]
    projects: Iterable[Mapping[str, str]] = tenant["spec"].get("projects") or ()
    return {one["name"]: one.get("namespace") or f"{name}-{one['name']}" for one in projects}


def label(manifest: Mapping[str, Any]) -> str:
    """Name an object for people: `Blueprint acme-shop/shop`."""
    metadata: Mapping[str, Any] = manifest["metadata"]
    where = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{manifest['kind']} {where}{metadata['name']}"


def _checksum(content: Json) -> str:
    """Digest the objects, whatever spaces and line breaks stand between their parts."""
    sealed = {"kind": KIND, "schemaVersion": SCHEMA_VERSION, "objects": content}
    text = json.dumps(sealed, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that stands twice in one object: readers disagree about which one counts."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        _refuse(text)
    return number


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")
