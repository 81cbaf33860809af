"""NetworkPolicies are enforced: real connections between real pods, those that must pass and those that must not."""

import json
import socket
import subprocess
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from string import Template
from typing import Any, Self

import pytest
import yaml
from dev.tests.lab import PROBE, Namespace, eventually, namespace, pod, probe_image

from dharma_dev import paths
from dharma_dev.api import Api
from dharma_dev.run import command

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("network-policy")]

NETWORKING = "networking.k8s.io/v1"
# How long a connection may take that is to pass, even on a busy machine, and how long one that is to be dropped is given.
PATIENCE = "20s"
SILENCE = "800ms"
# Each of many attempts to see that a policy is in force.
GLANCE = "300ms"
CANARY_PORTS = (7001, 7002)
PODS = ("a/web", "a/api", "a/client", "b/web", "b/client")
SERVE = ["tcp:8080", "tcp:8081", "tcp:8085", "tcp:9090", "udp:5300", "udp:5301"]
PORT_NAMES = {"web": {"http": ("TCP", 8080), "dns": ("UDP", 5300)}, "api": {"http": ("TCP", 9090)}}
Policies = dict[str, list[dict[str, Any]]]
# What becomes of connections or targets: "open", "silent" (dropped), or what else happened.
Outcomes = dict[str, str]


def timed(wanted: Outcomes) -> list[str]:
    """Targets as the test program takes them: what is to pass is given more time than what is to be dropped."""
    return [f"{target}@{PATIENCE if outcome == 'open' else SILENCE}" for target, outcome in sorted(wanted.items())]


@dataclass(frozen=True)
class Situation:
    """Policies, as specs by namespace, and what they do to connections. The table's head says how they are written."""

    name: str
    policies: Policies
    passes: list[str]
    drops: list[str]


SITUATIONS = [Situation(**entry) for entry in yaml.safe_load(Path(__file__).with_name("reachability.yaml").read_text())]


@dataclass
class Net:
    """Namespaces and pods of the matrix, and a pair of pods that shows which policies are in force."""

    image: str
    spaces: dict[str, Namespace]
    addresses: dict[str, str] = field(default_factory=dict)
    rounds: int = 0

    def start(self, name: str, **more: Any) -> None:
        """Start a pod, given as namespace/name, that answers at all ports."""
        letter, short = name.split("/")
        named = [{"name": key, "protocol": value[0], "containerPort": value[1]} for key, value in PORT_NAMES.get(short, {}).items()]
        serve = [f"tcp:{port}" for port in CANARY_PORTS] if letter == "canary" else SERVE
        manifest = pod(short, self.image, ["serve", *serve], labels={"app": short}, ports=named, **more)
        self.spaces[letter].start_pod(manifest)

    def await_pod(self, name: str) -> str:
        """Wait for a pod and note its address."""
        letter, short = name.split("/")
        self.addresses[name] = self.spaces[letter].ready_pod(short)["status"]["podIP"]
        return self.addresses[name]

    def target(self, connection: str) -> str:
        """What the test program is asked for a connection of the matrix."""
        _, to, how = connection.split()
        address = self.addresses[to]
        return f"icmp:{address}" if how == "icmp" else how.replace(":", f":{address}:", 1)

    def probe(self, source: str, targets: list[str]) -> Outcomes:
        """Try targets from a pod, each written with its timeout behind @."""
        letter, short = source.split("/")
        answer: Outcomes = json.loads(self.spaces[letter].exec(short, "/probe", "connect", *targets))
        return answer

    def outcomes(self, wanted: Outcomes) -> Outcomes:
        """Try all connections at once, given with what is expected of them."""
        by_source: dict[str, Outcomes] = defaultdict(dict)
        for connection, outcome in wanted.items():
            by_source[connection.split()[0]][connection] = outcome

        def ask(source: str) -> Outcomes:
            targets = {connection: self.target(connection) for connection in by_source[source]}
            answers = self.probe(source, timed({targets[connection]: outcome for connection, outcome in by_source[source].items()}))
            return {connection: answers[target] for connection, target in targets.items()}

        with ThreadPoolExecutor() as pool:
            return {connection: outcome for part in pool.map(ask, by_source) for connection, outcome in part.items()}

    def from_node(self, connections: Iterable[str]) -> Outcomes:
        """Try the pods' ports from the node, which may always reach its pods: shows that the servers answer."""
        targets = {self.target(one): "open" for one in connections if one.split()[1] in PODS and not one.endswith("icmp")}
        answers: Outcomes = json.loads(command([PROBE, "connect", *timed(targets)]))
        return answers

    def set_policies(self, policies: Policies) -> None:
        """Put exactly these policies, and return when they are in force."""
        values = {name.replace("/", "_"): address for name, address in self.addresses.items() if "/" in name}
        for letter in "ab":
            self.spaces[letter].delete(self.spaces[letter].path("networkpolicies", group=NETWORKING))
            for number, spec in enumerate(policies.get(letter, [])):
                self.add_policy(letter, f"case-{number}", json.loads(Template(json.dumps(spec)).substitute(values)))
        self.await_canary()

    def add_policy(self, letter: str, name: str, spec: dict[str, Any]) -> None:
        """Create a policy; it is not yet in force when this returns."""
        manifest = {"apiVersion": NETWORKING, "kind": "NetworkPolicy", "metadata": {"name": name}, "spec": spec}
        self.spaces[letter].create(self.spaces[letter].path("networkpolicies", group=NETWORKING), manifest)

    def await_canary(self) -> None:
        """Return when all policies that were written before are in force.

        A last one opens one of the canary's two ports in turn. The agent sees policies in the order of their writing and applies all that
        it has seen in one transaction, so whoever finds the new port open and the old one closed has those before it in force too.
        """
        self.rounds += 1
        opened, closed = CANARY_PORTS[self.rounds % 2], CANARY_PORTS[(self.rounds + 1) % 2]
        space = self.spaces["canary"]
        path = space.path("networkpolicies", group=NETWORKING)
        space.delete(path)
        spec = {"podSelector": {"matchLabels": {"app": "server"}}, "ingress": [{"ports": [{"port": opened}]}]}
        self.add_policy("canary", f"round-{self.rounds}", spec)
        address = self.addresses["canary/server"]
        wanted = {f"tcp:{address}:{opened}": "open", f"tcp:{address}:{closed}": "silent"}
        eventually(
            "the canary sees the policies", lambda: self.probe("canary/client", [f"{target}@{GLANCE}" for target in wanted]) == wanted
        )


