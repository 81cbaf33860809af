"""How long capacity takes to move, that it comes to rest, and that none is lost."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.tenant.quota_world import Operator, World, settle

from dharma_handlers.tenant.quota_recent import RECENT_SECONDS

GIB = 1024**3
LIMITS = {"pods": 60, "requests.cpu": 40_000, "requests.storage": 100 * GIB}
SIZES = {"pods": 1, "requests.cpu": 250, "requests.storage": 3 * GIB + 1}
ROUNDS = 3
"""Each is what one decision asks for, done and counted: settle what was lost, shrink others, raise."""

sizes, resources = st.integers(2, 20), st.sampled_from(sorted(LIMITS))
requests = st.tuples(st.integers(0, 19), resources, st.integers(1, 12), st.sampled_from(["now", "now", "lost", "late"]))
histories = st.lists(requests, max_size=25)


def sync(world):
    world.now += RECENT_SECONDS
    for name in list(world.quotas):
        world.sync(name)


def work(world, operator, fate="now"):
    operator.see_all()
    operator.plan()
    while operator.queue:
        operator.advance(fate, [])
    sync(world)


def request(world, operator, name, resource, amount):
    """Ask for it, and have the operator told where it is refused."""
    if world.create(name, resource, amount):
        return True
    operator.pressed.setdefault(name, {})[resource] = world.quotas[name].used[resource] + amount
    return False


def lived(count, history, limits=LIMITS):
    """A tenant to which this happened: requests granted and refused, objects that go again, writes that were lost."""
    world = World(limits, tuple(f"n{index}" for index in range(count)))
    operator = Operator(world)
    settle(world, operator)
    for index, resource, times, fate in history:
        name = f"n{index % count}"
        if not request(world, operator, name, resource, times * SIZES[resource]):
            work(world, operator, fate)
        if times % 3 == 0:
            world.delete(name, resource, times * SIZES[resource] // 2)
    operator.pressed.clear()
    sync(world)
    return world, operator


def used(world, resource):
    return sum(quota.used[resource] for quota in world.quotas.values())


def idle(world):
    return {name: limit - used(world, name) for name, limit in world.tenant.limits.items()}


@settings(max_examples=60)
@given(sizes, histories, st.integers(0, 19), st.integers(1, 100))
def test_who_wants_what_is_idle_has_it_soon(count, history, who, percent):
    world, operator = lived(count, history)
    name = f"n{who % count}"
    wanted = {each: world.quotas[name].used[each] + -(-amount * percent // 100) for each, amount in idle(world).items()}
    operator.pressed = {name: wanted}
    for _ in range(ROUNDS):
        work(world, operator)
    assert all(world.quotas[name].status_hard[each] >= amount for each, amount in wanted.items())


@settings(max_examples=60)
@given(sizes, histories, st.dictionaries(st.integers(0, 19), st.dictionaries(resources, st.integers(0, 80))))
def test_where_use_stays_as_it_is_nothing_is_written(count, history, refused):
    world, operator = lived(count, history)
    operator.pressed = {
        f"n{index % count}": {each: times * SIZES[each] for each, times in wanted.items()} for index, wanted in refused.items()
    }
    assert settle(world, operator) <= ROUNDS + 1
    for _ in range(2):
        assert operator.plan().at_rest
    operator.pressed.clear()
    settle(world, operator)
    assert operator.plan().at_rest


@settings(max_examples=60)
@given(sizes, histories, resources, st.integers(0, 99))
def test_a_limit_below_use_takes_nothing_and_lets_nothing_grow(count, history, resource, percent):
    world, operator = lived(count, history)
    objects, before = dict(world.objects), {name: quota.hard[resource] for name, quota in world.quotas.items()}
    limit = used(world, resource) * percent // 100
    if limit == used(world, resource):
        return
    world.edit_tenant(limits={**LIMITS, resource: limit})
    operator.pressed = {name: {resource: amount + SIZES[resource]} for name, amount in before.items()}
    settle(world, operator)
    assert world.objects == objects
    assert all(quota.hard[resource] <= before[name] for name, quota in world.quotas.items())
    assert not any(world.create(name, resource, 1) for name in world.quotas)
    for name in world.quotas:
        world.delete(name, resource, LIMITS[resource])
    sync(world)
    operator.pressed = {"n0": {resource: limit}}
    settle(world, operator)
    assert world.quotas["n0"].status_hard[resource] == limit


@settings(max_examples=40)
@given(sizes, histories, st.randoms(use_true_random=False))
def test_after_a_burst_the_limit_is_reached_exactly_and_what_is_freed_moves(count, history, random):
    world, operator = lived(count, history)
    names = sorted(world.quotas)
    for _ in range(200):
        for name in random.choices(names, k=30):
            request(world, operator, name, "pods", 1)
        if used(world, "pods") == LIMITS["pods"]:
            break
        work(world, operator)
    assert used(world, "pods") == LIMITS["pods"]
    giver = random.choice([name for name in names if world.quotas[name].used["pods"]])
    world.delete(giver, "pods", 1)
    sync(world)
    receiver = random.choice([name for name in names if name != giver])
    operator.pressed = {}
    assert not request(world, operator, receiver, "pods", 1)
    for _ in range(ROUNDS):
        work(world, operator)
    assert request(world, operator, receiver, "pods", 1)
