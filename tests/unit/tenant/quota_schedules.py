"""Schedules of events, made by hand, in which all that can go wrong does, but for what the protocol is to prevent."""

import contextlib

from tests.unit.tenant.quota_world import GUARDS, Operator, RefusedError, World, potential, settle

from dharma_handlers.tenant.quota_state import Ledger


class BrokenError(Exception):
    """More than the limit could come to be in use, or what is idle can't be had."""


class Scene:
    """A tenant of ten pods with namespaces a and b at rest, two operators, and writes on the wire."""

    def __init__(self, *, guards=GUARDS, stops=True):
        self.world = World({"pods": 10}, ("a", "b"), guards=guards)
        self.operators = [Operator(self.world, stops=stops) for _ in range(2)]
        self.wire = []
        self.plan()
        self.go(a="twice")
        self.late_create = self.wire.pop()
        self.sync()
        settle(self.world, self.operators[0])

    def edit(self, **changes):
        self.world.edit_tenant(**changes)

    def use(self, name, count, resource="pods"):
        assert self.world.create(name, resource, count)
        self.check()

    def see(self, who=0):
        self.operators[who].see_all()

    def press(self, who=0, /, resource="pods", **totals):
        self.operators[who].pressed = {name: {resource: total} for name, total in totals.items()}

    def plan(self, who=0, /, **totals):
        """Decide with open eyes, and with these refused requests."""
        self.see(who)
        self.press(who, **totals)
        return self.operators[who].plan()

    def go(self, who=0, /, **fates):
        """Carry out what is decided. `fates`: of the writes of one kind, or to one namespace."""
        operator = self.operators[who]
        while operator.queue:
            kind, what = operator.queue[0]
            operator.advance(fates.get(kind, fates.get(getattr(what, "namespace", ""), "now")), self.wire)
            self.check()

    def sync(self, *names, behind=False):
        for name in names or tuple(self.world.quotas):
            self.world.sync(name, behind=behind)
            self.check()

    def move(self, who=0, /, **totals):
        """Shrink, wait, raise: all goes well."""
        for _ in range(2):
            self.plan(who, **totals)
            self.go(who)
            self.sync()

    def arrive(self):
        while self.wire:
            kind, what = self.wire.pop(0)
            with contextlib.suppress(RefusedError):
                self.operators[0].deliver(kind, what)
            self.check()

    def check(self):
        for resource, limit in self.world.tenant.limits.items():
            total = potential(self.world, self.operators, self.wire, resource)
            if total > limit:
                raise BrokenError(resource, total, self.world.quotas)

    def can_have(self, name, total):
        self.press(0, **{name: total})
        try:
            settle(self.world, self.operators[0])
        except AssertionError as error:
            raise BrokenError from error
        if self.world.quotas[name].status_hard["pods"] < total:
            raise BrokenError(name, self.world.quotas)


def a_shrink_is_not_confirmed_yet(scene):
    scene.use("b", 5)
    scene.plan(b=9)
    scene.go()
    scene.plan(b=9)
    scene.go()


def a_raise_is_late(scene):
    """While it is on its way, another operator is asked for the same capacity."""
    scene.edit(limits={"pods": 20})
    scene.plan(a=10)
    scene.go(**{"raise": "late"})
    for _ in range(2):
        scene.plan(1, b=15)
        scene.go(1)
        scene.sync()
    scene.arrive()
    scene.can_have("b", 20)


def a_raise_is_lost(scene):
    scene.use("a", 5)
    scene.edit(limits={"pods": 20})
    scene.plan(a=10)
    scene.go(**{"raise": "lost"})
    scene.can_have("b", 15)


def a_raise_is_late_and_others_are_granted_twice(scene):
    """The second ledger must go on to say what the first one granted."""
    scene.edit(limits={"pods": 30})
    scene.plan(a=10)
    scene.go(**{"raise": "late"})
    scene.plan(1, b=6)
    scene.go(1, a="lost")
    scene.sync("b")
    scene.plan(1, b=25)
    scene.go(1, a="lost")
    scene.arrive()


