"""A simulated cluster for quotas: resourceVersions, lagging status, admission as Kubernetes does it, and operators that go wrong."""

import dataclasses
from collections.abc import Mapping

from dharma_handlers.tenant.quota import step
from dharma_handlers.tenant.quota_amounts import UNLIMITED
from dharma_handlers.tenant.quota_recent import RECENT_SECONDS, Recent
from dharma_handlers.tenant.quota_state import Ledger, QuotaObserved, QuotaRelease, QuotaWrite

RESOURCES = ("pods", "persistentvolumeclaims")
GUARDS = frozenset({"ResourceQuota", "Tenant"})
"""Whose resourceVersions the API server checks."""


@dataclasses.dataclass(frozen=True)
class TenantSeen:
    version: int
    limits: Mapping[str, int]
    namespaces: tuple[str, ...]
    ledger: Ledger
    distribution: str = "Elastic"
    shares: Mapping[str, int] = dataclasses.field(default_factory=dict)


class RefusedError(Exception):
    """Conflict, AlreadyExists or NotFound."""


class World:
    """The API server, its quota controller and admission."""

    def __init__(self, limits, namespaces, distribution="Elastic", shares=None, *, guards=GUARDS, lags=False):
        self.clock = 1
        self.now = 0.0
        self.guards = guards
        self.lags = lags
        self.tenant = TenantSeen(1, limits, tuple(namespaces), Ledger(), distribution, shares or {})
        self.quotas: dict[str, QuotaObserved] = {}
        self.objects: dict[tuple[str, str], int] = {}
        self.fresh: dict[tuple[str, str], int] = {}
        """Of the objects, how many have not come to the quota controller's caches."""
        self.synced: set[str] = set()
        self.past: dict[str, list[QuotaObserved | None]] = {}
        self.recent: dict[str, Recent] = {}

    def tick(self):
        self.clock += 1
        return self.clock

    def store(self, namespace, quota):
        self.past.setdefault(namespace, [None]).append(quota)
        if quota is None:
            self.quotas.pop(namespace, None)
            self.recent.pop(namespace, None)
            self.synced.discard(namespace)
        else:
            self.quotas[namespace] = dataclasses.replace(quota, resource_version=str(self.tick()))
            self.past[namespace][-1] = self.quotas[namespace]
            self.recent[namespace] = self.recent.get(namespace, Recent()).then(quota.used, self.now)

    def edit_tenant(self, **changes):
        self.tenant = dataclasses.replace(self.tenant, version=self.tick(), **changes)

    def write_ledger(self, version, ledger):
        if "Tenant" in self.guards and self.tenant.version != version:
            raise RefusedError
        self.edit_tenant(ledger=ledger)

    def write_quota(self, write: QuotaWrite):
        live = self.quotas.get(write.namespace)
        if write.resource_version is None:
            if live is not None:
                raise RefusedError
            self.store(write.namespace, QuotaObserved(write.namespace, "", dict(write.hard), {}, {}, write.sequence))
            return
        if live is None or ("ResourceQuota" in self.guards and live.resource_version != write.resource_version):
            raise RefusedError
        changed = dataclasses.replace(live, hard=dict(write.hard), sequence=write.sequence)
        if changed != live:
            self.store(write.namespace, changed)

    def release(self, release: QuotaRelease):
        live = self.quotas.get(release.namespace)
        if live is not None:
            if live.resource_version != release.resource_version:
                raise RefusedError
            self.store(release.namespace, None)

    def sync(self, namespace, *, behind=False):
        """The quota controller: copy hard, count what is there, or what is in caches that lag behind admission."""
        live = self.quotas.get(namespace)
        if live is not None:
            missed = self.fresh if behind else {}
            used = {name: self.objects.get((namespace, name), 0) - missed.get((namespace, name), 0) for name in live.hard}
            self.synced.add(namespace)
            if (dict(live.hard), used) != (live.status_hard, live.used):
                self.store(namespace, dataclasses.replace(live, status_hard=dict(live.hard), used=used))

    def create(self, namespace, resource, count):
        """Admission: by status, with compare-and-swap. Nobody has rights where no quota is in force yet."""
        live = self.quotas.get(namespace)
        if live is None or namespace not in self.synced:
            return False
        if resource in live.status_hard:
            used = live.used[resource] + count
            if used > live.status_hard[resource]:
                return False
            self.store(namespace, dataclasses.replace(live, used={**live.used, resource: used}))
        self.objects[namespace, resource] = self.objects.get((namespace, resource), 0) + count
        self.fresh[namespace, resource] = self.fresh.get((namespace, resource), 0) + count
        return True

    def delete(self, namespace, resource, count):
        left = max(0, self.objects.get((namespace, resource), 0) - count)
        self.objects[namespace, resource] = left
        self.fresh[namespace, resource] = min(left, self.fresh.get((namespace, resource), 0))

    def counted_lately(self, seen):
        return self.recent.get(seen.namespace, Recent()).counted(seen, self.now)

    def counted(self):
        return set(self.tenant.namespaces) | set(self.quotas)

    def visible(self, namespace, resource):
        """What the issue asks for: max(hard, used), and the hard that admission goes by; where caches lag, as far as can be known."""
        live, there = self.quotas.get(namespace), self.objects.get((namespace, resource), 0)
        if self.lags:
            there -= self.fresh.get((namespace, resource), 0)
        if live is None:
            return there
        status = live.status_hard.get(resource, UNLIMITED) if namespace in self.synced else 0
        return max(live.hard.get(resource, UNLIMITED), status, self.counted_lately(live).in_use(resource), there)


