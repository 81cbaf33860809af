"""Who reaches whom in and around Tenants: real connections, each compared with a table that knows nothing of the product's code."""

import itertools
import time
from collections.abc import Iterator, Mapping

import pytest
from tests.support.tenant_network import HOME, Net, Spec, network

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


def table(net: Net, modes: Modes, *opened: str) -> dict[tuple[str, str], bool]:
    """Every cell. What is `opened` is written `source > target`."""
    cells = {(source, target): expected(source, target, modes) for source in net.sources for target in net.targets}
    for one in opened:
        source, _, target = one.partition(" > ")
        assert cells[source, target] is False, f"{one} is open anyhow: the situation proves nothing"
        cells[source, target] = True
    return cells


# ---- the tests ----


@pytest.fixture(scope="module")
def net(crds: None, no_other_operator: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    with network(tmp_path_factory.mktemp("network"), TENANTS, SHOPS) as made:
        yield made


def isolated(modes: Modes, **more: Spec) -> dict[str, Spec]:
    return {tenant: {"isolation": modes[tenant], **more.get(tenant, {})} for tenant in TENANTS}


def test_the_rounds_put_any_two_tenants_into_each_pair_of_modes():
    for one, other in itertools.permutations(TENANTS, 2):
        assert {(modes[one], modes[other]) for modes in ROUNDS} == set(itertools.product(MODES, repeat=2))


async def test_every_connection_in_every_pair_of_modes(net: Net):
    cells = opened = 0
    started = time.monotonic()
    for modes in ROUNDS:
        net.apply_tenants(isolated(modes))
        wanted = table(net, modes)
        await net.settle(wanted)
        assert set((await net.alive()).values()) == {"open"}, "a server is dead: what is silent proves nothing"
        cells += len(wanted)
        opened += sum(wanted.values())
    print(f"{cells} cells in {len(ROUNDS)} rounds, {opened} open and {cells - opened} closed, in {time.monotonic() - started:.1f} s")
