"""What the operator counts, under Prometheus' conventions. All label values come from small fixed sets."""

from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics, generate_latest

from dharma_operator import __version__
from dharma_operator.kube.resources import Resource

_DURATIONS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_LAGS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


disable_created_metrics()  # type: ignore[no-untyped-call]  # they double the samples, and nobody asks for them


class Metrics:
    """All metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._info = Gauge("dharma_operator_info", "1, with the version that runs.", ["version"], registry=registry)
        self._info.labels(__version__).set(1)
        self._leader = Gauge("dharma_leader", "1 while this replica is the one that acts.", registry=registry)
        self._synced = Gauge("dharma_caches_synced", "1 once all watches have listed what is there.", registry=registry)
        self._reconciles = Counter(
            "dharma_reconciles_total", "Reconciles by kind and how they ended.", ["kind", "outcome"], registry=registry
        )
        self._reconcile_seconds = Histogram(
            "dharma_reconcile_duration_seconds", "Time that reconciles took.", ["kind"], buckets=_DURATIONS, registry=registry
        )
        self._queue_depth = Gauge("dharma_queue_depth", "Objects that wait for a reconcile.", registry=registry)
        self._queue_seconds = Histogram(
            "dharma_queue_wait_seconds", "Time that objects waited for a reconcile.", ["kind"], buckets=_DURATIONS, registry=registry
        )
        self._running = Gauge("dharma_reconciles_running", "Reconciles in progress.", registry=registry)
        self._requests = Counter(
            "dharma_api_requests_total", "Requests to the Kubernetes API; code 0: no answer.", ["verb", "code"], registry=registry
        )
        self._request_seconds = Histogram(
            "dharma_api_request_duration_seconds",
            "Time until the Kubernetes API answered.",
            ["verb"],
            buckets=_DURATIONS,
            registry=registry,
        )
        self._changes = Counter(
            "dharma_children_changed_total", "Children that were written or pruned.", ["kind", "action"], registry=registry
        )
        self._drift = Counter("dharma_drift_total", "Children found changed by others, by kind of the owner.", ["kind"], registry=registry)
        self._status_writes = Counter("dharma_status_writes_total", "Statuses written, by kind.", ["kind"], registry=registry)
        self._objects = Gauge("dharma_store_objects", "Objects held in memory.", ["kind"], registry=registry)
        self._lists = Counter(
            "dharma_watch_lists_total", "Complete lists read by watches, the first one included.", ["kind"], registry=registry
        )
        self._lag = Histogram("dharma_event_loop_lag_seconds", "How late the event loop ran a timer.", buckets=_LAGS, registry=registry)

    def leader(self, *, leads: bool) -> None:
        """Note whether this replica acts."""
        self._leader.set(int(leads))

    def synced(self, *, synced: bool) -> None:
        """Note whether all caches are filled."""
        self._synced.set(int(synced))

    def reconciled(self, kind: str, outcome: str, seconds: float) -> None:
        """Count a reconcile; `outcome` is `Success` or the stable reason of a failure."""
        self._reconciles.labels(kind, outcome).inc()
        self._reconcile_seconds.labels(kind).observe(seconds)

    def queued(self, depth: int) -> None:
        """Note that the queue holds so many objects."""
        self._queue_depth.set(depth)

    def running(self, runs: int) -> None:
        """Note that so many runs are in progress."""
        self._running.set(runs)

    def waited(self, kind: str, seconds: float) -> None:
        """Count an object whose turn came after so long."""
        self._queue_seconds.labels(kind).observe(seconds)

    def request(self, verb: str, code: int, seconds: float) -> None:
        """Count a request to the Kubernetes API that was answered, or not (code 0)."""
        self._requests.labels(verb, str(code)).inc()
        self._request_seconds.labels(verb).observe(seconds)

    def changed(self, kind: str, action: str) -> None:
        """Count a child of this kind that was written (`Apply`) or pruned (`Prune`)."""
        self._changes.labels(kind, action).inc()

    def drifted(self, kind: str, count: int) -> None:
        """Count children of an owner of this kind that were found changed."""
        self._drift.labels(kind).inc(count)

    def status_written(self, kind: str) -> None:
        """Count a status that was written."""
        self._status_writes.labels(kind).inc()

    def listed(self, kind: str) -> None:
        """Count a complete list that a watch read."""
        self._lists.labels(kind).inc()

    def lag(self, seconds: float) -> None:
        """Count a timer that the event loop ran so late."""
        self._lag.observe(seconds)

    def render(self, held: Mapping[Resource, int]) -> bytes:
        """Return the text that Prometheus scrapes. `held`: objects in memory by kind."""
        for resource, count in held.items():
            self._objects.labels(str(resource)).set(count)
        return generate_latest(self.registry)
