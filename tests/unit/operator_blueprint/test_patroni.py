"""Patroni's REST API against a small server: who gets the password, what is an answer, what is an error."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from dharma_operator.blueprint import observe, patroni
from dharma_operator.blueprint.patroni import Patroni, PatroniError
from dharma_operator.blueprint.pods import Pod

ADDRESS = "127.0.0.1"
MEMBER = {
    "state": "running",
    "role": "replica",
    "server_version": 170012,
    "timeline": 3,
    "replication_state": "streaming",
    "pending_restart": True,
    "pending_restart_reason": {"max_connections": {"old_value": "100", "new_value": "120"}, "huge_pages": {}},
}


class FakePatroni:
    """Answers as `answers` says, by path; remembers what was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, object]] = {}
        self.asked: list[tuple[str, str, str | None]] = []
        self.slow = 0.0

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.path, request.headers.get("Authorization")))
        await asyncio.sleep(self.slow)
        status, body = self.answers.get(request.path, (404, "no such path"))
        return web.json_response(body, status=status) if isinstance(body, dict) else web.Response(text=str(body), status=status)


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakePatroni]:
    fake = FakePatroni()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", fake.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, ADDRESS, 0)
    await site.start()
    monkeypatch.setattr(patroni, "PORT", runner.addresses[0][1])
    yield fake
    await runner.cleanup()


@pytest.fixture
async def api() -> AsyncIterator[Patroni]:
    async with aiohttp.ClientSession() as session:
        yield Patroni(session, "patroni", "geheim")


async def test_only_changes_carry_the_password(server: FakePatroni, api: Patroni) -> None:
    server.answers = {"/config": (200, {"ttl": 20}), "/patroni": (200, MEMBER)}
    assert await api.config(ADDRESS) == {"ttl": 20}
    await api.member(ADDRESS)
    await api.patch_config(ADDRESS, {"ttl": 30})
    with_password = [(method, path) for method, path, password in server.asked if password]
    assert with_password == [("PATCH", "/config")]


async def test_a_member_that_starts_answers_503_and_is_heard(server: FakePatroni, api: Patroni) -> None:
    server.answers = {"/patroni": (503, {"state": "starting", "role": "uninitialized"})}
    assert (await api.member(ADDRESS))["state"] == "starting"


async def test_a_refusal_is_told_in_patronis_words(server: FakePatroni, api: Patroni) -> None:
    server.answers = {"/switchover": (412, "leader name does not match")}
    with pytest.raises(PatroniError, match="412: leader name does not match"):
        await api.switchover(ADDRESS, "shop-db-1", "shop-db-0")


async def test_a_restart_that_takes_long_goes_on_by_itself(server: FakePatroni, api: Patroni, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patroni, "BEGIN_SECONDS", 0.05)
    server.slow = 0.5
    server.answers = {"/restart": (200, "restarted")}
    await api.restart_pending(ADDRESS)
    assert [path for _, path, _ in server.asked] == ["/restart"]


async def test_nobody_there_is_a_sentence(api: Patroni, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patroni, "PORT", 1)
    with pytest.raises(PatroniError, match="Patroni cannot be"):
        await api.restart_pending(ADDRESS)


async def test_what_a_member_says_is_put_into_our_words(server: FakePatroni, api: Patroni) -> None:
    server.answers = {"/patroni": (200, MEMBER)}
    member = await observe._member(api, Pod("shop-db-1", ADDRESS, ready=True))
    assert member is not None
    assert (member.role, member.state, member.timeline, member.server_version) == ("replica", "streaming", 3, "17.12")
    assert member.pending_restart == ("huge_pages", "max_connections")
    server.answers = {"/patroni": (200, {"state": "running", "role": "master", "pending_restart": True})}
    assert observe._state({"state": "running", "role": "replica"}) == "not streaming yet"
    assert observe._state({"state": "starting", "role": "replica"}) == "starting"
    assert observe._state({"state": "running", "role": "primary"}) == "running"
    older = await observe._member(api, Pod("shop-db-1", ADDRESS, ready=True))
    assert older is not None
    assert (older.role, older.pending_restart, older.server_version) == ("primary", ("*",), None)
