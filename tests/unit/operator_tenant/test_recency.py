"""What was in use a moment ago is known from each version that the store takes in, however few of them are looked at."""

from dharma_handlers.tenant.quota_recent import RECENT_SECONDS
from dharma_handlers.tenant.quota_state import observed_from
from dharma_operator.kube.resources import RESOURCE_QUOTA, ObjectKey
from dharma_operator.store import Store
from dharma_operator.tenant.recency import Recency


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def quota(version, used, name="dharma-quota"):
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": name, "namespace": "shop", "uid": "q1", "resourceVersion": str(version)},
        "status": {"used": {"pods": str(used)}},
    }


def followed():
    clock, store = Clock(), Store()
    recency = Recency(clock)
    store.follow(RESOURCE_QUOTA, recency.take)
    return clock, store, recency


def in_use(store, recency):
    return recency.counted(observed_from(store.get(ObjectKey(RESOURCE_QUOTA, "shop", "dharma-quota")))).in_use("pods")


def test_a_fall_soon_after_a_rise_does_not_count_yet():
    clock, store, recency = followed()
    for version, used in enumerate((1, 8, 0), start=1):
        store.seen(quota(version, used), RESOURCE_QUOTA)
    assert in_use(store, recency) == 8
    assert recency.ends(["shop", "other"]) == RECENT_SECONDS
    clock.now = RECENT_SECONDS
    assert in_use(store, recency) == 0
    assert recency.ends(["shop"]) is None


def test_each_rise_counts_as_long_as_it_is_recent():
    clock, store, recency = followed()
    for version, used in enumerate((0, 8, 2, 5, 1), start=1):
        clock.now = version / 2
        store.seen(quota(version, used), RESOURCE_QUOTA)
    assert in_use(store, recency) == 8
    clock.now = 1 + RECENT_SECONDS
    assert in_use(store, recency) == 5, "the rise to 8 is over, the one to 5 is not"


def test_what_was_in_use_for_long_is_free_at_once():
    clock, store, recency = followed()
    store.seen(quota(1, 0), RESOURCE_QUOTA)
    store.seen(quota(2, 8), RESOURCE_QUOTA)
    clock.now = 60
    store.seen(quota(3, 3), RESOURCE_QUOTA)
    assert in_use(store, recency) == 3
    assert recency.ends(["shop"]) is None


def test_another_quota_and_one_made_anew_bring_nothing_along():
    _, store, recency = followed()
    store.seen(quota(1, 0), RESOURCE_QUOTA)
    store.seen(quota(2, 9, "theirs"), RESOURCE_QUOTA)
    store.seen(quota(3, 8), RESOURCE_QUOTA)
    store.removed(ObjectKey(RESOURCE_QUOTA, "shop", "dharma-quota"), "q1")
    made = quota(4, 0)
    made["metadata"]["uid"] = "q2"
    store.seen(made, RESOURCE_QUOTA)
    assert in_use(store, recency) == 0