@pytest.fixture(scope="module")
def net() -> Iterator[Net]:
    with (
        Api() as api,
        namespace(api, "np-a", {"team": "alpha"}) as a,
        namespace(api, "np-b", {"team": "beta"}) as b,
        namespace(api, "np-canary") as c,
    ):
        lab = Net(probe_image(), {"a": a, "b": b, "canary": c})
        names = [*PODS, "canary/server", "canary/client"]
        for name in names:
            lab.start(name)
        for name in names:
            lab.await_pod(name)
        ports = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]}
        service = a.create(a.path("services"), {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": ports})
        lab.addresses |= {
            "service": service["spec"]["clusterIP"],
            "node": paths.NODE_ADDRESS,
            "kubernetes": paths.KUBERNETES_SERVICE_ADDRESS,
            "cluster-dns": paths.DNS_SERVICE_ADDRESS,
        }
        yield lab


def test_the_matrix_is_as_large_as_it_should_be():
    connections = [connection for situation in SITUATIONS for connection in situation.passes + situation.drops]
    assert len(connections) >= 40
    assert all(situation.passes and situation.drops for situation in SITUATIONS)


def test_without_policies_every_connection_of_the_matrix_passes(net: Net):
    net.set_policies({})
    wanted = {connection: "open" for situation in SITUATIONS for connection in situation.passes + situation.drops}
    assert net.outcomes(wanted) == wanted


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_reachability(net: Net, situation: Situation):
    net.set_policies(situation.policies)
    wanted = dict.fromkeys(situation.passes, "open") | dict.fromkeys(situation.drops, "silent")
    assert net.outcomes(wanted) == wanted
    alive = net.from_node(wanted)
    assert alive == dict.fromkeys(alive, "open"), "a server is dead, or the node was kept from its own pod"


def spec(text: str) -> dict[str, Any]:
    """A policy's spec from YAML."""
    content: dict[str, Any] = yaml.safe_load(text)
    return content


DENY = spec("{podSelector: {}, policyTypes: [Ingress, Egress]}")
DENY_WEB = spec("{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}")
DENY_CLIENT = spec("{podSelector: {matchLabels: {app: client}}, policyTypes: [Egress]}")
FROM_CLIENTS = spec("{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: client}}}]}]}")
FROM_GAMMA = spec("{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: gamma}}}]}]}")


def test_a_removed_policy_lets_everything_through_again(net: Net):
    connection = "b/client a/web tcp:8080"
    net.set_policies({"a": [DENY]})
    assert net.outcomes({connection: "silent"}) == {connection: "silent"}
    net.set_policies({})
    assert net.outcomes({connection: "open"}) == {connection: "open"}


def test_labels_that_change_change_what_passes(net: Net):
    passes, drops = (dict.fromkeys(("a/api a/web tcp:8080", "b/client a/web tcp:8080"), outcome) for outcome in ("open", "silent"))
    net.set_policies({"a": [FROM_CLIENTS, FROM_GAMMA]})
    assert net.outcomes(drops) == drops
    a, b = net.spaces["a"], net.spaces["b"]
    changes = ((a, a.path("pods", "api"), "app", ("api", "client")), (b, f"/api/v1/namespaces/{b.name}", "team", ("beta", "gamma")))
    for space, path, key, (_, changed) in changes:
        space.merge(path, {"metadata": {"labels": {key: changed}}})
    try:
        eventually("the new labels count", lambda: net.outcomes(passes) == passes)
    finally:
        for space, path, key, (original, _) in changes:
            space.merge(path, {"metadata": {"labels": {key: original}}})
    eventually("the old labels count again", lambda: net.outcomes(drops) == drops)


def test_a_pod_made_again_with_another_address_has_its_policies(net: Net):
    net.set_policies({"a": [FROM_CLIENTS]})
    passes, drops = "a/client a/web tcp:8080", "b/client a/web tcp:8080"
    for name in ("a/web", "a/client"):
        letter, short = name.split("/")
        before = net.addresses[name]
        net.spaces[letter].delete(net.spaces[letter].path("pods", short))
        net.spaces[letter].gone(net.spaces[letter].path("pods", short))
        net.start(name)
        assert net.await_pod(name) != before
        wanted = {passes: "open", drops: "silent"}
        assert net.outcomes(wanted) == wanted


def succeeded(space: Namespace, name: str) -> bool:
    """Whether a pod's containers all ended well."""
    found = space.api.get(space.path("pods", name))
    return found is not None and found["status"]["phase"] == "Succeeded"


def test_a_new_pod_is_never_without_its_policies(net: Net):
    """Its container's first act is a connection that no policy allows."""
    net.set_policies({"a": [DENY]})
    space, target = net.spaces["a"], net.target("a/client b/web tcp:8080")
    names = [f"eager-{number}" for number in range(3)]
    for name in names:
        space.start_pod(pod(name, net.image, ["connect", f"{target}@{SILENCE}"], labels={"app": "eager"}))
    for name in names:
        eventually(f"{name} is done", partial(succeeded, space, name))
        assert json.loads(space.logs(name)) == {target: "silent"}
    alive = net.from_node(["a/client b/web tcp:8080"])
    assert alive == {target: "open"}


class Held:
    """A connection that a pod keeps busy; `lines` grows with each answer."""

    def __init__(self, net: Net, source: str, target: str) -> None:
        letter, short = source.split("/")
        self.process = net.spaces[letter].stream(short, "/probe", "hold", "100ms", target)
        self.lines: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()
        eventually("the connection is open", lambda: "alive" in self.lines)

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.append(line.strip())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def goes_on(self) -> None:
        """Wait for three more answers."""
        seen = len(self.lines)
        eventually("the connection goes on", lambda: len(self.lines) >= seen + 3)
        assert "cut" not in self.lines


@pytest.mark.parametrize("how", ["tcp:8080", "udp:5300"])
def test_an_open_connection_is_cut_when_it_is_no_longer_allowed(net: Net, how: str):
    """Whichever end's policy forbids it; one that is still allowed is left alone."""
    net.set_policies({})
    to_web, to_other = net.target(f"a/client a/web {how}"), net.target(f"a/client b/web {how}")
    with Held(net, "a/client", to_web) as first, Held(net, "a/client", to_other) as second, Held(net, "b/client", to_other) as third:
        net.set_policies({"a": [DENY_WEB]})
        eventually("ingress is cut", lambda: first.lines[-1] == "cut")
        second.goes_on()
        net.set_policies({"a": [DENY_CLIENT]})
        eventually("egress is cut", lambda: second.lines[-1] == "cut")
        third.goes_on()
    net.set_policies({})
    again = {f"a/client a/web {how}": "open"}
    assert net.outcomes(again) == again


def test_an_open_connection_to_the_node_is_cut(net: Net):
    """The node's own addresses are behind other hooks of the kernel than pods are."""
    net.set_policies({})
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([PROBE, "serve", f"tcp:{port}"])
    try:
        target = f"tcp:{paths.NODE_ADDRESS}:{port}"
        eventually("the server on the node answers", lambda: net.probe("b/client", [f"{target}@{GLANCE}"]) == {target: "open"})
        with Held(net, "a/client", target) as held, Held(net, "b/client", target) as other:
            net.set_policies({"a": [DENY_CLIENT]})
            eventually("the connection is cut", lambda: held.lines[-1] == "cut")
            other.goes_on()
    finally:
        server.kill()
        server.wait()
