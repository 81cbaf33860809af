"""The Kubernetes API client: JSON in, JSON out. Retries and logins are in `session.py`, watches in `watch.py`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal, Self

from dharma_handlers.outcome import Manifest
from dharma_operator.kube import crashpoints
from dharma_operator.kube.auth import Login, login
from dharma_operator.kube.crashpoints import WriteLog
from dharma_operator.kube.errors import Conflict, Invalid, NotFound
from dharma_operator.kube.resources import FIELD_MANAGER, LEASE, ObjectKey, Resource, key_of
from dharma_operator.kube.session import Call, OnRequest, Session
from dharma_operator.kube.watch import Bookmark, Changed, Listed, Listing, Selection, Trim, WatchItem, follow, list_all
from dharma_operator.kube.wire import Json

__all__ = ["Bookmark", "Changed", "Client", "Listed", "Listing", "OnRequest", "Trim", "WatchItem"]

_PAGE = 500
_APPLY = "application/apply-patch+yaml"
_MERGE_PATCH = "application/merge-patch+json"
_JSON_PATCH = "application/json-patch+json"


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
    ) -> None:
        self._session = Session(login, on_request=on_request, connections=connections)
        self._manager = manager
        self._write_log = write_log

    async def __aenter__(self) -> Self:
        await self._session.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, key: ObjectKey) -> Manifest | None:
        """Read one object. None when it does not exist."""
        try:
            found: Manifest = await self._session.ask(Call("get", "GET", key.path(), subject=str(key)))
        except NotFound:
            return None
        return found

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = _PAGE,
        trim: Trim | None = None,
    ) -> Listing:
        """Read all objects of a kind, of all namespaces if none is given, in pages of `limit`; `trim` is applied to each as it arrives."""
        return await list_all(self._session, Selection(resource, namespace, label_selector, field_selector, trim), limit)

    def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = _PAGE,
        trim: Trim | None = None,
    ) -> AsyncIterator[WatchItem]:
        """List, then tell every change, without end: lost connections are renewed, and where that loses changes, `Listed` comes again.

        Raises Forbidden, NotFound (the kind is not served) and Invalid; waits out everything else.
        """
        return follow(self._session, Selection(resource, namespace, label_selector, field_selector, trim), limit)

    async def apply(self, manifest: Manifest, *, force: bool = True, dry_run: bool = False) -> Manifest:
        """Apply on the server's side, owning exactly the fields in `manifest`. Returns the whole object.

        With `metadata.uid` in it, only that very object is changed and none is made: Conflict otherwise. Without `force`, Conflict too
        when another manager has set a field to another value.
        """
        key = key_of(manifest)
        params = {"fieldManager": self._manager, "force": str(force).lower(), **({"dryRun": "All"} if dry_run else {})}
        call = Call("apply", "PATCH", key.path(), params, manifest, _APPLY, str(key))
        applied: Manifest = await (self._session.ask(call) if dry_run else self._write(call, key.resource))
        return applied

    async def create(self, manifest: Manifest) -> Manifest:
        """Create an object. Raises AlreadyExists.

        After a lost answer that can also be the object of the first attempt: read it.
        """
        key = key_of(manifest)
        path = key.resource.path(key.namespace)
        created: Manifest = await self._write(
            Call("create", "POST", path, {"fieldManager": self._manager}, manifest, subject=str(key)), key.resource
        )
        return created

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
        guards = {name: value for name, value in (("uid", uid), ("resourceVersion", resource_version)) if value is not None}
        payload: Any
        if isinstance(body, Mapping):
            payload = {**body, "metadata": {**body.get("metadata", {}), **guards}} if guards else body
        else:
            payload = [*({"op": "test", "path": f"/metadata/{name}", "value": value} for name, value in guards.items()), *body]
        content_type = _MERGE_PATCH if isinstance(body, Mapping) else _JSON_PATCH
        call = Call("patch", "PATCH", key.path(subresource), {"fieldManager": self._manager}, payload, content_type, str(key))
        try:
            patched: Manifest = await self._write(call, key.resource)
        except Invalid as error:
            if guards and error.status == 422 and content_type == _JSON_PATCH:  # what the server makes of a test that fails
                raise Conflict(409, "Conflict", f"{key} has changed, or the patch does not fit it: {error.message}") from error
            raise
        return patched

    async def patch_status(
        self, key: ObjectKey, status: Mapping[str, Any], *, uid: str | None = None, resource_version: str | None = None
    ) -> Manifest:
        """Merge `status` into the object's status: None removes a field, lists are replaced whole. Raises as `patch` does."""
        return await self.patch(key, {"status": status}, subresource="status", uid=uid, resource_version=resource_version)

    async def delete(
        self,
        key: ObjectKey,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: Literal["Background", "Foreground", "Orphan"] = "Background",
    ) -> bool:
        """Delete. False when there was nothing to delete. Raises Conflict when the object has another uid or resource version."""
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        guards = {name: value for name, value in (("uid", uid), ("resourceVersion", resource_version)) if value is not None}
        if guards:
            options["preconditions"] = guards
        try:
            await self._write(Call("delete", "DELETE", key.path(), body=options, subject=str(key)), key.resource)
        except NotFound:
            return False
        return True

    async def version(self) -> str:
        """Version of the API server, `v1.37.2`."""
        return str((await self._session.ask(Call("get", "GET", "/version")))["gitVersion"])

    async def request(self, verb: str, method: str, path: str, *, params: Mapping[str, str] | None = None, body: Json = None) -> Json:
        """Send any other request and return its JSON. `verb` names it in metrics: `evict`."""
        call = Call(verb, method, path, params or {}, body)
        return await (self._session.ask(call) if method == "GET" else self._write(call))

    async def _write(self, call: Call, resource: Resource | None = None) -> Json:
        """Send a write, as a numbered crash point."""
        if resource == LEASE:  # renewed by the clock: the numbers would mean nothing
            return await self._session.ask(call)
        with crashpoints.point(f"{call.verb} {call.subject or call.path}", self._write_log):
            return await self._session.ask(call)
