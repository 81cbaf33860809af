"""The client against a server that misbehaves on purpose."""

import asyncio
import json
from contextlib import aclosing
from typing import Any

import kopf
import pytest
from aiohttp import web
from tests.unit.kube.conftest import FakeServer, status

from dharma_operator.kube import session, watch
from dharma_operator.kube.client import Bookmark, Changed, Client, Listed
from dharma_operator.kube.crashpoints import WriteLog
from dharma_operator.kube.errors import AlreadyExists, ApiError, ApiUnavailable, Conflict, Forbidden, Gone, Invalid, NotFound, Unauthorized
from dharma_operator.kube.resources import CONFIG_MAP, LEASE, NAMESPACE, POD, SERVICE, ObjectKey

KEY = ObjectKey(CONFIG_MAP, "acme", "web")
OBJECT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "acme", "resourceVersion": "5", "uid": "u"}}


async def broken(request: web.Request) -> web.StreamResponse:
    """The connection breaks in the middle of an answer."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"kind"')
    assert request.transport is not None
    request.transport.abort()
    return response


async def too_large(request: web.Request) -> web.Response:
    """Not the API server's word, but of something in between."""
    return web.Response(status=413, text="too large")


async def test_get(server: FakeServer, client: Client):
    server.answers = [OBJECT]
    assert await client.get(KEY) == OBJECT
    asked = server.asked[0]
    assert (asked.method, asked.path) == ("GET", "/api/v1/namespaces/acme/configmaps/web")
    assert asked.headers["Authorization"] == "Bearer token"
    assert asked.headers["User-Agent"].startswith("dharma-operator/")


async def test_get_of_nothing(server: FakeServer, client: Client):
    server.answers = [status(404, "NotFound")]
    assert await client.get(KEY) is None


async def test_apply(server: FakeServer, client: Client):
    server.answers = [OBJECT]
    await client.apply(OBJECT)
    await client.apply(OBJECT, force=False, dry_run=True)
    forced, tried = server.asked
    assert forced.method == "PATCH"
    assert forced.headers["Content-Type"] == "application/apply-patch+yaml"
    assert forced.query == {"fieldManager": "iac-dharma", "force": "true"}
    assert forced.body == OBJECT
    assert tried.query == {"fieldManager": "iac-dharma", "force": "false", "dryRun": "All"}


async def test_create_goes_to_the_collection(server: FakeServer, client: Client):
    server.answers = [OBJECT, status(409, "AlreadyExists")]
    await client.create(OBJECT)
    assert (server.asked[0].method, server.asked[0].path) == ("POST", "/api/v1/namespaces/acme/configmaps")
    with pytest.raises(AlreadyExists):
        await client.create(OBJECT)


async def test_cluster_scope_has_no_namespace_in_its_path(server: FakeServer, client: Client):
    server.answers = [{}]
    await client.get(ObjectKey(NAMESPACE, None, "acme"))
    assert server.asked[0].path == "/api/v1/namespaces/acme"


async def test_delete_names_the_uid(server: FakeServer, client: Client):
    server.answers = [{}, status(404, "NotFound"), status(409, "Conflict")]
    assert await client.delete(KEY, uid="u")
    assert server.asked[0].body == {
        "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background", "preconditions": {"uid": "u"},
    }  # fmt: skip
    assert not await client.delete(KEY)
    with pytest.raises(Conflict):
        await client.delete(KEY, uid="other")


async def test_merge_patch_is_guarded_by_what_was_seen(server: FakeServer, client: Client):
    server.answers = [OBJECT]
    await client.patch_status(KEY, {"phase": None}, uid="u", resource_version="5")
    asked = server.asked[0]
    assert asked.path.endswith("/configmaps/web/status")
    assert asked.headers["Content-Type"] == "application/merge-patch+json"
    assert asked.body == {"status": {"phase": None}, "metadata": {"uid": "u", "resourceVersion": "5"}}


