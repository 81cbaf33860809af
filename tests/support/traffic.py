"""Requests without pause, from within the cluster; run in a pod by `python3 -c`. Prints its count as JSON to /tmp/traffic.json.

Short: a connection for each request. Kept: one connection for all. Slow: requests that take seconds. A connection that the server closes
after an answer with `Connection: close` is no error; anything else that goes wrong is one, and is not tried again.
"""

import asyncio
import collections
import json
import os
import pathlib
import time

HOST, PORT = os.environ["HOST"], int(os.environ.get("PORT", "80"))
SHORT, KEPT, SLOW = (int(os.environ.get(name, "0")) for name in ("SHORT", "KEPT", "SLOW"))
PAUSE = float(os.environ.get("PAUSE", "0.02"))
REPORT = pathlib.Path("/tmp/traffic.json")

sent: collections.Counter[str] = collections.Counter()
versions: collections.Counter[str] = collections.Counter()
errors: list[str] = []
latest: dict[str, float] = {}


class Connection:
    def __init__(self) -> None:
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str, *, keep: bool) -> None:
        if self.streams is None:
            self.streams = await asyncio.open_connection(HOST, PORT)
        reader, writer = self.streams
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: {'keep-alive' if keep else 'close'}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        body = (await reader.readexactly(length)).decode()
        if b" 200 " not in head.split(b"\r\n")[0] + b" ":
            raise OSError(head.split(b"\r\n")[0].decode())
        versions[body] += 1
        latest[body] = time.time()
        if not keep or b"connection: close" in head.lower():
            self.close()

    def close(self) -> None:
        if self.streams is not None:
            self.streams[1].close()
            self.streams = None


async def client(kind: str) -> None:
    connection = Connection()
    path = "/slow?2" if kind == "slow" else "/"
    while True:
        sent[kind] += 1
        try:
            async with asyncio.timeout(10):
                await connection.get(path, keep=kind == "kept")
        except (OSError, asyncio.IncompleteReadError, TimeoutError, IndexError, ValueError) as error:
            errors.append(f"{time.time():.3f} {kind}: {type(error).__name__} {error}")
            connection.close()
        await asyncio.sleep(PAUSE)


async def report() -> None:
    while True:
        await asyncio.sleep(0.2)
        told = {"sent": dict(sent), "versions": dict(versions), "errors": len(errors), "examples": errors[-20:], "latest": latest}
        draft = REPORT.with_suffix(".new")
        draft.write_text(json.dumps(told))
        draft.rename(REPORT)


async def main() -> None:
    kinds = ["short"] * SHORT + ["kept"] * KEPT + ["slow"] * SLOW
    await asyncio.gather(report(), *(client(kind) for kind in kinds))


if __name__ == "__main__":
    asyncio.run(main())
