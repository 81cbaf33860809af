"""Limits, amounts, the division and the report, each by itself."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.tenant.quota_world import Operator, World, settle

from dharma_crds.tenant import Tenant
from dharma_handlers.tenant.quota import step
from dharma_handlers.tenant.quota_amounts import KNOWN, amount_of, limits_of, text_of
from dharma_handlers.tenant.quota_demand import Share, elastic, fill, static
from dharma_handlers.tenant.quota_report import refused, usage, within_quota
from dharma_handlers.tenant.quota_state import (
    Allocation,
    Ledger,
    QuotaObserved,
    QuotaRelease,
    QuotaWrite,
    ledger_from,
    ledger_json,
    observed_from,
)


def tenant(plan="Free", **quota):
    return Tenant.model_validate(
        {"apiVersion": "dharma.io/v1alpha1", "kind": "Tenant", "metadata": {"name": "acme"}, "spec": {"plan": plan, "quota": quota}}
    )


def test_limits_are_the_plans_unless_the_spec_says_otherwise():
    assert limits_of(tenant()) == {
        "count/backups.dharma.io": 50,
        "count/blueprints.dharma.io": 10,
        "count/deployments.dharma.io": 20,
        "limits.cpu": 4000,
        "limits.memory": 8 * 1024**3,
        "persistentvolumeclaims": 3,
        "pods": 30,
        "requests.cpu": 2000,
        "requests.memory": 4 * 1024**3,
        "requests.storage": 50 * 1024**3,
        "services.loadbalancers": 0,
    }
    assert limits_of(tenant("Enterprise")) == {}
    own = limits_of(tenant("Free", blueprints=1, storage="1Gi", compute={"pods": 7, "requests.cpu": "1500m", "requests.storage": "2Gi"}))
    assert (own["pods"], own["requests.cpu"], own["requests.storage"], own["limits.cpu"]) == (7, 1500, 1024**3, 4000)
    assert (own["count/blueprints.dharma.io"], own["count/backups.dharma.io"]) == (1, 5)


@pytest.mark.parametrize(
    ("resource", "amount", "text"),
    [
        ("requests.cpu", 1500, "1500m"),
        ("limits.cpu", 2000, "2"),
        ("requests.memory", 3 * 1024**3, "3Gi"),
        ("requests.storage", 1000, "1000"),
        ("pods", 1024, "1024"),
    ],
)
def test_amounts_are_written_as_the_server_would(resource, amount, text):
    assert text_of(resource, amount) == text
    assert amount_of(resource, text) == amount


def test_what_is_in_use_is_rounded_up():
    assert amount_of("requests.cpu", "1500u") == 2
    assert amount_of("requests.memory", "100m") == 1


@given(st.integers(0, 1000), st.lists(st.integers(0, 300), min_size=1, max_size=6))
def test_filling_loses_nothing_and_is_even(amount, demands):
    given_out = fill(amount, demands)
    assert sum(given_out) == min(amount, sum(demands))
    assert all(0 <= got <= asked for got, asked in zip(given_out, demands, strict=True))
    short = [got for got, asked in zip(given_out, demands, strict=True) if got < asked]
    assert not short or max(given_out) <= min(short) + 1


shares = st.builds(
    Share,
    st.just(""),
    used=st.integers(0, 30),
    hard=st.integers(0, 40),
    granted=st.none() | st.integers(0, 40),
    wanted=st.none() | st.integers(0, 60),
)


def named(some):
    return [dataclasses.replace(share, namespace=f"n{index}") for index, share in enumerate(some)]


@given(st.integers(0, 150), st.lists(shares, min_size=1, max_size=6).map(named))
def test_the_division_fits_never_takes_what_is_used_and_stays(limit, some):
    names = [share.namespace for share in some]
    target = elastic(limit, some, names)
    in_use = sum(share.used for share in some)
    if in_use > limit:
        assert all(target[share.namespace] <= max(share.used, 0) and target[share.namespace] <= share.hard for share in some)
        return
    assert sum(target.values()) <= limit
    assert all(target[share.namespace] >= share.used for share in some)
    then = [dataclasses.replace(share, hard=target[share.namespace], granted=target[share.namespace] or share.granted) for share in some]
    assert elastic(limit, then, names) == target


@given(st.lists(shares, min_size=1, max_size=6).map(named))
def test_nothing_moves_where_nobody_presses(some):
    """Whatever the division is, as long as it is valid."""
    calm = [dataclasses.replace(share, used=min(share.used, share.hard * 4 // 5), granted=share.hard, wanted=None) for share in some]
    limit = sum(share.hard for share in calm)
    assert elastic(limit, calm, [share.namespace for share in calm]) == {share.namespace: share.hard for share in calm}
    assert elastic(limit + 7, calm, [share.namespace for share in calm]) == {share.namespace: share.hard for share in calm}


@given(st.integers(0, 150), st.lists(shares, min_size=1, max_size=6).map(named))
def test_who_was_refused_gets_it_if_others_do_not_use_it(limit, some):
    idle = limit - sum(share.used for share in some)
    first = dataclasses.replace(some[0], wanted=some[0].used + idle)
    if idle > 0:
        calm = [dataclasses.replace(share, wanted=None) for share in some[1:]]
        assert elastic(limit, [first, *calm], [share.namespace for share in some])["n0"] == first.wanted


def test_the_first_division_is_even_and_in_round_figures():
    new = [Share(name, 0, 0) for name in "abc"]
    assert elastic(10, new, "abc", "pods") == {"a": 4, "b": 3, "c": 3}
    memory = elastic(4 * 1024**3, new, "abc", "requests.memory")
    assert {text_of("requests.memory", amount) for amount in memory.values()} == {"1366Mi", "1365Mi"}
    assert sum(memory.values()) == 4 * 1024**3


def test_use_above_four_fifths_gets_more_from_the_idle():
    busy, idle = Share("a", 9, 10, 10), Share("b", 2, 10, 10)
    assert elastic(20, [busy, idle], "ab") == {"a": 14, "b": 6}


def test_static_shares_are_rounded_down_and_cut_while_another_uses_more():
    a, b = Share("a", 0, 0), Share("b", 0, 0)
    assert static(10, [a, b, Share("c", 2, 8)], {"a": 33, "b": 34}) == {"a": 3, "b": 3, "c": 2}
    assert static(10, [a, b, Share("c", 6, 8)], {"a": 33, "b": 34}) == {"a": 2, "b": 2, "c": 6}


def test_a_new_tenant_has_its_division_after_two_writes_per_namespace():
    world = World({"pods": 10, "services": 3}, ("a", "b", "c"))
    operator = Operator(world)
    first = operator.plan()
    assert first.create == tuple(QuotaWrite(name, None, dict.fromkeys(sorted({*KNOWN, "services"}), 0), 0) for name in "abc")
    assert (first.ledger, first.raises) == (None, ())
    settle(world, operator)
    assert {name: dict(quota.hard) for name, quota in world.quotas.items()} == {
        "a": {"pods": 4, "services": 1},
        "b": {"pods": 3, "services": 1},
        "c": {"pods": 3, "services": 1},
    }
    assert world.tenant.ledger.sequence == 1
    assert operator.plan().waiting == ""


def test_capacity_moves_only_after_the_shrink_is_seen():
    world = World({"pods": 10}, ("a", "b"))
    operator = Operator(world)
    settle(world, operator)
    assert world.create("a", "pods", 5)
    operator.pressed = {"a": {"pods": 7}}
    operator.see_all()
    todo = operator.plan()
    assert [write.namespace for write in todo.shrink] == ["b"]
    assert todo.ledger is None
    while operator.queue:
        operator.advance("now", [])
    operator.see_all()
    assert operator.plan().ledger is None
    assert operator.plan().waiting == "the ResourceQuota of b is being changed"
    world.sync("b")
    operator.see_all()
    assert [(write.namespace, write.hard["pods"] >= 7) for write in operator.plan().raises] == [("a", True)]


def test_a_late_create_adds_nothing():
    world = World({"pods": 10}, ("a", "b"))
    operator = Operator(world)
    (late, _) = operator.plan().create
    settle(world, operator)
    world.store("a", None)
    world.write_quota(late)
    assert sum(world.visible(name, "pods") for name in "ab") == 5
    settle(world, operator)
    assert {name: quota.hard["pods"] for name, quota in world.quotas.items()} == {"a": 5, "b": 5}


def test_a_project_that_goes_is_released_before_its_share_is_given_away():
    world = World({"pods": 10}, ("a", "b"))
    operator = Operator(world)
    settle(world, operator)
    world.edit_tenant(namespaces=("a",))
    operator.see_all()
    todo = operator.plan()
    assert todo.release == (QuotaRelease("b", world.quotas["b"].resource_version),)
    assert todo.ledger is not None
    assert "b" not in todo.ledger.namespaces


def test_what_is_not_limited_any_more_loses_its_entry():
    world = World({"pods": 10, "services": 2}, ("a",))
    operator = Operator(world)
    settle(world, operator)
    world.edit_tenant(limits={"pods": 10})
    settle(world, operator)
    assert dict(world.quotas["a"].hard) == {"pods": 10}
    world.create("a", "services", 5)
    world.edit_tenant(limits={"pods": 10, "services": 3})
    settle(world, operator)
    assert world.quotas["a"].hard["services"] <= 5
    assert not world.create("a", "services", 1)


def test_manifests_and_ledger_can_be_read_again():
    write = QuotaWrite("acme-shop", "7", {"requests.cpu": 1500, "pods": 3}, 4)
    manifest = write.manifest("acme")
    assert manifest == {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {
            "name": "dharma-quota",
            "namespace": "acme-shop",
            "labels": {"app.kubernetes.io/managed-by": "iac-dharma", "dharma.io/tenant": "acme"},
            "annotations": {"dharma.io/quota-sequence": "4"},
            "resourceVersion": "7",
        },
        "spec": {"hard": {"pods": "3", "requests.cpu": "1500m"}},
    }
    status = {"hard": {"pods": "3"}, "used": {"pods": "1"}}
    assert observed_from({**manifest, "status": status}) == QuotaObserved(
        "acme-shop", "7", {"pods": 3, "requests.cpu": 1500}, {"pods": 3}, {"pods": 1}, 4
    )
    ledger = Ledger(5, {"acme-shop": Allocation(4, {"pods": 3, "requests.memory": 1 << 100})})
    assert ledger_json(ledger)["namespaces"]["acme-shop"]["amounts"] == {"pods": "3", "requests.memory": "unlimited"}
    assert ledger_from(ledger_json(ledger)) == ledger
    status = Tenant.model_validate({**tenant().to_dict(), "status": {"allocations": ledger_json(ledger)}}).status.to_dict()
    assert ledger_from(status["allocations"]) == ledger


def test_the_report_names_what_is_over_and_by_how_much():
    seen = {"a": QuotaObserved("a", "1", {"pods": 2}, {"pods": 2}, {"pods": 5})}
    assert usage({"pods": 3}, ["a"], seen) == {"pods": {"used": "5", "hard": "3"}}
    condition = within_quota({"pods": 3}, ["a"], seen)
    assert (condition.status, condition.reason) == ("False", "OverQuota")
    assert condition.message.startswith("pods: 5 of 3 in use, 2 too much")
    assert within_quota({"pods": 9}, ["a"], seen).status == "True"
    assert within_quota({"pods": 9}, ["a", "b"], seen).message == "not counted yet: b"
    assert list(usage({"requests.storage": 1024}, ["a"], seen)) == ["storage"]


def test_refusals_are_read():
    message = (
        'pods "web-1" is forbidden: exceeded quota: dharma-quota, requested: pods=1,requests.cpu=500m, '
        "used: pods=4,requests.cpu=1800m, limited: pods=4,requests.cpu=2"
    )
    assert refused(message) == {"pods": 5, "requests.cpu": 2300}
    assert refused("exceeded quota: other, requested: pods=1, used: pods=4, limited: pods=4") == {}
    assert refused("Back-off restarting failed container") == {}


def test_a_lost_ledger_is_begun_anew_above_all_marks():
    seen = {
        "a": QuotaObserved("a", "1", {"pods": 5}, {"pods": 5}, {"pods": 5}, 40),
        "b": QuotaObserved("b", "2", {"pods": 2}, {"pods": 2}, {"pods": 0}, 41),
    }
    todo = step({"pods": 10}, "Elastic", {}, ["a", "b"], seen, Ledger(), {})
    assert todo.ledger is not None
    assert todo.ledger.sequence == 42
    assert todo.ledger.namespaces["b"].amounts["pods"] == 2
