"""What is the same everywhere in a cluster: images, and where API server, DNS and the operator itself are."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dharma_handlers.facts import ClusterFacts, Images, OperatorIdentity
from dharma_operator.kube.client import Client
from dharma_operator.kube.resources import ENDPOINT_SLICE, POD, SERVICE, ObjectKey
from dharma_operator.settings import Settings

KEPT_SECONDS = 300.0
"""How long the answers are believed: addresses of API servers and DNS change when a control plane moves."""
_API_SERVER = "kubernetes"
_DNS = ObjectKey(SERVICE, "kube-system", "kube-dns")
_IDENTITY_LABELS = ("app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component")


class FactFinder:
    """Asks once and remembers for a while; asked by many at a time, it still asks once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = asyncio.Lock()
        self._known: tuple[float, ClusterFacts] | None = None

    async def facts(self, client: Client, settings: Settings) -> ClusterFacts:
        """Return the facts, at most `KEPT_SECONDS` old. Raises ApiError when the API server cannot be asked."""
        async with self._lock:
            if self._known is None or self._clock() - self._known[0] > KEPT_SECONDS:
                self._known = (self._clock(), await _find(client, settings))
            return self._known[1]


async def _find(client: Client, settings: Settings) -> ClusterFacts:
    endpoints, service, dns, operator = await asyncio.gather(
        client.get(ObjectKey(ENDPOINT_SLICE, "default", _API_SERVER)),
        client.get(ObjectKey(SERVICE, "default", _API_SERVER)),
        client.get(_DNS),
        client.get(ObjectKey(POD, settings.pod_namespace, settings.pod_name)),
    )
    addresses = [*_endpoints(endpoints or {}), *_service(service or {})]
    return ClusterFacts(
        images=Images(postgres=settings.postgres_image, pgbouncer=settings.pgbouncer_image, redis=settings.redis_image),
        operator=_identity(operator, settings),
        api_server_endpoints=tuple(sorted(set(addresses))),
        dns_addresses=tuple(sorted({address for address, _ in _service(dns or {})})),
    )


def _endpoints(endpoint_slice: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for endpoint in endpoint_slice.get("endpoints") or ():
        for address in endpoint["addresses"]:
            for port in endpoint_slice.get("ports") or ():
                yield address, port["port"]


def _service(service: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    spec: Mapping[str, Any] = service.get("spec") or {}
    for address in spec.get("clusterIPs") or ():
        for port in spec.get("ports") or ():
            if address != "None":
                yield address, port["port"]


def _identity(pod: Mapping[str, Any] | None, settings: Settings) -> OperatorIdentity | None:
    """Who the operator is as a pod; None outside the cluster."""
    if pod is None:
        return None
    labels: Mapping[str, str] = pod["metadata"].get("labels") or {}
    return OperatorIdentity(
        namespace=settings.pod_namespace,
        pod_labels={name: labels[name] for name in _IDENTITY_LABELS if name in labels},
    )
