"""Kopf and nothing else: event handlers that count objects of one namespace. Run as a process, to compare the operator's start with.

`python -m benchmarks.bare_kopf NAMESPACE COUNT` writes a line when it has seen so many Blueprints, and goes on.
"""

import asyncio
import sys

import kopf

from dharma_operator.kube.auth import login
from dharma_operator.kube.resources import OWNERS


def main() -> None:
    """Watch the four kinds as the operator does, and do nothing about them."""
    namespace, count = sys.argv[1], int(sys.argv[2])
    registry = kopf.OperatorRegistry()
    seen: set[str] = set()

    async def saw(name: str | None, **_: object) -> None:
        seen.add(name or "")
        if len(seen) == count:
            sys.stdout.write("seen\n")
            sys.stdout.flush()

    async def log_in(settings: kopf.OperatorSettings, **_: object) -> kopf.ConnectionInfo:
        return await login(settings)

    kopf.on.login(registry=registry)(log_in)
    for resource in OWNERS:
        kopf.on.event(resource.group, resource.version, resource.plural, registry=registry)(saw)
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True
    settings.posting.enabled = False
    asyncio.run(kopf.operator(registry=registry, settings=settings, namespaces=[namespace], standalone=True))


if __name__ == "__main__":
    main()
