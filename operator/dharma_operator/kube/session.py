"""One pool of connections to the API server: logins, time limits, retries, and nothing of what is asked."""

import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import kopf

from dharma_operator import __version__
from dharma_operator.kube.auth import Login
from dharma_operator.kube.errors import ApiError, ApiUnavailable, Unauthorized, error_of
from dharma_operator.kube.wire import Json

OnRequest = Callable[[str, int, float], None]
"""Told of each request: verb (get, list, watch, apply, create, patch, delete …), HTTP code (0: no answer), seconds to the answer's head."""

CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 30.0
WATCH_SILENCE_SECONDS = 90.0
"""The server sends a bookmark each minute: a stream silent for longer than this is dead."""
RETRY_SECONDS = 40.0
"""No retry begins later than this after the first attempt."""
_ATTEMPTS = 6
_LONGEST_ERROR = 500


def backoff(attempt: int, *, base: float = 0.1, limit: float = 10.0) -> float:
    """Seconds to wait after failure number `attempt` (from 0): exponential, capped, with full jitter."""
    return random.uniform(0, min(limit, base * 2.0**attempt))  # noqa: S311 (spreads load, guards nothing)


@dataclass(frozen=True, slots=True)
class Call:
    """One thing to ask."""

    verb: str
    """For metrics: apply and patch are both PATCH."""
    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Json = None
    content_type: str = "application/json"
    subject: str = ""
    """What it is about, for error messages: `StatefulSet acme/shop-db`."""


class Session:
    """Connections of one user: up to `connections` for requests, and one for each stream. An async context manager."""

    def __init__(self, login: Login, *, on_request: OnRequest | None = None, connections: int = 64) -> None:
        self._login = login
        self._on_request = on_request
        # Watches hold a connection each for as long as they last: as many as there are namespaces to look into must not starve the rest.
        self._slots = asyncio.Semaphore(connections)
        self._info: kopf.ConnectionInfo | None = None
        self._http: aiohttp.ClientSession | None = None
        self._logins = 0
        self._login_lock = asyncio.Lock()

    async def open(self) -> None:
        """Log in. Raises `kopf.LoginError`."""
        await self._log_in(self._logins)

    async def close(self) -> None:
        """Close all connections; what is under way fails."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def ask(self, call: Call) -> Json:
        """Send `call` and return the JSON of the answer; repeat it after 429, 5xx and lost connections, log in again after 401.

        Raises the errors of `errors.py`.
        """
        started = time.monotonic()
        attempt = 0
        renewed = False
        while True:
            logins = self._logins
            try:
                limits = aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=CONNECT_SECONDS)
                async with self._slots, self._answer(call, limits) as response:
                    return json.loads(await response.read())
            except Unauthorized:
                if renewed:
                    raise
                renewed = True
                await self._log_in_again(logins)
            except ApiUnavailable as error:
                wait = backoff(attempt) + (error.retry_after or 0)
                attempt += 1
                if attempt == _ATTEMPTS or time.monotonic() - started + wait > RETRY_SECONDS:
                    raise
                await asyncio.sleep(wait)

    async def stream(self, call: Call) -> AsyncIterator[Json]:
        """Send `call` once and yield the JSON of each line of the answer until the server ends it, or is silent for too long.

        Raises the errors of `errors.py`; logs in again after 401 before it raises that.
        """
        logins = self._logins
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=WATCH_SILENCE_SECONDS)
        try:
            async with self._answer(call, limits) as response:
                rest = b""
                async for chunk in response.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        yield json.loads(line)
        except Unauthorized:
            await self._log_in_again(logins)
            raise

    @asynccontextmanager
    async def _answer(self, call: Call, limits: aiohttp.ClientTimeout) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """Yield an answer that is a success; everything else becomes a typed error, also what goes wrong while the body is read."""
        started = time.monotonic()
        code = 0
        told = False
        try:
            async with self._send(call, limits) as response:
                code = response.status
                self._tell(call.verb, code, started)
                told = True
                if code >= 400:
                    raise error_of(code, await _body(response), response.headers.get("Retry-After"))
                yield response
        except ApiError as error:
            error.context = f"{call.verb} {call.subject or call.path}"
            raise
        except (aiohttp.ClientError, TimeoutError, OSError) as cause:
            if not told:
                self._tell(call.verb, 0, started)
            silence = ApiUnavailable(0, "NoAnswer", f"the API server does not answer: {str(cause) or type(cause).__name__}")
            silence.context = f"{call.verb} {call.subject or call.path}"
            raise silence from cause

    def _send(self, call: Call, limits: aiohttp.ClientTimeout) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        if self._http is None or self._info is None:
            raise RuntimeError("the client is used outside of its `async with`")
        headers = {**self._info.as_http_headers(), "Accept": "application/json"}
        data = None
        if call.body is not None:
            data = json.dumps(call.body, separators=(",", ":")).encode()
            headers["Content-Type"] = call.content_type
        url = self._info.server.rstrip("/") + call.path
        return self._http.request(
            call.method, url, params=call.params, data=data, headers=headers, timeout=limits, proxy=self._info.proxy_url
        )

    def _tell(self, verb: str, code: int, started: float) -> None:
        if self._on_request is not None:
            self._on_request(verb, code, time.monotonic() - started)

    async def _log_in_again(self, seen: int) -> None:
        try:
            await self._log_in(seen)
        except kopf.LoginError as error:
            raise Unauthorized(401, "LoginFailed", str(error)) from error

    async def _log_in(self, seen: int) -> None:
        """Log in, unless somebody did since login number `seen`."""
        async with self._login_lock:
            if seen != self._logins:
                return
            info = await self._login()
            if self._http is None or self._info is None or _transport(info) != _transport(self._info):
                old = self._http
                self._http = self._connect(info)
                if old is not None:
                    await old.close()
            self._info = info
            self._logins += 1

    def _connect(self, info: kopf.ConnectionInfo) -> aiohttp.ClientSession:
        secure = info.server.startswith("https:")
        connector = aiohttp.TCPConnector(limit=0, ssl=info.as_ssl_context() if secure else False)
        return aiohttp.ClientSession(
            connector=connector, trust_env=info.trust_env, headers={"User-Agent": f"dharma-operator/{__version__}"}, auto_decompress=True
        )


def _transport(info: kopf.ConnectionInfo) -> tuple[object, ...]:
    """Return all that open connections depend on: a new token alone needs no new ones."""
    return (
        info.server, info.ca_path, info.ca_data, info.insecure, info.certificate_path, info.certificate_data, info.private_key_path,
        info.private_key_data, info.trust_env,
    )  # fmt: skip


async def _body(response: aiohttp.ClientResponse) -> Json:
    text = await response.text(errors="replace")
    try:
        return json.loads(text)
    except ValueError:
        return text[:_LONGEST_ERROR]
