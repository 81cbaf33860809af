"""A small real HTTP/1.1 server for tests, run in pods by `python3 -c`: keep-alive, slow requests, and an orderly end, or none.

GET / answers with the version; /slow?2.5 after so many seconds; /fail with 500 once the file /tmp/bad is there; /crash ends the process.
With DRAIN=no the process ends at SIGTERM as it stands.
"""

import asyncio
import os
import pathlib
import signal

VERSION = os.environ.get("VERSION", "?")
BAD = pathlib.Path("/tmp/bad")
LINGER = 5.0


class Server:
    def __init__(self) -> None:
        self.draining = asyncio.Event()
        self.open = 0

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        if os.environ.get("DRAIN") == "no":
            loop.add_signal_handler(signal.SIGTERM, os._exit, 0)
        else:
            loop.add_signal_handler(signal.SIGTERM, self.draining.set)
        server = await asyncio.start_server(self.connected, "0.0.0.0", 8080, backlog=1024)
        await self.draining.wait()
        server.close()
        until = loop.time() + 2 * LINGER
        while self.open and loop.time() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            while await self.answered(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def answered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request. False: the connection is to be closed."""
        head = await self.request(reader)
        if not head:
            return False
        path = head.split(b" ", 2)[1].decode()
        if path.startswith("/slow"):
            await asyncio.sleep(float(path.partition("?")[2] or 1))
        if path == "/crash":
            os._exit(1)
        status = "500 Bad" if BAD.exists() else "200 OK"  # noqa: ASYNC240
        last = self.draining.is_set() or b"connection: close" in head.lower()
        connection = "close" if last else "keep-alive"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(VERSION)}\r\nConnection: {connection}\r\n\r\n{VERSION}".encode())
        await writer.drain()
        return not last

    async def request(self, reader: asyncio.StreamReader) -> bytes:
        """Read a request; empty when none comes any more. Whoever drains waits a while for each client's next one, to send it away."""
        reading = asyncio.ensure_future(reader.readuntil(b"\r\n\r\n"))
        draining = asyncio.ensure_future(self.draining.wait())
        await asyncio.wait({reading, draining}, return_when=asyncio.FIRST_COMPLETED)
        draining.cancel()
        return await asyncio.wait_for(reading, LINGER if self.draining.is_set() else None)


if __name__ == "__main__":
    asyncio.run(Server().serve())
