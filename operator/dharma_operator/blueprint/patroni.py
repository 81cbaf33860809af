"""Patroni's REST API: what members say of themselves, and the changes that only Patroni may make."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

PORT = 8008
LOOK_SECONDS = 3.0
BEGIN_SECONDS = 2.0
"""How long a restart or a switchover is waited for. Patroni goes on with it by itself, and the next look sees how it stands; meanwhile
the operator has other things to put right."""


class PatroniError(Exception):
    """Patroni did not answer, or refused; the text says why."""


class StillBusyError(PatroniError):
    """Patroni took the request and has not answered yet."""


@dataclass(frozen=True, slots=True)
class Patroni:
    """The REST API of one cluster's members."""

    session: aiohttp.ClientSession
    user: str
    password: str = field(repr=False)

    async def member(self, address: str) -> Mapping[str, Any]:
        """`GET /patroni` of the member at this address: its state and role. Raises PatroniError."""
        return await self._call("GET", address, "/patroni", LOOK_SECONDS)

    async def cluster(self, address: str) -> Mapping[str, Any]:
        """`GET /cluster`: all members with role, state, timeline, lag. Raises PatroniError."""
        return await self._call("GET", address, "/cluster", LOOK_SECONDS)

    async def config(self, address: str) -> Mapping[str, Any]:
        """`GET /config`: the dynamic configuration. Raises PatroniError."""
        return await self._call("GET", address, "/config", LOOK_SECONDS)

    async def patch_config(self, address: str, patch: Mapping[str, Any]) -> None:
        """Merge `patch` into the dynamic configuration; None removes a key. Raises PatroniError."""
        await self._call("PATCH", address, "/config", LOOK_SECONDS, patch)

    async def restart_pending(self, address: str) -> None:
        """Begin to restart Postgres at this address if a setting waits for it. Raises PatroniError when Patroni refuses."""
        await self._begin(address, "/restart", {"restart_pending": True})

    async def switchover(self, address: str, leader: str, candidate: str) -> None:
        """Begin to hand leadership from `leader` to `candidate`. Raises PatroniError when Patroni refuses."""
        await self._begin(address, "/switchover", {"leader": leader, "candidate": candidate})

    async def _begin(self, address: str, path: str, body: Mapping[str, Any]) -> None:
        with contextlib.suppress(StillBusyError):
            await self._call("POST", address, path, BEGIN_SECONDS, body)

    async def _call(self, verb: str, address: str, path: str, seconds: float, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        host = f"[{address}]" if ":" in address else address
        # Credentials go out with writes alone: a look needs none.
        headers = {"Authorization": aiohttp.encode_basic_auth(self.user, self.password)} if body is not None else None
        limit = aiohttp.ClientTimeout(total=seconds + LOOK_SECONDS, connect=LOOK_SECONDS, sock_read=seconds)
        try:
            async with self.session.request(verb, f"http://{host}:{PORT}{path}", json=body, headers=headers, timeout=limit) as response:
                # `GET /patroni` answers 503 with its state while Postgres is starting: that is an answer.
                if response.status >= 400 and path != "/patroni":
                    raise PatroniError(f"Patroni answered {verb} {path} with {response.status}: {(await response.text())[:200].strip()}")
                if response.content_type != "application/json":
                    return {}
                answer: Mapping[str, Any] = await response.json()
                return answer
        except aiohttp.ConnectionTimeoutError as error:
            raise PatroniError(f"Patroni cannot be reached for {verb} {path}") from error
        except TimeoutError as error:
            raise StillBusyError(f"Patroni did not answer {verb} {path} within {seconds:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise PatroniError(f"Patroni cannot be asked {verb} {path}: {error}") from error
