"""Rows and keys as an application writes and reads them: by the connection Secrets, from the node, which reaches Services by address."""

import base64
from urllib.parse import urlsplit

import psycopg
from redis.asyncio import Redis

from dharma_operator.kube.client import Client
from dharma_operator.kube.resources import SECRET, SERVICE, ObjectKey


async def secret(client: Client, namespace: str, name: str) -> dict[str, str]:
    """A Secret, decoded. Fails when it is not there."""
    found = await client.get(ObjectKey(SECRET, namespace, name))
    assert found is not None, f"Secret {name} is not there"
    return {key: base64.b64decode(value).decode() for key, value in found["data"].items()}


async def query(client: Client, namespace: str, secret_name: str, statement: str, *, key: str = "uri") -> list[tuple[object, ...]]:
    """Run a statement by `uri`, or by `pooled-uri`; return its rows."""
    uri = (await secret(client, namespace, secret_name))[key]
    address = await _address(client, namespace, uri)
    # A pooler in transaction mode and the preparing of statements by name do not go together.
    connection = await psycopg.AsyncConnection.connect(uri, hostaddr=address, connect_timeout=5, autocommit=True, prepare_threshold=None)
    async with connection:
        cursor = await connection.execute(statement.encode())
        return await cursor.fetchall() if cursor.description else []


async def redis(client: Client, namespace: str, secret_name: str, *command: str) -> object:
    """Run a Redis command."""
    connection = await secret(client, namespace, secret_name)
    address = await _address(client, namespace, connection["uri"])
    async with Redis(
        host=address, port=int(connection["port"]), password=connection["password"], socket_timeout=5, decode_responses=True
    ) as opened:
        answer: object = await opened.execute_command(*command)  # type: ignore[no-untyped-call]
        return answer


async def _address(client: Client, namespace: str, uri: str) -> str:
    """The address of the Service that a URI names: names of the cluster are not known outside of it."""
    host = urlsplit(uri).hostname or ""
    found = await client.get(ObjectKey(SERVICE, namespace, host.partition(".")[0]))
    assert found is not None, f"{uri} names no Service"
    return str(found["spec"]["clusterIP"])