async def test_json_patch_is_guarded_and_a_failed_test_is_a_conflict(server: FakeServer, client: Client):
    server.answers = [status(422, "Invalid", "the server rejected our request due to an error in our request")]
    with pytest.raises(Conflict, match="has changed"):
        await client.patch(KEY, [{"op": "remove", "path": "/data/a"}], resource_version="5")
    assert server.asked[0].headers["Content-Type"] == "application/json-patch+json"
    assert server.asked[0].body[0] == {"op": "test", "path": "/metadata/resourceVersion", "value": "5"}
    with pytest.raises(Invalid):
        await client.patch(KEY, [{"op": "remove", "path": "/data/a"}])


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (status(400, "BadRequest"), Invalid),
        (status(403, "Forbidden"), Forbidden),
        (status(404, "NotFound"), NotFound),
        (status(409, "Conflict"), Conflict),
        (status(409, "AlreadyExists"), AlreadyExists),
        (status(410, "Expired"), Gone),
        (status(422, "Invalid"), Invalid),
        (too_large, ApiError),
    ],
)
async def test_refusals_are_typed_and_not_repeated(server: FakeServer, client: Client, waits: list[float], answer: Any, error: type):
    server.answers = [answer]
    with pytest.raises(error):
        await client.apply(OBJECT)
    assert len(server.asked) == 1
    assert waits == []


async def test_an_error_says_what_was_asked_and_what_was_answered(server: FakeServer, client: Client):
    server.answers = [status(403, "Forbidden", "quota exceeded")]
    with pytest.raises(Forbidden) as caught:
        await client.apply(OBJECT)
    assert str(caught.value) == "apply ConfigMap acme/web: quota exceeded (403 Forbidden)"


async def test_a_terminating_namespace_is_told_apart(server: FakeServer, client: Client):
    server.answers = [status(403, "Forbidden", causes=[{"reason": "NamespaceTerminating"}])]
    with pytest.raises(Forbidden) as caught:
        await client.create(OBJECT)
    assert caught.value.namespace_terminating


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
async def test_overload_is_waited_out(server: FakeServer, client: Client, waits: list[float], code: int):
    server.answers = [status(code), status(code), OBJECT]
    assert await client.apply(OBJECT) == OBJECT
    assert len(waits) == 2
    assert all(0 <= seconds <= session.backoff.__kwdefaults__["limit"] for seconds in waits)


async def test_retry_after_is_obeyed(server: FakeServer, client: Client, waits: list[float]):
    server.answers = [status(429, headers={"Retry-After": "3"}), status(503, retryAfterSeconds=2), OBJECT]
    await client.get(KEY)
    assert 3 <= waits[0] < 4
    assert 2 <= waits[1] < 3


async def test_a_wait_longer_than_the_limit_is_not_begun(server: FakeServer, client: Client, waits: list[float]):
    server.answers = [status(429, headers={"Retry-After": "600"})]
    with pytest.raises(ApiUnavailable) as caught:
        await client.get(KEY)
    assert caught.value.retry_after == 600
    assert waits == []


async def test_retries_end(server: FakeServer, client: Client, waits: list[float]):
    server.answers = [status(503, "ServiceUnavailable", "etcd is down")]
    with pytest.raises(ApiUnavailable, match="etcd is down"):
        await client.get(KEY)
    assert len(server.asked) == 6
    assert len(waits) == 5


async def test_a_lost_connection_is_renewed(server: FakeServer, client: Client, waits: list[float]):
    server.answers = [broken, OBJECT]
    assert await client.get(KEY) == OBJECT
    assert len(server.asked) == 2


async def test_nobody_listens(waits: list[float]):
    async def login() -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(server="http://127.0.0.1:1")

    async with Client(login) as client:
        with pytest.raises(ApiUnavailable, match="does not answer") as caught:
            await client.get(KEY)
    assert caught.value.status == 0


