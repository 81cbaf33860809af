"""Which replica acts: by a Lease, as client-go's leader election does it.

The holder renews three times within the lease's duration and gives up by itself when it could not renew for four fifths of it, so
before anyone else may take over. A standby takes over when the Lease has been released, or has not changed for its whole duration
by the standby's own clock: clocks of different machines are never compared.
"""

import asyncio
import logging
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dharma_operator.kube.client import Client
from dharma_operator.kube.errors import AlreadyExists, ApiError, Conflict, NotFound
from dharma_operator.kube.resources import LEASE, ObjectKey

_logger = logging.getLogger(__name__)


def identity_of(pod_name: str) -> str:
    """Return a name for this process that no other has; it begins with the pod's name, or the host's."""
    return f"{pod_name or socket.gethostname()}_{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class Seen:
    """The Lease as last read, and when its content last changed, by our own clock."""

    version: str
    holder: str
    seconds: float
    transitions: int
    renewed: str
    since: float

    def free(self, now: float) -> bool:
        """Whether anyone may take it."""
        return not self.holder or now >= self.since + self.seconds


class LostLeaseError(Exception):
    """Another replica holds the Lease, or it could not be renewed in time."""


class Lease:
    """One replica's part in the election."""

    def __init__(self, client: Client, key: ObjectKey, pod_name: str, seconds: float, clock: Callable[[], float] | None = None) -> None:
        """`pod_name`, if given, is unique among running processes: a Lease held under it is that of a former process of the same pod."""
        self._client = client
        self._key = key
        self._pod_name = pod_name
        self._seconds = seconds
        self._clock = clock or asyncio.get_running_loop().time
        self._seen: Seen | None = None
        self._renewed = 0.0
        self.identity = identity_of(pod_name)
        self.held = False

    @staticmethod
    def key(namespace: str, name: str) -> ObjectKey:
        """Return the key of the Lease of that name."""
        return ObjectKey(LEASE, namespace, name)

    @property
    def valid(self) -> bool:
        """Whether this replica may act at this moment: nobody else can hold the Lease yet."""
        return self.held and self._clock() < self._renewed + self._seconds

    async def acquire(self) -> None:
        """Wait until this replica holds the Lease."""
        while not self.held:
            try:
                async with asyncio.timeout(self._seconds / 3):
                    await self._try()
            except (ApiError, TimeoutError) as error:
                _logger.warning("the lease %s cannot be looked at: %s", self._key, error)
            if not self.held:
                await asyncio.sleep(self._seconds / 15)
        _logger.info("this replica acts now", extra={"identity": self.identity})

    async def keep(self) -> None:
        """Renew until it fails. Raises LostLeaseError, always before another replica may act."""
        deadline = self._seconds * 4 / 5
        pause = self._seconds / 3
        while True:
            await asyncio.sleep(pause)
            try:
                async with asyncio.timeout_at(asyncio.get_running_loop().time() + self._renewed + deadline - self._clock()):
                    await self._renew()
                pause = self._seconds / 3
            except TimeoutError:
                self.held = False
                raise LostLeaseError(f"the lease could not be renewed for {deadline:.0f} s") from None
            except ApiError as error:
                _logger.warning("the lease %s cannot be renewed: %s", self._key, error)
                pause = self._seconds / 15

    async def release(self) -> None:
        """Give it up, so that another replica takes over at once. Errors are logged: it runs out by itself."""
        if not self.held or self._seen is None:
            return
        self.held = False
        try:
            async with asyncio.timeout(self._seconds / 5):
                await self._write({"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()})
            _logger.info("the lease is released", extra={"identity": self.identity})
        except (ApiError, TimeoutError) as error:
            _logger.warning("the lease %s cannot be released, it runs out in %.0f s: %s", self._key, self._seconds, error)

    async def _try(self) -> None:
        asked = self._clock()
        live = await self._client.get(self._key)
        if live is None:
            await self._create(asked)
            return
        seen = self._observe(live)
        mine = bool(self._pod_name) and seen.holder.rpartition("_")[0] == self._pod_name
        if seen.free(self._clock()) or mine:
            await self._take(seen, asked)

    async def _create(self, asked: float) -> None:
        spec = self._claim(transitions=0)
        try:
            live = await self._client.create(
                {
                    "apiVersion": LEASE.api_version,
                    "kind": LEASE.kind,
                    "metadata": {"name": self._key.name, "namespace": self._key.namespace},
                    "spec": spec,
                }
            )
        except AlreadyExists:
            return
        self._won(live, asked)

    async def _take(self, seen: Seen, asked: float) -> None:
        try:
            live = await self._write(self._claim(transitions=seen.transitions + 1))
        except (Conflict, NotFound):
            return  # somebody else was faster
        self._won(live, asked)

    def _won(self, live: Mapping[str, Any], asked: float) -> None:
        self._observe(live)
        self._renewed = asked
        self.held = True

    async def _renew(self) -> None:
        asked = self._clock()
        try:
            live = await self._write({"renewTime": _now()})
        except Conflict:
            # Something else in the object may have changed (a label), or the answer to an own write was lost.
            current = await self._client.get(self._key)
            if current is None or self._observe(current).holder != self.identity:
                self.held = False
                raise LostLeaseError("another replica holds the lease") from None
            live = await self._write({"renewTime": _now()})
        except NotFound:
            self.held = False
            raise LostLeaseError("the lease was deleted") from None
        self._observe(live)
        self._renewed = asked

    async def _write(self, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        version = self._seen.version if self._seen else None
        return await self._client.patch(self._key, {"spec": dict(spec)}, resource_version=version)

    def _claim(self, *, transitions: int) -> dict[str, Any]:
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": max(1, round(self._seconds)),
            "acquireTime": _now(),
            "renewTime": _now(),
            "leaseTransitions": transitions,
        }

    def _observe(self, live: Mapping[str, Any]) -> Seen:
        spec: Mapping[str, Any] = live.get("spec") or {}
        holder, renewed = spec.get("holderIdentity") or "", spec.get("renewTime") or ""
        before = self._seen
        same = before is not None and (before.holder, before.renewed) == (holder, renewed)
        self._seen = Seen(
            version=live["metadata"]["resourceVersion"],
            holder=holder,
            seconds=float(spec.get("leaseDurationSeconds") or self._seconds),
            transitions=int(spec.get("leaseTransitions") or 0),
            renewed=renewed,
            since=before.since if before is not None and same else self._clock(),
        )
        return self._seen


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


async def lead_while_held(lease: Lease, lead: Callable[[], Awaitable[None]]) -> None:
    """Stand by, lead while the lease is held, stand by again, until `lead` returns. A lost lease cancels `lead`; its errors are raised."""
    while True:
        await lease.acquire()
        leading = asyncio.ensure_future(lead())
        keeping = asyncio.ensure_future(lease.keep())
        try:
            await asyncio.wait({leading, keeping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (leading, keeping):
                task.cancel()
            await asyncio.gather(leading, keeping, return_exceptions=True)
        if not leading.cancelled():
            return leading.result()
        if (loss := keeping.exception()) is not None:
            if not isinstance(loss, LostLeaseError):
                raise loss
            _logger.warning("this replica stands by: %s", loss)
