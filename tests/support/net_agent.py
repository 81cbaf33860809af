"""Runs in the pods of network tests, on the standard library alone: `serve NAME`, or `probe` with targets on standard input.

Other pods meet two ports that say the pod's name. A third takes targets, tries them all at once, and answers what became of each:
`open`, `silent` (nothing came back in time, as when packets are dropped), or what else happened. Tests ask it from the node, which
NetworkPolicies never keep from its pods, so that they need no exec for each look.
"""

import asyncio
import json
import sys

PORTS = (8080, 8081)
CONTROL_PORT = 9000


async def outcome(target: dict) -> str:
    """Look a name up, or connect, say what is to be said, and hear the answer that shows who is there."""
    heard = wanted = target.get("hear", "").encode()
    try:
        async with asyncio.timeout(target["seconds"]):
            if "lookup" in target:
                await asyncio.get_running_loop().getaddrinfo(target["lookup"], 443)
                return "open"
            reader, writer = await asyncio.open_connection(target["address"], target["port"])
            writer.write(target.get("say", "").encode("latin-1"))
            if wanted:
                heard = await reader.readexactly(len(wanted))
            writer.close()
    except TimeoutError:
        return "silent"
    except (OSError, EOFError) as error:
        return repr(error)
    return "open" if heard == wanted else f"answered by {heard!r}"


async def outcomes(targets: dict) -> dict:
    """Try all targets side by side."""
    return dict(zip(targets, await asyncio.gather(*map(outcome, targets.values())), strict=True))


async def serve(name: str) -> None:
    """Serve until killed."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(name.encode())
        writer.close()

    async def obey(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(json.dumps(await outcomes(json.loads(await reader.readline()))).encode())
        writer.close()

    for port in PORTS:
        await asyncio.start_server(greet, port=port)
    async with await asyncio.start_server(obey, port=CONTROL_PORT, limit=2**20) as control:
        await control.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve(sys.argv[2]))
    else:
        print(json.dumps(asyncio.run(outcomes(json.load(sys.stdin)))))