class Operator:
    """One process with caches of its own, each as old as it happens to be."""

    def __init__(self, world: World, *, stops=True):
        self.world = world
        self.stops = stops
        """Whether it goes by what `Step` says of writes that were refused or lost."""
        self.pressed: dict[str, dict[str, int]] = {}
        self.queue: list[tuple] = []
        self.tenant = world.tenant
        self.cache: dict[str, QuotaObserved] = {}

    def see_tenant(self):
        self.tenant = self.world.tenant

    def see(self, namespace):
        live = self.world.quotas.get(namespace)
        if live is None:
            self.cache.pop(namespace, None)
        else:
            self.cache[namespace] = live

    def see_all(self):
        self.see_tenant()
        for namespace in set(self.cache) | set(self.world.quotas):
            self.see(namespace)

    def decide(self):
        seen = self.tenant
        cache = {name: self.world.counted_lately(quota) for name, quota in self.cache.items()}
        return step(seen.limits, seen.distribution, seen.shares, seen.namespaces, cache, seen.ledger, self.pressed)

    def plan(self):
        todo = self.decide()
        self.queue = [("quota", write) for write in (*todo.create, *todo.shrink)]
        self.queue += [("release", release) for release in todo.release]
        if todo.ledger is not None:
            self.queue.append(("ledger", (self.tenant.version, todo.ledger)))
        self.queue += [("raise", write) for write in todo.raises]
        return todo

    def deliver(self, kind, what):
        if kind == "ledger":
            self.world.write_ledger(*what)
        elif kind == "release":
            self.world.release(what)
        else:
            self.world.write_quota(what)

    def advance(self, fate, wire):
        """Carry out the next write: it arrives, arrives late, twice, is lost, or arrives and its answer is lost."""
        kind, what = self.queue.pop(0)
        stops = self.stops and kind in {"release", "ledger"}
        if fate in {"late", "twice"}:
            wire.append((kind, what))
        if fate in {"late", "lost"}:
            if stops:
                self.queue.clear()
            return
        try:
            self.deliver(kind, what)
        except RefusedError:
            if stops:
                self.queue.clear()
        if fate == "unanswered" and stops:
            self.queue.clear()

    def granted(self):
        """Raises whose ledger is written."""
        return [] if any(kind == "ledger" for kind, _ in self.queue) else [what for kind, what in self.queue if kind == "raise"]


def potential(world: World, operators, wire, resource):
    """What may come to be in use, with all raises that the server would still take."""
    pending = [what for kind, what in wire if kind == "raise"] + [write for one in operators for write in one.granted()]
    total = 0
    for name in world.counted():
        live = world.quotas.get(name)
        arriving = [
            write.hard.get(resource, UNLIMITED)
            for write in pending
            if live is not None and write.namespace == name and write.resource_version == live.resource_version
        ]
        total += max([world.visible(name, resource), *arriving])
    return total


def settle(world: World, operator: Operator, most=25):
    """Let one operator with good eyes work until it writes nothing; return how many rounds that took."""
    for turn in range(most):
        world.now += RECENT_SECONDS
        operator.see_all()
        if operator.plan().at_rest and all(quota.hard == quota.status_hard for quota in world.quotas.values()):
            return turn
        while operator.queue:
            operator.advance("now", [])
        for namespace in list(world.quotas):
            world.sync(namespace)
    raise AssertionError(f"does not come to rest: {operator.decide()}, {world.quotas}, {world.tenant}")
