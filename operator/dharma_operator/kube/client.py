"""The Kubernetes API client: JSON in, JSON out, over one pool of connections. See `session.py` for retries and logins."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from dharma_handlers.outcome import Manifest

from dharma_operator.kube.auth import Login, login
from dharma_operator.kube.crashpoints import WriteLog
from dharma_operator.kube.resources import FIELD_MANAGER, ObjectKey, Resource

OnRequest = Callable[[str, int, float], None]
"""Told of each request: verb (get, list, watch, apply, create, patch, delete), HTTP code (0: no answer), seconds until the answer's head."""


@dataclass(frozen=True, slots=True)
class Listing:
    """All objects of one kind at one moment."""

    items: list[Manifest]
    resource_version: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A watch's first word, and its word after it fell too far behind: these objects are there, and no others."""

    items: list[Manifest]
    resource_version: str


@dataclass(frozen=True, slots=True)
class Changed:
    """One object was added, modified or deleted."""

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    object: Manifest
    """For DELETED: its last state, with the resourceVersion of the deletion."""


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Nothing changed, and everything up to this resource version has been told."""

    resource_version: str


WatchItem = Listed | Changed | Bookmark


class Client:
    """The API server, as one user of it. An async context manager; all methods may run at the same time.

    Each method raises the errors of `errors.py`; requests that were answered by 429 or 5xx, or not at all, have then been repeated
    for a while. Objects carry `apiVersion` and `kind`, also those of a list.
    """

    def __init__(
        self,
        login: Login = login,
        *,
        manager: str = FIELD_MANAGER,
        on_request: OnRequest | None = None,
        write_log: WriteLog | None = None,
        connections: int = 64,
    ) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...

    async def get(self, key: ObjectKey) -> Manifest | None:
        """Read one object. None when it does not exist."""

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 500,
        trim: Callable[[Manifest], Manifest] | None = None,
    ) -> Listing:
        """Read all objects of a kind, of all namespaces if none is given, in pages of `limit`; `trim` is applied to each as it arrives."""

    def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        trim: Callable[[Manifest], Manifest] | None = None,
    ) -> AsyncIterator[WatchItem]:
        """List, then tell every change, without end: lost connections are renewed, and where that loses changes, `Listed` comes again.

        Raises Forbidden, NotFound (the kind is not served), Unauthorized and Invalid; waits out everything else.
        """

    async def apply(self, manifest: Manifest, *, force: bool = True, dry_run: bool = False) -> Manifest:
        """Apply on the server's side, owning exactly the fields in `manifest`. Returns the whole object.

        With `metadata.uid` in it, only that very object is changed and none is made: Conflict otherwise. Without `force`, Conflict too
        when another manager has set a field to another value.
        """

    async def create(self, manifest: Manifest) -> Manifest:
        """Create an object. Raises AlreadyExists."""

    async def patch(
        self,
        key: ObjectKey,
        body: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        subresource: str | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> Manifest:
        """Patch: a mapping is a merge patch, a sequence a JSON patch. Raises NotFound; Conflict when uid or resource version is another."""

    async def patch_status(self, key: ObjectKey, status: Mapping[str, Any], *, uid: str | None = None, resource_version: str | None = None) -> Manifest:
        """Merge `status` into the object's status: None removes a field, lists are replaced whole. Raises as `patch` does."""

    async def delete(self, key: ObjectKey, *, uid: str | None = None, propagation: Literal["Background", "Foreground", "Orphan"] = "Background") -> bool:
        """Delete. False when there was nothing to delete. Raises Conflict when the object of that name has another uid."""

    async def version(self) -> str:
        """Version of the API server, `v1.37.2`."""

    async def request(self, verb: str, method: str, path: str, **options: Any) -> Any:
        """Send any other request and return its JSON."""
