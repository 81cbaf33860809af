"""Redis: what a server says of itself, and what is changed while it runs, as the ACL user of the operator."""

from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from dharma_handlers.blueprint.observed import RedisMember
from dharma_operator.blueprint.sql import Login, sentence

SECONDS = 3.0
_ROLES: Mapping[str, Literal["master", "slave"]] = {"master": "master", "slave": "slave"}


async def observe(pod: str, login: Login, *, settings: Collection[str]) -> RedisMember:
    """Ask one server for its role, the named settings and the digests of its ACL's passwords.

    Never raises for what a server or a network does: then `answered` is False and `error` says why.
    """
    try:
        async with _connect(login) as client:
            info = _info(await client.execute_command("INFO", "server", "persistence", "replication", "memory"))
            config = _pairs(await client.execute_command("CONFIG", "GET", *settings))
            acl = _hashes(await client.execute_command("ACL", "LIST"))
    except (RedisError, OSError, TimeoutError) as error:
        return RedisMember(pod=pod, answered=False, error=sentence(error))
    loading = info.get("loading") != "0"
    return RedisMember(
        pod=pod,
        answered=not loading,
        error="it is loading its data" if loading else "",
        role=_ROLES.get(info.get("role", ""), "unknown"),
        link_up=info.get("master_link_status") == "up",
        config=config,
        acl_hashes=acl,
        version=info.get("redis_version"),
        used_bytes=int(info["used_memory"]) if "used_memory" in info else None,
    )


async def set_config(login: Login, settings: Mapping[str, str]) -> None:
    """`CONFIG SET` of all settings in one command. Raises RedisError."""
    words = [word for pair in settings.items() for word in pair]
    async with _connect(login) as client:
        await client.execute_command("CONFIG", "SET", *words)


async def load_acl(login: Login) -> None:
    """Read the ACL file anew. Raises RedisError."""
    async with _connect(login) as client:
        await client.execute_command("ACL", "LOAD")


async def replicate_from(login: Login, host: str | None, port: int) -> None:
    """Follow `host`, or nobody when it is None. Raises RedisError."""
    async with _connect(login) as client:
        await client.execute_command("REPLICAOF", *((host, str(port)) if host else ("NO", "ONE")))


@asynccontextmanager
async def _connect(login: Login) -> AsyncGenerator[Any]:
    """One connection, answers as the server sends them (text, flat lists), no attempt but the first."""
    client = redis.asyncio.Redis(
        host=login.address,
        port=login.port,
        username=login.user,
        password=login.password,
        socket_timeout=SECONDS,
        socket_connect_timeout=SECONDS,
        decode_responses=True,
        protocol=2,
        lib_name=None,
        lib_version=None,
        retry=Retry(NoBackoff(), 0),
        single_connection_client=True,
    )
    client.response_callbacks.clear()  # answers in the library's own shapes change between its versions
    async with client:
        yield client


def _info(text: str) -> Mapping[str, str]:
    lines = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {key: value for key, colon, value in lines if colon}


def _pairs(words: list[str]) -> Mapping[str, str]:
    return dict(zip(words[::2], words[1::2], strict=True))


def _hashes(lines: list[str]) -> Mapping[str, frozenset[str]]:
    """Digests by user, of lines like `user app on sanitize-payload #<digest> ~* &* +@all`."""
    rules = (line.split() for line in lines)
    return {words[1]: frozenset(word.removeprefix("#") for word in words[2:] if word.startswith("#")) for words in rules}
