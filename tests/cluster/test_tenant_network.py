"""Who reaches whom in and around Tenants: real connections, each compared with a table that knows nothing of the product's code."""

import itertools
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest
from tests.support.tenant_network import HOME, Cell, Net, Spec, network

TENANTS = ("red", "green", "blue")
MODES = ("Tenant", "Project", "None")
Modes = Mapping[str, str]

ROUNDS: list[Modes] = [
    dict(zip(TENANTS, (MODES[i], MODES[j], MODES[(i + j) % 3]), strict=True)) for i, j in itertools.product(range(3), repeat=2)
]
"""Nine rounds in which any two tenants meet in each pair of modes once."""

SHOPS: Mapping[str, Spec] = {
    "red/a": {},
    "green/a": {"access": {"from": [{"project": "b"}, {"namespace": "$blue_a"}, {"namespace": "$home"}]}},
}
CONSUMERS = {"red/a": {"red/a"}, "green/a": {"green/b", "blue/a", HOME, "operator"}}
"""By place of a Blueprint, who may connect: its own namespace by default, and whoever is named instead."""
# By source, the place of the database that tries.
DATABASES = {f"{place}/db": place for place in SHOPS}


# ---- the table ----


def expected(source: str, target: str, modes: Modes) -> bool:
    """Whether a connection passes. Both ends must agree: the source's side lets it out, and the target's side lets it in."""
    kind, _, place = target.partition(" ")
    if source in DATABASES:
        # Databases have rules of their own, whatever the isolation is: the API server for leader election, DNS, and themselves.
        own = place == DATABASES[source] and kind in {"postgres", "patroni"}
        return own or kind in {"dns", "dns-tcp", "api"}
    if kind in {"dns", "dns-tcp"}:
        return True
    if kind in {"api", "node", "dns-health"}:
        return mode_of(source, modes) == "None"
    out = together(source, place, mode_of(source, modes))
    if kind in {"pod", "side", "service"}:
        return out and together(source, place, mode_of(place, modes))
    if kind == "patroni":
        return source == "operator"
    assert kind in {"postgres", "redis"}
    return out and (source == "operator" or source in CONSUMERS[place])


def mode_of(place: str, modes: Modes) -> str:
    """The isolation of a place; the operator's namespace is no tenant's and has none."""
    return modes.get(place.partition("/")[0], "None")


def together(one: str, other: str, mode: str) -> bool:
    """Whether two places are inside of what a mode keeps together."""
    if mode == "Tenant":
        return one.partition("/")[0] == other.partition("/")[0]
    return mode == "None" or one == other


def table(net: Net, modes: Modes, *opened: str) -> dict[Cell, bool]:
    """Every cell. What is `opened` beyond the modes is written `source source > target, target`."""
    cells = {(source, target): expected(source, target, modes) for source in net.sources for target in net.targets}
    for line in opened:
        sources, _, targets = line.partition(" > ")
        for cell in itertools.product(sources.split(), targets.split(", ")):
            assert cells[cell] is False, f"{cell} is open anyhow: the situation proves nothing"
            cells[cell] = True
    return cells


# ---- the tests ----


@pytest.fixture(scope="module")
def net(crds: None, no_other_operator: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    with network(tmp_path_factory.mktemp("network"), TENANTS, SHOPS) as made:
        yield made


@dataclass(frozen=True)
class Situation:
    """What Tenants allow beyond their isolation, and exactly what that opens."""

    name: str
    networks: Mapping[str, Spec]
    opened: tuple[str, ...] = ()


SITUATIONS = (
    Situation(
        "in from a namespace, but not to data services",
        {"red": {"ingressFrom": [{"namespace": "$home"}]}},
        ("home operator > pod red/a, side red/a, service red/a, pod red/b, side red/b, service red/b",),
    ),
    Situation(
        "in from an address, to one port",
        {"red": {"ingressFrom": [{"cidr": "$home_client/32", "ports": [8080]}]}},
        ("home > pod red/a, service red/a, pod red/b, service red/b",),
    ),
    Situation(
        "out to an address, to one port",
        {"red": {"egressTo": [{"cidr": "$node/32", "ports": [6443]}]}},
        ("red/a red/b > api",),
    ),
    Situation(
        "out to a namespace, to one port",
        {"red": {"egressTo": [{"namespace": "$home", "ports": [8080]}]}},
        ("red/a red/b > pod home, service home",),
    ),
    Situation(
        "out to anywhere, where nothing keeps it out",
        {"red": {"egressTo": [{"cidr": "0.0.0.0/0"}]}},
        (
            "red/a red/b > api, node, dns-health, pod home, side home, service home",
            "red/a red/b > pod blue/a, side blue/a, service blue/a, pod blue/b, side blue/b, service blue/b",
        ),
    ),
    Situation("out to another tenant, which does not agree", {"red": {"egressTo": [{"namespace": "$green_a"}]}}),
    Situation(
        "out to another tenant, which agrees",
        {"red": {"egressTo": [{"namespace": "$green_a"}]}, "green": {"ingressFrom": [{"namespace": "$red_a"}]}},
        ("red/a > pod green/a, side green/a, service green/a",),
    ),
    Situation(
        "out to a database that names this project, though each project is alone",
        {"green": {"isolation": "Project", "egressTo": [{"namespace": "$green_a", "ports": [5432]}]}},
        ("green/b > postgres green/a",),
    ),
)


def test_the_rounds_put_any_two_tenants_into_each_pair_of_modes():
    for one, other in itertools.permutations(TENANTS, 2):
        assert {(modes[one], modes[other]) for modes in ROUNDS} == set(itertools.product(MODES, repeat=2))


async def test_every_connection_in_every_pair_of_modes(net: Net):
    cells = opened = 0
    started = time.monotonic()
    for modes in ROUNDS:
        await net.apply_tenants({tenant: {"isolation": mode} for tenant, mode in modes.items()})
        wanted = table(net, modes)
        await net.settle(wanted)
        assert set((await net.alive()).values()) == {"open"}, "a server is dead: what is silent proves nothing"
        cells += len(wanted)
        opened += sum(wanted.values())
    print(f"{cells} cells in {len(ROUNDS)} rounds, {opened} open and {cells - opened} closed, in {time.monotonic() - started:.1f} s")


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name.replace(" ", "-"))
async def test_what_a_tenant_allows_opens_just_that(net: Net, situation: Situation):
    networks = {
        tenant: {"isolation": mode, **situation.networks.get(tenant, {})}
        for tenant, mode in zip(TENANTS, ("Project", "Tenant", "None"), strict=True)
    }
    await net.apply_tenants(networks)
    await net.settle(table(net, {tenant: one["isolation"] for tenant, one in networks.items()}, *situation.opened))


async def test_another_isolation_counts_at_once(net: Net):
    """A running tenant's projects are parted, and put together again."""
    cell = ("red/a", "pod red/b")
    for mode, passes in (("Tenant", True), ("Project", False), ("Tenant", True)):
        await net.apply_tenants({"red": {"isolation": mode}})
        print(f"{mode} in force {await net.settle({cell: passes}, seconds=5):.2f} s after the Tenant was ready")
