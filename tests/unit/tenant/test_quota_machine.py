"""However writes are delayed, lost or cut off, and whoever acts on what he saw long ago: never more than the limit, and nothing is lost."""

import contextlib

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from tests.unit.tenant.quota_world import RESOURCES, Operator, RefusedError, World, potential, settle

from dharma_handlers.tenant.quota_amounts import UNLIMITED
from dharma_handlers.tenant.quota_recent import RECENT_SECONDS

NAMES = ("a", "b", "c", "d")
names, resources, operators = st.sampled_from(NAMES), st.sampled_from(RESOURCES), st.integers(0, 1)
fates = st.sampled_from(["now", "now", "now", "now", "late", "late", "twice", "lost", "unanswered"])


class QuotaMachine(RuleBasedStateMachine):
    lags = False

    @initialize(
        pods=st.integers(0, 40),
        volumes=st.integers(0, 6),
        count=st.integers(1, 4),
        static=st.booleans(),
        warm=st.booleans(),
    )
    def begin(self, pods, volumes, count, static, warm):
        shares = dict.fromkeys(NAMES, 25) if static else {}
        limits = {"pods": pods, "persistentvolumeclaims": volumes}
        self.world = World(limits, NAMES[:count], "Static" if static else "Elastic", shares, lags=self.lags)
        self.operators = [Operator(self.world), Operator(self.world)]
        self.wire = []
        if warm:
            settle(self.world, self.operators[0])
            self.operators[1].see_all()
        self.bound = {name: self.potential(name) for name in RESOURCES}
        self.tighten()

    # what users and administrators do

    @rule(name=names, resource=resources, count=st.integers(1, 12))
    def create(self, name, resource, count):
        live = self.world.quotas.get(name)
        if not self.world.create(name, resource, count) and live is not None:
            for operator in self.operators:
                operator.pressed.setdefault(name, {})[resource] = live.used.get(resource, 0) + count

    @rule(name=names, resource=resources, count=st.integers(1, 12))
    def delete(self, name, resource, count):
        self.world.delete(name, resource, count)

    @rule(resource=resources, limit=st.integers(0, 40) | st.none())
    def set_limit(self, resource, limit):
        limits = {key: value for key, value in self.world.tenant.limits.items() if key != resource}
        self.world.edit_tenant(limits=limits if limit is None else {**limits, resource: limit})
        self.loosen()

    @rule(name=names, there=st.booleans())
    def set_project(self, name, there):
        before = self.world.tenant.namespaces
        self.world.edit_tenant(namespaces=tuple(sorted({*before, name} if there else {*before} - {name})))
        self.loosen()

    @rule(name=names)
    def delete_namespace(self, name):
        self.world.store(name, None)
        for resource in RESOURCES:
            self.world.delete(name, resource, UNLIMITED)

    @rule(name=names)
    def delete_quota_by_hand(self, name):
        self.world.store(name, None)

    @rule()
    def forget_pressed(self):
        for operator in self.operators:
            operator.pressed.clear()

    # what Kubernetes does

    @rule(name=names)
    def sync(self, name):
        self.world.sync(name)

    @rule()
    def sync_all(self):
        for name in NAMES:
            self.world.sync(name)

    @precondition(lambda self: not self.unseen())
    @rule()
    def time_passes(self):
        self.world.now += RECENT_SECONDS

    # what operators do

    @rule(who=operators)
    def see_tenant(self, who):
        self.operators[who].see_tenant()

    @rule(who=operators, name=names)
    def see(self, who, name):
        self.operators[who].see(name)

    @rule(who=operators, name=names, back=st.integers(1, 6))
    def see_old(self, who, name, back):
        """A cache that is filled anew from a server that lags."""
        past = self.world.past.get(name, [])
        if len(past) >= back:
            old = past[-back]
            self.operators[who].cache.pop(name, None)
            if old is not None:
                self.operators[who].cache[name] = old

    @rule(who=operators)
    def reconcile(self, who):
        self.operators[who].plan()

    @rule(who=operators)
    def reconcile_wide_awake(self, who):
        self.operators[who].see_all()
        self.operators[who].plan()

    @precondition(lambda self: any(operator.queue for operator in self.operators))
    @rule(who=operators, chosen=st.lists(fates, min_size=1, max_size=6))
    def advance(self, who, chosen):
        for fate in chosen:
            if self.operators[who].queue:
                self.operators[who].advance(fate, self.wire)
                self.check()

    @rule(who=operators)
    def crash(self, who):
        self.operators[who].queue.clear()

    @precondition(lambda self: self.wire)
    @rule(index=st.integers(0, 50))
    def arrive(self, index):
        kind, what = self.wire.pop(index % len(self.wire))
        with contextlib.suppress(RefusedError):
            self.operators[0].deliver(kind, what)

    @rule(who=operators)
    def good_round(self, who):
        """All goes well for once, so that there is something to go wrong with."""
        operator = self.operators[who]
        operator.see_all()
        operator.plan()
        while operator.queue:
            operator.advance("now", [])
            self.check()
        self.sync_all()

    # what must hold

    def potential(self, resource):
        return potential(self.world, self.operators, self.wire, resource)

    def unseen(self):
        """Whether there is more somewhere than its ResourceQuota shows."""
        quotas = self.world.quotas.items()
        return any(self.world.objects.get((name, each), 0) > seen.held(each) for name, seen in quotas for each in RESOURCES)

    def loosen(self):
        for name in RESOURCES:
            self.bound[name] = max(self.bound[name], self.potential(name))
        self.tighten()

    def tighten(self):
        for name in RESOURCES:
            limit = self.world.tenant.limits.get(name, UNLIMITED * 100)
            self.bound[name] = max(limit, min(self.bound[name], self.potential(name)))

    @invariant()
    def check(self):
        for name in RESOURCES:
            assert self.potential(name) <= self.bound[name], (name, self.bound, self.world.tenant, self.world.quotas)
        self.tighten()

    def teardown(self):
        if not hasattr(self, "world"):
            return
        world, operator = self.world, self.operators[0]
        operator.pressed.clear()
        settle(world, operator)
        for resource, limit in world.tenant.limits.items():
            there = sum(world.objects.get((name, resource), 0) for name in world.tenant.namespaces)
            assert sum(world.visible(name, resource) for name in world.tenant.namespaces) <= max(limit, there)
            if world.tenant.distribution == "Elastic" and there <= limit:
                for name in world.tenant.namespaces:
                    self.all_that_is_idle_can_be_had(name, resource, limit - there)
        while self.wire:
            self.arrive(0)
            self.check()

    def all_that_is_idle_can_be_had(self, name, resource, idle):
        world, operator = self.world, self.operators[0]
        mine = world.objects.get((name, resource), 0)
        operator.pressed = {name: {resource: mine + idle}}
        settle(world, operator)
        assert world.quotas[name].status_hard[resource] >= mine + idle
        assert idle == 0 or world.create(name, resource, idle)
        assert not world.create(name, resource, 1)
        world.delete(name, resource, idle)
        operator.pressed = {}
        for _ in range(2):
            world.sync(name)
            settle(world, operator)


class LaggingMachine(QuotaMachine):
    """The quota controller counts from caches that lag behind admission, and operators see each event.

    What nobody can know may come on top: what admission let in while `used` was too low, by its own mistake.
    """

    lags = True

    @rule(name=names)
    def sync_behind(self, name):
        self.world.sync(name, behind=True)

    @rule()
    def catch_up(self):
        self.world.fresh.clear()
        self.loosen()

    def teardown(self):
        if hasattr(self, "world"):
            self.catch_up()
            self.sync_all()
        super().teardown()


def run(machine, examples, **more):
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            print_blob=False,
            **more,
        ),
    )


def test_never_more_than_the_limit_and_nothing_is_lost():
    run(QuotaMachine, 120)


def test_nor_where_the_quota_controller_counts_from_caches_that_lag():
    run(LaggingMachine, 80)