async def test_an_answer_that_does_not_come(server: FakeServer, client: Client, waits: list[float], monkeypatch: pytest.MonkeyPatch):
    async def never(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(session, "REQUEST_SECONDS", 0.1)
    server.answers = [never, OBJECT]
    assert await client.get(KEY) == OBJECT


@pytest.mark.parametrize("tokens", [["old", "new"]])
async def test_login_again_after_401(server: FakeServer, client: Client, tokens: list[str]):
    async def answer(request: web.Request) -> web.Response:
        good = request.headers["Authorization"] == "Bearer new"
        return web.json_response(OBJECT) if good else await status(401, "Unauthorized")(request)

    server.answers = [answer]
    found = await asyncio.gather(*(client.get(KEY) for _ in range(20)))
    assert found == [OBJECT] * 20
    assert tokens == ["new"], "all of them shared one login"
    assert len(server.asked) == 40


async def test_a_second_401_is_final(server: FakeServer, client: Client):
    server.answers = [status(401, "Unauthorized")]
    with pytest.raises(Unauthorized):
        await client.get(KEY)
    assert len(server.asked) == 2


async def test_a_login_that_fails_later_is_told_as_what_it_is(server: FakeServer):
    logins = 0

    async def login() -> kopf.ConnectionInfo:
        nonlocal logins
        logins += 1
        if logins > 1:
            raise kopf.LoginError("the plugin is gone")
        return kopf.ConnectionInfo(server=server.url)

    server.answers = [status(401, "Unauthorized")]
    async with Client(login) as client:
        with pytest.raises(Unauthorized, match="the plugin is gone"):
            await client.get(KEY)


async def test_list_in_pages(server: FakeServer, client: Client):
    server.answers = [
        {"metadata": {"resourceVersion": "9", "continue": "next"}, "items": [{"metadata": {"name": "a"}}]},
        {"metadata": {"resourceVersion": "9"}, "items": [{"metadata": {"name": "b"}}]},
    ]
    trim = lambda item: {"name": item["metadata"]["name"], "kind": item["kind"]}  # noqa: E731
    listing = await client.list(POD, label_selector="a=b", limit=1, trim=trim)
    assert listing.items == [{"name": "a", "kind": "Pod"}, {"name": "b", "kind": "Pod"}]
    assert listing.resource_version == "9"
    assert server.asked[0].query == {"labelSelector": "a=b", "limit": "1"}
    assert server.asked[1].query == {"labelSelector": "a=b", "limit": "1", "continue": "next"}


async def test_a_list_that_grew_too_old_begins_anew(server: FakeServer, client: Client):
    first = {"metadata": {"resourceVersion": "9", "continue": "next"}, "items": [{"metadata": {"name": "a"}}]}
    server.answers = [first, status(410, "Expired"), {"metadata": {"resourceVersion": "12"}, "items": []}]
    listing = await client.list(POD)
    assert listing.items == []
    assert listing.resource_version == "12"


def listed(version: str, *names: str) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": version}, "items": [{"metadata": {"name": name, "resourceVersion": version}} for name in names]}


def stream(*events: dict[str, Any], chunk: int = 7) -> Any:
    """A watch's answer in awkward pieces, then its end."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        raw = b"".join(json.dumps(event).encode() + b"\n" for event in events)
        for start in range(0, len(raw), chunk):
            await response.write(raw[start : start + chunk])
        return response

    return answer


def event(kind: str, name: str, version: str) -> dict[str, Any]:
    return {"type": kind, "object": {"kind": "Service", "apiVersion": "v1", "metadata": {"name": name, "resourceVersion": version}}}


BOOKMARK = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "30"}}}


async def told(client: Client, count: int) -> list[Any]:
    items: list[Any] = []
    async with asyncio.timeout(10), aclosing(client.watch(SERVICE, "acme")) as watching:
        async for item in watching:
            items.append(item)
            if len(items) == count:
                return items
    raise AssertionError


async def test_watch(server: FakeServer, client: Client):
    server.answers = [listed("10", "a"), stream(event("MODIFIED", "a", "20"), BOOKMARK, event("DELETED", "a", "40"))]
    first, changed, bookmark, deleted = await told(client, 4)
    assert isinstance(first, Listed)
    assert first.items[0]["kind"] == "Service"
    assert isinstance(changed, Changed)
    assert (changed.type, changed.object["metadata"]["resourceVersion"]) == ("MODIFIED", "20")
    assert bookmark == Bookmark("30")
    assert deleted.type == "DELETED"
    query = server.asked[1].query
    assert query["resourceVersion"] == "10"
    assert query["allowWatchBookmarks"] == "true"


async def test_a_watch_goes_on_where_it_was(server: FakeServer, client: Client, waits: list[float]):
    server.answers = [listed("10"), stream(event("ADDED", "a", "20"), BOOKMARK), broken, status(503), stream(event("ADDED", "b", "50"))]
    items = await told(client, 4)
    assert [type(item) for item in items] == [Listed, Changed, Bookmark, Changed]
    assert [asked.query.get("resourceVersion") for asked in server.asked] == [None, "10", "30", "30", "30"]


@pytest.mark.parametrize("too_old", [status(410, "Expired"), stream({"type": "ERROR", "object": {"code": 410, "reason": "Expired"}})])
async def test_a_watch_that_fell_behind_lists_again(server: FakeServer, client: Client, waits: list[float], too_old: Any):
    server.answers = [listed("10", "a"), too_old, listed("90", "b"), stream(event("ADDED", "c", "95"))]
    first, again, added = await told(client, 3)
    assert isinstance(first, Listed)
    assert isinstance(again, Listed)
    assert [item["metadata"]["name"] for item in again.items] == ["b"]
    assert added.object["metadata"]["name"] == "c"
    assert server.asked[-1].query["resourceVersion"] == "90"


async def test_a_silent_watch_is_dead(server: FakeServer, client: Client, monkeypatch: pytest.MonkeyPatch):
    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.Event().wait()
        return response

    monkeypatch.setattr(session, "WATCH_SILENCE_SECONDS", 0.1)
    server.answers = [listed("10"), silent, stream(event("ADDED", "a", "20"))]
    assert [type(item) for item in await told(client, 2)] == [Listed, Changed]


@pytest.mark.parametrize(("answer", "error"), [(status(403, "Forbidden"), Forbidden), (status(404, "NotFound"), NotFound)])
async def test_a_watch_that_is_not_allowed_ends(server: FakeServer, client: Client, answer: Any, error: type):
    server.answers = [answer]
    with pytest.raises(error):
        await told(client, 1)


@pytest.mark.parametrize("tokens", [["old", "new"]])
async def test_a_watch_logs_in_again(server: FakeServer, client: Client, waits: list[float]):
    server.answers = [listed("10"), status(401, "Unauthorized"), stream(event("ADDED", "a", "20"))]
    assert [type(item) for item in await told(client, 2)] == [Listed, Changed]
    assert server.asked[-1].headers["Authorization"] == "Bearer new"


async def test_empty_streams_do_not_spin(server: FakeServer, client: Client, monkeypatch: pytest.MonkeyPatch):
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(watch.asyncio, "sleep", sleep)
    server.answers = [listed("10"), stream(), stream(), stream(), stream(event("ADDED", "a", "20"))]
    await told(client, 2)
    assert len(waited) == 3


async def test_requests_are_told(server: FakeServer):
    seen: list[tuple[str, int]] = []

    async def login() -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(server=server.url)

    server.answers = [OBJECT, status(404, "NotFound"), listed("1")]
    async with Client(login, on_request=lambda verb, code, _: seen.append((verb, code))) as client:
        await client.apply(OBJECT)
        await client.delete(KEY)
        await client.list(POD)
    assert seen == [("apply", 200), ("delete", 404), ("list", 200)]


async def test_writes_are_numbered_and_reads_and_leases_are_not(server: FakeServer, tmp_path):
    async def login() -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(server=server.url)

    path = tmp_path / "writes"
    server.answers = [OBJECT]
    async with Client(login, write_log=WriteLog(log=path)) as client:
        await client.get(KEY)
        await client.apply(OBJECT)
        await client.apply(OBJECT, dry_run=True)
        await client.patch(ObjectKey(LEASE, "acme", "x"), {"spec": {}})
        await client.patch_status(KEY, {"phase": "Ready"})
        await client.delete(KEY)
        await client.request("evict", "POST", "/api/v1/namespaces/acme/pods/p/eviction", body={})
    assert path.read_text().splitlines() == [
        "1 apply ConfigMap acme/web",
        "2 patch ConfigMap acme/web",
        "3 delete ConfigMap acme/web",
        "4 evict /api/v1/namespaces/acme/pods/p/eviction",
    ]


async def test_it_says_when_it_is_used_unopened():
    with pytest.raises(RuntimeError, match="async with"):
        await Client().get(KEY)
