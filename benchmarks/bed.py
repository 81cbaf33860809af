"""What every benchmark stands on: the cluster, a client with a name of its own, namespaces, an operator process, and waiting by watches."""

import asyncio
import dataclasses
import json
import os
import socket
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import kopf
from tests.support import cluster
from tests.support.operator_process import OperatorProcess

from benchmarks.metrics import Metrics, writes
from benchmarks.process import Usage, usage
from dharma_handlers.outcome import Manifest
from dharma_operator.kube.auth import login
from dharma_operator.kube.client import Client
from dharma_operator.kube.resources import BLUEPRINT, DEPLOYMENT, PERSISTENT_VOLUME_CLAIM, POD, STATEFUL_SET, key_of

AGENT = "dharma-benchmarks"
"""How the benchmarks' own requests name themselves in the audit log."""

_SILENCE_SECONDS = 3.0
_LONGEST_SECONDS = 240.0
_INSTALLED = "app.kubernetes.io/name=iac-dharma,app.kubernetes.io/component=operator"


class _Named(kopf.ConnectionInfo):
    def as_http_headers(self) -> dict[str, str]:
        return {**super().as_http_headers(), "User-Agent": AGENT}


async def _login() -> kopf.ConnectionInfo:
    info = await login()
    return _Named(**{part.name: getattr(info, part.name) for part in dataclasses.fields(info)})


@dataclass(frozen=True)
class Bed:
    """The cluster, opened."""

    client: Client
    quick: bool
    folder: Path
    """For logs; gone after the run."""

    def say(self, text: str) -> None:
        """Tell how far it is."""
        print(f"   {text}", flush=True)

    @asynccontextmanager
    async def namespaces(self, name: str, count: int) -> AsyncGenerator[list[str]]:
        """So many new namespaces, emptied and deleted afterwards."""
        async with AsyncExitStack() as stack:
            made = [await stack.enter_async_context(cluster.new_namespace(self.client, f"bench-{name}")) for _ in range(count)]
            yield made
            for namespace in made:
                await self.empty(namespace)

    async def empty(self, namespace: str) -> None:
        """Delete what runs and what is stored in a namespace, and wait until it is gone: the next run has the machine for itself.

        A namespace that is deleted with its pods in it stays for half their grace period, though they end at once: 91 s.
        """
        for resource in (BLUEPRINT, STATEFUL_SET, DEPLOYMENT, PERSISTENT_VOLUME_CLAIM):
            listing = await self.client.list(resource, namespace)
            await asyncio.gather(*(self.client.delete(key_of(item, resource)) for item in listing.items))
        await cluster.wait_until(lambda: self._nothing_runs(namespace), f"nothing runs in {namespace}", seconds=240, every=0.25)

    async def _nothing_runs(self, namespace: str) -> bool:
        listings = [await self.client.list(resource, namespace) for resource in (POD, PERSISTENT_VOLUME_CLAIM)]
        return not any(listing.items for listing in listings)

    def user(self, connections: int) -> Client:
        """Another client, for so many requests at once."""
        return Client(_login, manager=AGENT, connections=connections)

    async def until(self, predicate: Callable[[], Awaitable[bool]], what: str, seconds: float) -> None:
        """Wait for something that no watch tells of."""
        await cluster.wait_until(predicate, what, seconds=seconds, every=0.1)

    @asynccontextmanager
    async def operator(self, namespaces: Sequence[str], lease_namespace: str, *, lease_seconds: int = 15) -> AsyncGenerator["Operator"]:
        """An operator for these namespaces, ready. None are named: it serves all, whosever they are."""
        operator = Operator(tuple(namespaces), lease_namespace, self.folder, lease_seconds)
        try:
            await operator.start()
            yield operator
        finally:
            await operator.stop()


class Operator:
    """One operator process, and what it counts and uses."""

    def __init__(self, namespaces: tuple[str, ...], lease_namespace: str, folder: Path, lease_seconds: int) -> None:
        self.port = _free_port()
        log = folder / f"operator-{self.port}.log"
        self.process = OperatorProcess(
            namespaces, log, name="benchmark", pod_namespace=lease_namespace, port=str(self.port), lease_seconds=str(lease_seconds)
        )

    async def start(self) -> None:
        """Start it and wait until its caches are full and it acts."""
        self.process.start()
        await self.process.ready(60)
        await cluster.wait_until(self._leads, "the operator acts", seconds=60, every=0.05, explain=self.process.tail)

    async def stop(self) -> None:
        """Stop it as Kubernetes would."""
        try:
            if self.process.running:
                await self.process.stop()
        finally:
            self.process.close()

    async def metrics(self) -> Metrics:
        """What it counted until now."""
        return await asyncio.to_thread(Metrics.of, self.port)

    def usage(self) -> Usage:
        """What it used until now."""
        return usage(self.process.pid)

    async def handled(self, kind: str, count: int) -> None:
        """Wait until it has handled so many objects of a kind since its start."""

        async def enough() -> bool:
            return (await self.metrics()).sum("dharma_reconciles_total", kind=kind, outcome="Success") >= count

        await cluster.wait_until(enough, f"{count} {kind}s are handled", seconds=_LONGEST_SECONDS, every=0.1, explain=self.process.tail)

    async def silent(self) -> None:
        """Wait until it has written nothing for a while."""
        written, since = -1, time.monotonic()

        async def is_silent() -> bool:
            nonlocal written, since
            before, written = written, writes((await self.metrics()).requests())
            if written != before:
                since = time.monotonic()
            return time.monotonic() - since >= _SILENCE_SECONDS

        await cluster.wait_until(is_silent, "the operator is silent", seconds=_LONGEST_SECONDS, every=0.5, explain=self.process.tail)

    async def _leads(self) -> bool:
        return (await self.metrics()).sum("dharma_leader") == 1


@asynccontextmanager
async def opened(*, quick: bool) -> AsyncGenerator[Bed]:
    """Open the cluster for benchmarks. Fails with the remedy when there is none."""
    os.environ["KUBECONFIG"] = str(cluster.require_cluster())
    with tempfile.TemporaryDirectory(prefix="dharma-benchmarks-") as folder, _others_paused():
        _install_crds()
        async with Client(_login, manager=AGENT) as client:
            yield Bed(client, quick, Path(folder))


def _install_crds() -> None:
    folder = cluster.ROOT / "crds"
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(folder))
    names = [path.stem.split("_") for path in folder.glob("*.yaml")]
    cluster.kubectl("wait", "--for=condition=Established", *(f"crd/{plural}.{group}" for group, plural in names), "--timeout=30s")


@contextmanager
def _others_paused() -> Generator[None]:
    """Pause operators that the chart installed: they would serve the benchmarks' objects too."""
    listed = json.loads(cluster.kubectl("get", "deployments.apps", "--all-namespaces", "--selector", _INSTALLED, "--output", "json"))
    running = [item for item in listed["items"] if item["spec"]["replicas"]]

    def scale(item: Manifest, replicas: int) -> None:
        metadata = item["metadata"]
        cluster.kubectl("scale", "--namespace", metadata["namespace"], f"--replicas={replicas}", f"deployment.apps/{metadata['name']}")

    try:
        for item in running:
            scale(item, 0)
        yield
    finally:
        for item in running:
            scale(item, item["spec"]["replicas"])


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
