"""Who was refused for want of quota not long ago: heard from the events of controllers that could not make a pod or claim."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from dharma_handlers import labels
from dharma_handlers.outcome import Manifest
from dharma_handlers.tenant.quota_report import refused
from dharma_operator.controllers import Wake
from dharma_operator.engine import Cause
from dharma_operator.kube.client import Changed, Client
from dharma_operator.kube.errors import ApiError
from dharma_operator.kube.resources import EVENT, NAMESPACE, ObjectKey
from dharma_operator.store import Store, part
from dharma_operator.workqueue import OwnerKey

_logger = logging.getLogger(__name__)

_KEPT_SECONDS = 60.0
_RETRY_SECONDS = 15.0
_REASON = "reason=FailedCreate"


class Pressure:
    """By namespace and resource, the total with which a refused request would have fit; forgotten after a minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: dict[str, dict[str, tuple[int, float]]] = {}

    def of(self, namespaces: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
        """Return what is pressing in these namespaces, whose present use is given: what has been had since presses no more."""
        now = self._clock()
        found: dict[str, dict[str, int]] = {}
        for namespace, used in namespaces.items():
            told = self._told.get(namespace, {})
            current = {name: entry for name, entry in told.items() if entry[1] > now and (entry[0] == 0 or used.get(name, 0) < entry[0])}
            if current != told:
                self._keep(namespace, current)
            if current:
                found[namespace] = {name: amount for name, (amount, _) in current.items()}
        return found

    def hear(self, namespace: str, message: str) -> bool:
        """Take in what a controller was told. Returns whether it was about quota of ours."""
        until = self._clock() + _KEPT_SECONDS
        totals = refused(message)
        if totals:
            self._told.setdefault(namespace, {}).update({name: (amount, until) for name, amount in totals.items()})
        return bool(totals)

    def forget(self, namespace: str) -> None:
        """Drop what is known of a namespace."""
        self._told.pop(namespace, None)

    async def listen(self, client: Client, store: Store, wake: Wake) -> None:
        """Follow the events of failed creations in all namespaces, and wake the Tenants concerned."""
        while True:
            try:
                async for item in client.watch(EVENT, field_selector=_REASON, trim=_essence):
                    if isinstance(item, Changed) and item.type != "DELETED":
                        self._take(item.object, store, wake)
            except ApiError as error:
                _logger.warning("events of failed creations cannot be watched, trying again every %.0f s: %s", _RETRY_SECONDS, error)
            await asyncio.sleep(_RETRY_SECONDS)

    def _take(self, event: Manifest, store: Store, wake: Wake) -> None:
        namespace = event["metadata"]["namespace"]
        live = store.get(ObjectKey(NAMESPACE, None, namespace))
        tenant = part(live["metadata"], "labels").get(labels.TENANT) if live is not None else None
        if tenant and self.hear(namespace, event.get("note") or ""):
            wake(OwnerKey("Tenant", "", tenant), Cause.CHILD)

    def _keep(self, namespace: str, entries: dict[str, tuple[int, float]]) -> None:
        if entries:
            self._told[namespace] = entries
        else:
            self.forget(namespace)


def _essence(event: Manifest) -> Manifest:
    metadata = event["metadata"]
    kept = {name: metadata[name] for name in ("name", "namespace", "uid", "resourceVersion") if name in metadata}
    return {"apiVersion": event.get("apiVersion"), "kind": event.get("kind"), "metadata": kept, "note": event.get("note")}
