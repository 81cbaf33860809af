"""Allocation of a bill as the OpenCost specification 0.1 has it (opencost/opencost, spec/opencost-specv01.md).

Total = workloads + idle + overhead. An asset costs amount x hours x rate; a workload is charged the greater of request and usage
of each container and hour, its volumes by their capacity. Idle is what nodes cost beyond that; it is negative where usage above
requests was charged to more than one container at once, and then says by how much, so that the sum stays the bill.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from dharma_ml.cost.prices import DEFAULT, PriceTable

Labels = Mapping[str, str]
NOBODY: Final = ""
SMALLEST: Final = 1e-9
"""A node that lists below this an hour has no resources to speak of: its price is idle."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node's hour: cores, GiB, devices, for that share of the hour. `price`: what it costs an hour, when the bill says so."""

    name: str
    cpu: float
    ram: float
    gpu: float = 0.0
    hours: float = 1.0
    spot: bool = False
    price: float | None = None


@dataclass(frozen=True, slots=True)
class Container:
    """A container's hour: mean requests and usage (cores, GiB, devices) while it was running, and for how much of the hour it was.

    One that never started (ImagePullBackOff and such) has `hours` 0. `labels` are plain strings: tenant, project, blueprint, deployment.
    """

    node: str
    labels: Labels
    cpu_request: float = 0.0
    cpu_usage: float = 0.0
    ram_request: float = 0.0
    ram_usage: float = 0.0
    gpu_request: float = 0.0
    gpu_usage: float = 0.0
    hours: float = 1.0
    shared: bool = False
    """Serves everybody, such as what runs in kube-system."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A volume claim's hour: GiB of capacity. Without labels it is a volume that nobody claims, which is idle."""

    capacity: float
    labels: Labels | None
    hours: float = 1.0


@dataclass(frozen=True, slots=True)
class Egress:
    """GiB that left the zone, the region or to the internet."""

    gib: float
    to: str
    """`zone`, `region` or `internet`."""
    labels: Labels


@dataclass(frozen=True, slots=True)
class Charge:
    """What one container, claim or transfer is charged."""

    labels: Labels
    cpu: float = 0.0
    ram: float = 0.0
    gpu: float = 0.0
    storage: float = 0.0
    network: float = 0.0
    shared: bool = False

    @property
    def total(self) -> float:
        """All of it."""
        return math.fsum((self.cpu, self.ram, self.gpu, self.storage, self.network))


@dataclass(frozen=True, slots=True)
class Allocation:
    """A bill taken apart, in the price table's currency."""

    charges: Sequence[Charge]
    idle: Mapping[str, float]
    """By node; `` (empty) for volumes that nobody claims and containers on nodes that are not on the bill (negative)."""
    overhead: float
    bill: float
    currency: str = "USD"

    @property
    def workloads(self) -> float:
        """What is charged to those who have labels of their own."""
        return math.fsum(charge.total for charge in self.charges if not charge.shared)

    @property
    def shared(self) -> float:
        """What serves everybody: shared containers and overhead."""
        return math.fsum([*(charge.total for charge in self.charges if charge.shared), self.overhead])

    @property
    def off(self) -> float:
        """Share of the bill that the parts miss; the goal is 0.0001 at most."""
        return abs(math.fsum([self.workloads, self.shared, *self.idle.values()]) - self.bill) / self.bill if self.bill else 0.0

    def by(self, *keys: str) -> dict[tuple[str, ...], float]:
        """Sum what is not shared by these labels, such as `tenant`, `project`; a missing label is the empty string."""
        parts: dict[tuple[str, ...], list[float]] = {}
        for charge in self.charges:
            if not charge.shared:
                parts.setdefault(tuple(charge.labels.get(key, NOBODY) for key in keys), []).append(charge.total)
        return {key: math.fsum(values) for key, values in sorted(parts.items())}

    def spread(self, *keys: str, evenly: bool = False, idle: bool = True) -> dict[tuple[str, ...], float]:
        """Like `by`, with shared cost (and idle) spread over the groups: in proportion to their own cost, or evenly.

        Without any group the whole is on the empty one, so that the bill is still all there.
        """
        own = self.by(*keys)
        pool = self.shared + (math.fsum(self.idle.values()) if idle else 0.0)
        if not own:
            return {tuple(NOBODY for _ in keys): pool}
        sum_own = math.fsum(own.values())
        return {key: value + pool * (1 / len(own) if evenly or sum_own <= 0 else value / sum_own) for key, value in own.items()}


@dataclass(frozen=True, slots=True)
class Rates:
    """A node's prices for a core, GiB and device an hour."""

    cpu: float
    ram: float
    gpu: float


