"""A person's decisions about a Deployment: annotations that name a version, and what may be named."""

import time
from dataclasses import dataclass

from dharma_handlers.deployment.parts import part
from dharma_handlers.deployment.revision import hash_on
from dharma_operator.cli.cluster import CliError, Cluster, Manifest
from dharma_operator.cli.target import GROUP

WORDS = {"dhd", "deployment", "deployments", "deployments.dharma.io"}
PROMOTE, ABORT, ROLLBACK_TO, RESTART = (f"dharma.io/{word}" for word in ("promote", "abort", "rollback-to", "restart"))
_AT_REST = {"Idle", "Degraded", ""}
_FORGET_SECONDS = 15.0


def deployment(cluster: Cluster, target: str) -> Manifest:
    """Return the Deployment that a person named: `dhd/web` or `web`. Raises CliError when there is none."""
    kind, separator, name = target.rpartition("/")
    if separator and kind.lower() not in WORDS:
        raise CliError(f'"{kind}" is not a Deployment of dharma.io; write dhd/{name}.')
    found = cluster.get(_path(cluster, name))
    if found is None:
        raise CliError(f'There is no Deployment "{name}" of dharma.io in namespace {cluster.namespace}; another namespace? Use -n.')
    return found


def to_promote(found: Manifest) -> str:
    """Return the version that waits for a yes. Raises CliError when none does."""
    if _phase(found) != "AwaitPromotion":
        raise CliError(f"{_name(found)} does not wait for a promotion: it is in {_phase(found)}.")
    return _revision(found, "target")


def to_abort(found: Manifest) -> str:
    """Return the version under way, or that has just taken over. Raises CliError when nothing is under way."""
    if _phase(found) in _AT_REST:
        raise CliError(f"Nothing is under way in {_name(found)}; to go back to an older version: dharma undo {_name(found)}")
    return _revision(found, "target")


@dataclass(frozen=True)
class Version:
    """One line of the history."""

    hash: str
    image: str
    made: str
    pods: int
    role: str
    """Active, target, refused, or empty."""


def history(cluster: Cluster, found: Manifest) -> list[Version]:
    """Return the versions that are kept, the newest first."""
    name = found["metadata"]["name"]
    sets = cluster.list(f"/apis/apps/v1/namespaces/{cluster.namespace}/replicasets", f"dharma.io/deployment={name}")
    sets.sort(key=lambda item: str(item["metadata"]["creationTimestamp"]), reverse=True)
    return [_version(found, item) for item in sets]


def to_go_back_to(versions: list[Version], found: Manifest, wish: str | None) -> str:
    """Return the version to go back to: the wish, or the one before. Raises CliError when it is not kept."""
    if wish is not None:
        matching = [version.hash for version in versions if version.hash.startswith(wish)]
        if len(matching) != 1:
            raise CliError(f"{wish} names {len(matching)} of the versions that are kept; see: dharma history {_name(found)}")
        return matching[0]
    before = _revision(found, "previous")
    others = [version.hash for version in versions if version.role == ""]
    if before in others:
        return before
    if not others:
        raise CliError(f"There is no older version of {_name(found)} to go back to.")
    return others[0]


def decide(cluster: Cluster, found: Manifest, annotation: str, value: str) -> None:
    """Set an annotation. One that says the same already, and may be spent, is taken away first."""
    path = _path(cluster, found["metadata"]["name"])
    if annotation == ROLLBACK_TO and part(found, "metadata", "annotations").get(annotation) == value:
        _annotate(cluster, path, annotation, None)
        until = time.monotonic() + _FORGET_SECONDS
        while part(cluster.get(path) or {}, "status").get("pinned") and time.monotonic() < until:
            time.sleep(0.2)
    _annotate(cluster, path, annotation, value)


def _annotate(cluster: Cluster, path: str, annotation: str, value: str | None) -> None:
    cluster.request("PATCH", path, body={"metadata": {"annotations": {annotation: value}}}, content="application/merge-patch+json")


def _path(cluster: Cluster, name: str) -> str:
    return f"{GROUP}/namespaces/{cluster.namespace}/deployments/{name}"


def _phase(found: Manifest) -> str:
    return str(part(found, "status").get("phase", ""))


def _name(found: Manifest) -> str:
    return f"dhd/{found['metadata']['name']}"


def _revision(found: Manifest, which: str) -> str:
    return str(part(found, "status", "revisions", which).get("hash", ""))


def _version(found: Manifest, item: Manifest) -> Version:
    version = hash_on(item)
    refused = version in part(found, "status").get("refused", ())
    role = next((which for which in ("active", "target") if _revision(found, which) == version), "refused" if refused else "")
    template = item["spec"]["template"]["spec"]["containers"]
    image = next((str(container["image"]) for container in template if container["name"] == "app"), "")
    return Version(version, image, str(item["metadata"]["creationTimestamp"]), int(part(item, "status").get("replicas", 0)), role)
