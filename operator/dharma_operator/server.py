"""The operator's own HTTP: metrics and probes."""

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

_logger = logging.getLogger(__name__)

_METRICS_TYPE = "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"

Trouble = Callable[[], list[str]]
"""What is wrong, one sentence each; empty when all is well."""


class Server:
    """Serves `/metrics`, `/healthz` (restart me if not) and `/readyz` (caches filled) until `stop`."""

    def __init__(self, metrics: Callable[[], bytes], unhealthy: Trouble, unready: Trouble) -> None:
        self._metrics = metrics
        self._unhealthy = unhealthy
        self._unready = unready
        self._runner: web.AppRunner | None = None
        self.port = 0
        """The port that is served, once started."""

    async def start(self, address: str, port: int) -> None:
        """Listen. Raises OSError when the port is taken."""
        app = web.Application()
        app.router.add_get("/metrics", self._get_metrics)
        app.router.add_get("/healthz", _probe(self._unhealthy))
        app.router.add_get("/readyz", _probe(self._unready))
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, address, port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        _logger.info("serving metrics and probes", extra={"address": address, "port": self.port})

    async def stop(self) -> None:
        """Stop listening, close all connections."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _get_metrics(self, request: web.Request) -> web.Response:
        del request
        return web.Response(body=self._metrics(), headers={"Content-Type": _METRICS_TYPE})


def _probe(trouble: Trouble) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        del request
        wrong = trouble()
        return web.Response(status=503 if wrong else 200, text="".join(f"{line}\n" for line in wrong) or "ok\n")

    return answer