@dataclass
class Ledger:
    """Collects any number of hours; `settle` takes the bill apart."""

    prices: PriceTable = DEFAULT
    _charges: list[Charge] = field(default_factory=list[Charge])
    _assets: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    _spent: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    _billed: list[float] = field(default_factory=list[float])
    _overhead: list[float] = field(default_factory=list[float])

    def add(
        self,
        nodes: Iterable[Node],
        containers: Iterable[Container] = (),
        claims: Iterable[Claim] = (),
        egress: Iterable[Egress] = (),
        overhead: float = 0.0,
    ) -> None:
        """Add one hour. Amounts that are negative or not finite count as 0: a broken meter must not turn a bill around."""
        rates: dict[str, Rates] = {}
        for node in nodes:
            rates[node.name] = rates_of(node, self.prices)
            price = _listed(node)
            self._asset(node.name, node_cost(node, rates[node.name]) if price is None else price * _amount(node.hours))
        for container in containers:
            charge = charge_container(container, rates.get(container.node) or Rates(self.prices.cpu, self.prices.ram, self.prices.gpu))
            if charge.total:
                self._charges.append(charge)
                self._spent.setdefault(container.node if container.node in rates else NOBODY, []).append(charge.total)
        for claim in claims:
            cost = _amount(claim.capacity) * _amount(claim.hours) * self.prices.storage
            self._asset(NOBODY, cost)
            if claim.labels is not None:
                self._charges.append(Charge(claim.labels, storage=cost))
                self._spent.setdefault(NOBODY, []).append(cost)
        for one in egress:
            cost = _amount(one.gib) * egress_price(one.to, self.prices)
            self._charges.append(Charge(one.labels, network=cost))
            self._billed.append(cost)
        self._overhead.append(_amount(overhead))

    def settle(self) -> Allocation:
        """Take apart what was added so far."""
        names = sorted(self._assets.keys() | self._spent.keys())
        idle = {name: math.fsum([*self._assets.get(name, []), *(-part for part in self._spent.get(name, []))]) for name in names}
        assets = [part for parts in self._assets.values() for part in parts]
        overhead = math.fsum(self._overhead)
        return Allocation(tuple(self._charges), idle, overhead, math.fsum([*assets, *self._billed, overhead]), self.prices.currency)

    def _asset(self, name: str, cost: float) -> None:
        self._assets.setdefault(name, []).append(cost)


def rates_of(node: Node, prices: PriceTable) -> Rates:
    """Give a node's unit prices: the table's, scaled so that they sum to the node's own price where that is known (Appendix A)."""
    cpu, ram = (prices.spot_cpu, prices.spot_ram) if node.spot else (prices.cpu, prices.ram)
    listed = node_cost(Node(node.name, node.cpu, node.ram, node.gpu), Rates(cpu, ram, prices.gpu))
    price = _listed(node)
    if price is None or listed < SMALLEST:
        return Rates(cpu, ram, prices.gpu)
    scale = price / listed
    return Rates(cpu * scale, ram * scale, prices.gpu * scale)


def _listed(node: Node) -> float | None:
    """Give the price on the bill, None when there is none that can be one."""
    return node.price if node.price is not None and math.isfinite(node.price) and node.price >= 0 else None


def node_cost(node: Node, rates: Rates) -> float:
    """Amount x hours x rate, summed over CPU, RAM and GPU."""
    parts = (_amount(node.cpu) * rates.cpu, _amount(node.ram) * rates.ram, _amount(node.gpu) * rates.gpu)
    return _amount(node.hours) * math.fsum(parts)


def charge_container(container: Container, rates: Rates) -> Charge:
    """Charge the greater of request and usage."""
    hours = _amount(container.hours)

    def cost(request: float, usage: float, rate: float) -> float:
        return max(_amount(request), _amount(usage)) * hours * rate

    return Charge(
        labels=container.labels,
        cpu=cost(container.cpu_request, container.cpu_usage, rates.cpu),
        ram=cost(container.ram_request, container.ram_usage, rates.ram),
        gpu=cost(container.gpu_request, container.gpu_usage, rates.gpu),
        shared=container.shared,
    )


def egress_price(to: str, prices: PriceTable) -> float:
    """Price of a GiB. Raises ValueError for a destination other than `zone`, `region`, `internet`."""
    match to:
        case "zone":
            return prices.zone_egress
        case "region":
            return prices.region_egress
        case "internet":
            return prices.internet_egress
        case _:
            raise ValueError(f"egress goes to zone, region or internet, not to {to!r}")


def _amount(value: float) -> float:
    return value if math.isfinite(value) and value > 0 else 0.0