def a_quota_is_made_anew_and_one_looks_at_the_old(scene):
    scene.plan(b=9)
    scene.go()
    scene.sync()
    scene.see(1)
    scene.world.store("a", None)
    scene.plan()
    scene.go()
    scene.sync()
    scene.plan(a=5)
    scene.go(**{"raise": "late"})
    scene.operators[1].see_tenant()
    scene.operators[1].see("b")
    scene.press(1, b=9)
    scene.operators[1].plan()
    scene.go(1)
    scene.arrive()


def the_ledger_is_lost_while_nothing_is_on_its_way(scene):
    scene.move(a=8)
    scene.move(b=8)
    scene.edit(limits={"pods": 20}, ledger=Ledger())
    a_raise_is_late(scene)


def two_operators_grant_at_once(scene):
    scene.edit(limits={"pods": 30})
    scene.plan(0, a=14)
    scene.plan(1, b=14)
    scene.go(0)
    scene.go(1)


def a_create_is_late(scene):
    scene.edit(namespaces=("b",))
    settle(scene.world, scene.operators[0])
    scene.press(b=9)
    settle(scene.world, scene.operators[0])
    scene.edit(namespaces=("a", "b"))
    scene.wire.append(scene.late_create)
    scene.arrive()


def a_release_is_refused(scene):
    scene.edit(namespaces=("a",))
    scene.plan(a=9)
    scene.use("b", 1)
    scene.go()
    scene.plan(a=9)
    scene.go()


def a_resource_is_limited_but_not_everywhere_yet(scene):
    scene.edit(limits={"pods": 10, "services": 4})
    scene.operators[0].see_all()
    scene.operators[0].plan()
    for write in (what for _, what in scene.operators[0].queue if what.namespace == "b"):
        scene.world.write_quota(write)
    scene.world.sync("b")
    scene.operators[0].see_all()
    scene.press(0, "services", b=4)
    todo = scene.operators[0].plan()
    if any(write.namespace == "b" for write in todo.raises):
        raise BrokenError(todo)


def a_limit_comes_back_before_its_removal_has_arrived(scene):
    scene.edit(limits={"pods": 10, "services": 4})
    settle(scene.world, scene.operators[0])
    scene.edit(limits={"pods": 10})
    scene.plan()
    scene.go(a="late")
    scene.edit(limits={"pods": 10, "services": 9})
    scene.see(1)
    scene.press(1, "services", b=4)
    operator = scene.operators[1]
    operator.plan()
    while operator.queue:
        operator.advance("now", scene.wire)
    scene.check()


def admission_still_allows_more_than_a_raise(scene):
    """a has little, as the second operator saw it; then much; then its shrink is not confirmed while it is raised by a little."""
    scene.move(b=9)
    scene.see(1)
    scene.move(a=9)
    high = scene.world.quotas["a"].status_hard["pods"]
    scene.plan(b=9)
    scene.go()
    scene.plan(a=4, b=5)
    scene.go(**{"raise": "late"})
    assert high > 5
    operator = scene.operators[1]
    operator.see_tenant()
    operator.see("b")
    scene.press(1, b=9)
    operator.plan()
    scene.go(1)
    scene.arrive()


def the_quota_controller_lags(scene):
    """A burst comes while a shrink is on its way; the controller confirms the shrink before it sees what the burst created."""
    scene.plan(b=9)
    scene.go()
    scene.use("a", 4)
    scene.sync("a", behind=True)
    assert scene.world.quotas["a"].used["pods"] == 0
    scene.plan(b=9)
    scene.go()
    scene.sync()
    scene.check()
    assert scene.world.quotas["a"].used["pods"] == 4


SCHEDULES = [
    a_shrink_is_not_confirmed_yet,
    a_raise_is_late,
    a_raise_is_lost,
    a_raise_is_late_and_others_are_granted_twice,
    a_quota_is_made_anew_and_one_looks_at_the_old,
    the_ledger_is_lost_while_nothing_is_on_its_way,
    two_operators_grant_at_once,
    a_create_is_late,
    a_release_is_refused,
    a_resource_is_limited_but_not_everywhere_yet,
    a_limit_comes_back_before_its_removal_has_arrived,
    admission_still_allows_more_than_a_raise,
    the_quota_controller_lags,
]
