"""Each guard of the protocol by itself: with it a schedule goes well, without it more than the limit could be had, or less for ever."""

import dataclasses

import pytest
from tests.unit.tenant import quota_schedules as schedules
from tests.unit.tenant import quota_world
from tests.unit.tenant.quota_schedules import BrokenError, Scene
from tests.unit.tenant.quota_world import GUARDS

from dharma_handlers.tenant import quota
from dharma_handlers.tenant.quota_amounts import UNLIMITED
from dharma_handlers.tenant.quota_recent import Recent
from dharma_handlers.tenant.quota_state import Ledger, QuotaObserved


@pytest.mark.parametrize("schedule", schedules.SCHEDULES, ids=lambda schedule: schedule.__name__)
def test_nothing_goes_wrong(schedule):
    schedule(Scene())


def shrinks(change):
    real = quota._shrink

    def shrink(facts, seen, targets):
        write = real(facts, seen, targets)
        return write and change(seen, write)

    return quota, "_shrink", shrink


def ledgers(change):
    real = quota._ledger

    def ledger(facts, hard, release):
        written = real(facts, hard, release)
        return written and change(facts, hard, written)

    return quota, "_ledger", ledger


def entries(change):
    """`change`: what an entry says instead."""

    def changed(facts, hard, written):
        changed = {
            name: dataclasses.replace(entry, amounts=change(facts, hard, name, entry.amounts)) for name, entry in written.namespaces.items()
        }
        return Ledger(written.sequence, changed)

    return ledgers(changed)


def numbered(number):
    def renumbered(facts, _, written):
        new = number(facts)
        changed = {
            name: dataclasses.replace(entry, sequence=new if entry.sequence == written.sequence else entry.sequence)
            for name, entry in written.namespaces.items()
        }
        return Ledger(new, changed)

    return ledgers(renumbered)


def held(*counted):
    def amount(seen, resource):
        return max(getattr(seen, each).get(resource, unbounded) for each, unbounded in counted)

    return QuotaObserved, "held", amount


def creates_in_full():
    real = quota_world.step

    def step(*args):
        todo = real(*args)
        return dataclasses.replace(todo, create=tuple(dataclasses.replace(write, hard={**write.hard, "pods": 5}) for write in todo.create))

    return quota_world, "step", step


BOUNDED = ("hard", UNLIMITED), ("status_hard", UNLIMITED), ("used", 0), ("recent", 0)

TAKEN_AWAY = {
    "shrinks need no confirmation": (schedules.a_shrink_is_not_confirmed_yet, held(BOUNDED[0], *BOUNDED[2:])),
    "what is not limited yet counts as nothing": (
        schedules.a_resource_is_limited_but_not_everywhere_yet,
        held(*((each, 0) for each, _ in BOUNDED)),
    ),
    "the ledger is not counted": (schedules.a_raise_is_late_and_others_are_granted_twice, (Ledger, "settled", lambda *_: True)),
    "the ledger of others is forgotten": (
        schedules.a_raise_is_late_and_others_are_granted_twice,
        entries(lambda facts, hard, name, was: was if name in hard else {each: facts.observed[name].held(each) for each in was}),
    ),
    "the ledger knows only the raise": (
        schedules.admission_still_allows_more_than_a_raise,
        entries(lambda _, hard, name, was: {**was, **hard.get(name, {})}),
    ),
    "the ledger does not know what was freed": (
        schedules.a_limit_comes_back_before_its_removal_has_arrived,
        entries(lambda *args: {name: amount for name, amount in args[-1].items() if amount < UNLIMITED}),
    ),
    "ledgers have the same number": (
        schedules.a_raise_is_late_and_others_are_granted_twice,
        numbered(lambda facts: max([facts.ledger.sequence, *(seen.sequence for seen in facts.observed.values())])),
    ),
    "ledgers go by their own number only": (
        schedules.the_ledger_is_lost_while_nothing_is_on_its_way,
        numbered(lambda facts: facts.ledger.sequence + 1),
    ),
    "shrinks leave no mark": (schedules.a_raise_is_late, shrinks(lambda seen, write: dataclasses.replace(write, sequence=seen.sequence))),
    "marks lie": (
        schedules.a_quota_is_made_anew_and_one_looks_at_the_old,
        shrinks(lambda _, write: dataclasses.replace(write, sequence=write.sequence + 5)),
    ),
    "lost raises are not settled": (schedules.a_raise_is_lost, shrinks(lambda seen, write: None if write.hard == seen.hard else write)),
    "creates are in full": (schedules.a_create_is_late, creates_in_full()),
    "what was in use a moment ago does not count": (schedules.the_quota_controller_lags, (Recent, "counted", lambda _, seen, __: seen)),
}


@pytest.mark.parametrize("taken", TAKEN_AWAY)
def test_each_guard_is_needed(taken, monkeypatch):
    schedule, patch = TAKEN_AWAY[taken]
    monkeypatch.setattr(*patch)
    scene = Scene()
    with pytest.raises(BrokenError):
        schedule(scene)


@pytest.mark.parametrize(
    ("schedule", "world"),
    [
        (schedules.a_raise_is_late, {"guards": GUARDS - {"ResourceQuota"}}),
        (schedules.two_operators_grant_at_once, {"guards": GUARDS - {"Tenant"}}),
        (schedules.a_release_is_refused, {"stops": False}),
    ],
    ids=["raises name no resourceVersion", "ledgers name no resourceVersion", "it goes on after a write that was refused"],
)
def test_each_guard_outside_is_needed(schedule, world):
    with pytest.raises(BrokenError):
        schedule(Scene(**world))
