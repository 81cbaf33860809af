import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dharma_ml.cost.allocation import Claim, Container, Egress, Ledger, Node, rates_of
from dharma_ml.cost.prices import DEFAULT, PriceTable

ONE = PriceTable(cpu=1.0, ram=0.5, gpu=10.0, storage=0.1, internet_egress=2.0, zone_egress=0.25, region_egress=0.75)
ALICE, BOB = {"tenant": "alice", "project": "web"}, {"tenant": "bob"}


def test_the_greater_of_request_and_usage_is_charged():
    ledger = Ledger(ONE)
    asked = Container("n", ALICE, cpu_request=2, cpu_usage=1, ram_request=1, ram_usage=4)
    ledger.add([Node("n", 8, 16)], [asked, Container("n", BOB, cpu_usage=0.5, hours=0.5)])
    found = ledger.settle()
    assert found.bill == 8 * 1 + 16 * 0.5
    assert found.by("tenant") == {("alice",): 2 * 1 + 4 * 0.5, ("bob",): 0.25}
    assert found.idle == {"n": 16 - 4.25}
    assert found.off == 0


def test_the_specifications_example_of_a_node_price():
    # Appendix A: 1 GPU, 1 CPU, 1 GB for 35 a month at list prices of 30, 30, 10 become 15, 15 and 5.
    rates = rates_of(Node("n", 1, 1, 1, price=35.0), PriceTable(cpu=30.0, ram=10.0, gpu=30.0))
    assert (rates.gpu, rates.cpu, rates.ram) == (pytest.approx(15), pytest.approx(15), pytest.approx(5))


def test_spot_nodes_have_spot_prices():
    assert rates_of(Node("n", 1, 1, spot=True), DEFAULT).cpu == DEFAULT.spot_cpu


def test_claims_are_charged_by_capacity_and_what_nobody_claims_is_idle():
    ledger = Ledger(ONE)
    ledger.add([], claims=[Claim(100, ALICE), Claim(50, None)])
    found = ledger.settle()
    assert found.by("tenant") == {("alice",): pytest.approx(10)}
    assert found.idle[""] == pytest.approx(5)
    assert found.bill == pytest.approx(15)


def test_egress_overhead_and_shared():
    ledger = Ledger(ONE)
    system = Container("n", {}, cpu_request=1, shared=True)
    traffic = [Egress(3, "internet", BOB), Egress(4, "zone", BOB), Egress(4, "region", BOB)]
    ledger.add([Node("n", 4, 0)], [system, Container("n", ALICE, cpu_request=2)], egress=traffic, overhead=0.5)
    found = ledger.settle()
    assert found.by("tenant") == {("alice",): 2, ("bob",): 10}
    assert found.shared == 1.5
    assert found.idle == {"n": 1}
    assert found.bill == 14.5
    assert found.spread("tenant") == {("alice",): pytest.approx(2 + 2.5 / 6), ("bob",): pytest.approx(10 + 2.5 * 5 / 6)}
    assert found.spread("tenant", evenly=True, idle=False) == {("alice",): 2.75, ("bob",): 10.75}
    with pytest.raises(ValueError, match="zone, region or internet"):
        ledger.add([], egress=[Egress(1, "moon", BOB)])


def test_what_never_ran_costs_nothing():
    ledger = Ledger(ONE)
    ledger.add([Node("n", 4, 0)], [Container("n", ALICE, cpu_request=2, hours=0)])
    found = ledger.settle()
    assert found.by("tenant") == {}
    assert found.spread("tenant") == {("",): 4}


def test_overcommitted_nodes_have_negative_idle_and_still_sum_up():
    ledger = Ledger(ONE)
    ledger.add([Node("n", 4, 0)], [Container("n", ALICE, cpu_request=3), Container("n", BOB, cpu_request=1, cpu_usage=3)])
    found = ledger.settle()
    assert found.idle == {"n": -2}
    assert found.off == 0


def test_missing_labels_are_the_empty_string():
    ledger = Ledger(ONE)
    ledger.add([Node("n", 4, 0)], [Container("n", ALICE, cpu_request=1), Container("n", BOB, cpu_request=1)])
    assert ledger.settle().by("tenant", "project") == {("alice", "web"): 1, ("bob", ""): 1}


amounts = st.floats(0, 1e4) | st.sampled_from([float("nan"), float("inf"), -1.0, 0.0])
containers = st.builds(
    Container,
    st.sampled_from(["a", "b", "gone"]),
    st.sampled_from([ALICE, BOB, {}]),
    cpu_request=amounts,
    cpu_usage=amounts,
    ram_request=amounts,
    ram_usage=amounts,
    hours=st.floats(0, 1),
    shared=st.booleans(),
)
nodes = st.lists(st.builds(Node, st.sampled_from(["a", "b"]), amounts, amounts, price=st.none() | amounts), max_size=2)


@given(st.lists(st.tuples(nodes, st.lists(containers, max_size=6), amounts, amounts), max_size=5))
@settings(max_examples=80, deadline=None)
def test_the_parts_are_the_bill(hours):
    ledger = Ledger()
    for some, workloads, capacity, overhead in hours:
        ledger.add(some, workloads, [Claim(capacity, ALICE)], [Egress(capacity, "zone", BOB)], overhead)
    found = ledger.settle()
    parts = [found.workloads, found.shared, *found.idle.values()]
    # Where what is charged dwarfs the bill (broken meters), rounding is that of the greater.
    rounding = 1e-9 * max(found.bill, *map(abs, parts), 1e-9)
    assert abs(sum(parts) - found.bill) <= rounding
    assert abs(sum(found.spread("tenant").values()) - found.bill) <= rounding


def test_default_prices_read_in_both_forms():
    origin = {"provider": "custom", "description": "x", "CPU": "0.04", "storage": "0.0001"}
    packed = {"currency": "EUR", "prices": {"CPU": 0.04, "storage": 0.0001}}
    for content, currency in ((origin, "USD"), (packed, "EUR")):
        table = PriceTable.parse(json.dumps(content))
        assert (table.cpu, table.storage, table.ram, table.currency) == (0.04, 0.0001, DEFAULT.ram, currency)


@pytest.mark.parametrize("value", ["dear", -1, "nan", "inf", None, True, [1]])
def test_a_price_that_is_none_is_refused_by_name(value):
    with pytest.raises(ValueError, match="price RAM is"):
        DEFAULT.override({"RAM": value})


@pytest.mark.parametrize("text", ["", "[]", "3", "{"])
def test_a_table_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="price table"):
        PriceTable.parse(text)
