"""An API server in small, on loopback: it answers what a test tells it to, and remembers what it was asked."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import kopf
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from dharma_operator.kube import session
from dharma_operator.kube.client import Client


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]


Answer = Callable[[web.Request], Any]


@dataclass
class FakeServer:
    """Answers with the next of `answers`; the last one for ever. An answer is a JSON value, or a function of the request."""

    answers: list[Any] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        self.asked.append(Asked(request.method, request.path, dict(request.query), json.loads(raw) if raw else None, dict(request.headers)))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            answer = await answer(request)
        return answer if isinstance(answer, web.StreamResponse) else web.json_response(answer)


def status(code: int, reason: str = "", message: str = "no", headers: dict[str, str] | None = None, **details: Any) -> Answer:
    """An error as the API server words it."""
    body = {"kind": "Status", "code": code, "reason": reason, "message": message, "details": details}

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(body, status=code, headers=headers)

    return answer


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    fake = FakeServer()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", fake.handle)
    test_server = TestServer(application)
    await test_server.start_server()
    fake.url = str(test_server.make_url("")).rstrip("/")
    yield fake
    await test_server.close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the client would have waited between attempts, without waiting."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(session.asyncio, "sleep", sleep)
    return waited


@pytest.fixture
def tokens() -> list[str]:
    """The tokens that one login after the other returns; the last one for ever."""
    return ["token"]


@pytest.fixture
async def client(server: FakeServer, tokens: list[str]) -> AsyncIterator[Client]:
    async def login() -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(server=server.url, token=tokens.pop(0) if len(tokens) > 1 else tokens[0])

    async with Client(login) as opened:
        yield opened
