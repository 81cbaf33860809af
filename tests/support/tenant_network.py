"""A stage for the network of Tenants: tenants of two projects each, pods in all of them, data services in some, and who reaches whom."""

import asyncio
import json
import secrets
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import yaml
from tests.support import cluster, net_agent
from tests.support.blueprints import RESTRICTED, blueprint, postgres, redis
from tests.support.cluster import TEST_LABEL, kubectl, wait_until
from tests.support.operator_process import OperatorProcess
from tests.support.tenants import roles

AGENT = Path(net_agent.__file__).read_text()
CLIENT, WEB = "client", "web"
HOME = "home"
"""The place of the operator's namespace, which is no tenant's. The others are `tenant/project`."""
OPERATOR_LABELS = {
    "app.kubernetes.io/name": "iac-dharma",
    "app.kubernetes.io/instance": "network-test",
    "app.kubernetes.io/component": "operator",
}
OPEN_SECONDS, SILENT_SECONDS = 4.0, 1.0
"""How long a connection that is to pass may take on a busy machine, and how long one that is to be dropped is waited for."""
_POSTGRES_SSL_REQUEST = "\0\0\0\x08\x04\xd2\x16\x2f"

Spec = dict[str, Any]
Target = dict[str, Any]
Cell = tuple[str, str]
"""Who tries, and what."""


@dataclass
class Net:
    """Everything that tries and is tried. Sources are places (`red/a`: its client pod), `operator`, and `red/a/db`: a database itself."""

    prefix: str
    tenants: tuple[str, ...]
    targets: dict[str, Target] = field(default_factory=dict)
    """By name: a kind and a place, as `pod red/a`, or one of a kind, as `dns`."""
    addresses: dict[str, str] = field(default_factory=dict)
    """Of the client pods, by source."""
    databases: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By source: namespace and pod."""

    @property
    def places(self) -> tuple[str, ...]:
        return (*(f"{tenant}/{project}" for tenant in self.tenants for project in "ab"), HOME)

    @property
    def sources(self) -> tuple[str, ...]:
        return (*self.addresses, *self.databases)

    def namespace(self, place: str) -> str:
        return f"{self.prefix}-{place.replace('/', '-')}"

    def filled(self, spec: Spec) -> Spec:
        """Put namespaces and addresses in where a spec says `$red_a`, `$home`, `$home_client`, `$node`."""
        names = {place.replace("/", "_"): self.namespace(place) for place in self.places}
        known = {f"{source.replace('/', '_')}_client": address for source, address in self.addresses.items()}
        addresses = {name: target["address"] for name, target in self.targets.items() if name == "node"}
        filled: Spec = json.loads(Template(json.dumps(spec)).substitute({**names, **known, **addresses}))
        return filled

    async def apply_tenants(self, networks: Mapping[str, Spec]) -> None:
        """Write the Tenants with these networks, and wait until the operator says that they are ready."""
        manifests = [
            {
                "apiVersion": "dharma.io/v1alpha1",
                "kind": "Tenant",
                "metadata": {"name": f"{self.prefix}-{tenant}", "labels": {TEST_LABEL: "true"}},
                "spec": {
                    "plan": "Enterprise",
                    "deletionPolicy": "Delete",
                    "projects": [{"name": project} for project in "ab"],
                    "network": self.filled(network),
                },
            }
            for tenant, network in networks.items()
        ]
        kubectl("apply", "--filename", "-", stdin=yaml.safe_dump_all(manifests))
        await wait_until(lambda: all(map(_is_ready, self._live(networks))), "the Tenants are ready", explain=lambda: self._live(networks))

    def _live(self, tenants: Iterable[str]) -> list[Spec]:
        names = [f"{self.prefix}-{tenant}" for tenant in tenants]
        listed = json.loads(kubectl("get", "tenants.dharma.io", "--output", "json", *names))
        items: list[Spec] = listed.get("items", [listed])
        return items

    def outcomes(self, wanted: Mapping[Cell, bool]) -> dict[Cell, str]:
        """Try all of these connections at once."""
        cells = {
            source: {
                target: {**self.targets[target], "seconds": OPEN_SECONDS if passes else SILENT_SECONDS}
                for (other, target), passes in wanted.items()
                if other == source
            }
            for source in self.sources
        }
        with ThreadPoolExecutor(len(cells)) as pool:
            answers = pool.map(self._ask, cells, cells.values())
        return {(source, target): text for source, answer in zip(cells, answers, strict=True) for target, text in answer.items()}

    def _ask(self, source: str, targets: Mapping[str, Target]) -> dict[str, str]:
        request = json.dumps(targets)
        if source in self.databases:
            namespace, pod = self.databases[source]
            answer = kubectl("exec", "--stdin", "--namespace", namespace, pod, "--", "python3", "-c", AGENT, "probe", stdin=request)
        else:
            with socket.create_connection((self.addresses[source], net_agent.CONTROL_PORT), timeout=30) as control:
                control.sendall(request.encode() + b"\n")
                with control.makefile() as lines:
                    answer = lines.read()
        answered: dict[str, str] = json.loads(answer)
        return answered

    async def settle(self, wanted: Mapping[Cell, bool], seconds: float = 20) -> float:
        """Wait until every connection ends as wanted; return the seconds that it took. Fails with the cells that do not."""
        started = time.monotonic()
        wrong: dict[Cell, str] = {}

        async def right() -> bool:
            found = await asyncio.to_thread(self.outcomes, wanted)
            assert found.keys() == wanted.keys()
            wrong.clear()
            wrong.update({cell: text for cell, text in found.items() if text != ("open" if wanted[cell] else "silent")})
            return not wrong

        def explain() -> str:
            return "\n".join(f"{source} -> {target}: {text}" for (source, target), text in sorted(wrong.items()))

        await wait_until(right, "all connections end as the table says", seconds=seconds, explain=explain)
        return time.monotonic() - started

    async def alive(self) -> dict[str, str]:
        """Try all targets from the node, which policies never stop: whatever is silent then is dead, not shielded."""
        targets = {name: {**target, "seconds": OPEN_SECONDS} for name, target in self.targets.items() if "address" in target}
        return await net_agent.outcomes(targets)


def _is_ready(live: Spec) -> bool:
    """Whether Ready holds, and for the present generation."""
    conditions = live.get("status", {}).get("conditions", ())
    return any(
        one["type"] == "Ready" and one["status"] == "True" and one["observedGeneration"] == live["metadata"]["generation"]
        for one in conditions
    )


def _pod(name: str, namespace: str, says: str, **labels: str) -> Spec:
    container = {
        "name": "agent",
        "image": cluster.images()["toolbox"],
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", AGENT, "serve", says],
        "readinessProbe": {"tcpSocket": {"port": net_agent.CONTROL_PORT}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name, **labels}},
        "spec": {"terminationGracePeriodSeconds": 0, "securityContext": security, "containers": [container]},
    }


def _service(namespace: str) -> Spec:
    spec = {"selector": {"app": WEB}, "ports": [{"port": 80, "targetPort": net_agent.PORTS[0]}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": WEB, "namespace": namespace}, "spec": spec}


def _addresses(namespace: str) -> dict[str, str]:
    """Where pods and Services of a namespace are, by `pod/name` and `service/name`."""
    items = json.loads(kubectl("get", "pods,services", "--namespace", namespace, "--output", "json"))["items"]
    return {
        f"{item['kind'].lower()}/{item['metadata']['name']}": item["status"].get("podIP") or item["spec"].get("clusterIP", "")
        for item in items
    }


@contextmanager
def network(folder: Path, tenants: tuple[str, ...], shops: Mapping[str, Spec]) -> Iterator[Net]:
    """Tenants with pods everywhere, and a Blueprint `shop` in the places of `shops`, with that much more of a spec. All gone afterwards."""
    roles()
    prefix = f"n{secrets.token_hex(3)}"
    net = Net(prefix, tenants)
    home = net.namespace(HOME)
    spaces = [net.namespace(place) for place in net.places]
    # The operator itself runs beside the cluster. A pod of its name and labels stands for it in the policies.
    operator = OperatorProcess((home, *spaces), folder / "operator.log", name="operator")
    try:
        metadata = {"name": home, "labels": {TEST_LABEL: "true", **RESTRICTED}}
        kubectl("create", "--filename", "-", stdin=yaml.safe_dump({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))
        kubectl("apply", "--filename", "-", stdin=yaml.safe_dump(_pod("operator", home, "operator", **OPERATOR_LABELS)))
        asyncio.run(operator.start().ready())
        asyncio.run(net.apply_tenants({tenant: {} for tenant in tenants}))
        _fill(net, shops)
        yield net
    finally:
        operator.close()
        print(f"--- {operator.log}\n{operator.tail()}")
        names = [f"tenants.dharma.io/{prefix}-{tenant}" for tenant in tenants]
        kubectl("delete", "--wait=false", "--ignore-not-found", *names, *(f"namespace/{space}" for space in spaces))


def _fill(net: Net, shops: Mapping[str, Spec]) -> None:
    """Make pods, Services and data services, and note how they are reached."""
    manifests: list[Spec] = []
    for place, more in shops.items():
        shop = blueprint(postgres(), redis(), **net.filled(more))
        manifests.append({**shop, "metadata": {**shop["metadata"], "namespace": net.namespace(place)}})
    for place in net.places:
        space = net.namespace(place)
        # Clients of tenants pose as the operator: its labels count in its own namespace only.
        posing = {} if place == HOME else OPERATOR_LABELS
        manifests += [_pod(CLIENT, space, "client", **posing), _pod(WEB, space, place), _service(space)]
    kubectl("apply", "--filename", "-", stdin=yaml.safe_dump_all(manifests))
    for place in net.places:
        space = net.namespace(place)
        kubectl("wait", "--namespace", space, "--for=condition=Ready", f"pod/{CLIENT}", f"pod/{WEB}", "--timeout=90s")
        if place in shops:
            kubectl("wait", "--namespace", space, "--for=condition=Ready", "blueprints.dharma.io/shop", "--timeout=120s")
            net.databases[f"{place}/db"] = (space, "shop-db-0")
        known = _addresses(space)
        net.addresses[place] = known[f"pod/{CLIENT}"]
        net.targets |= _targets(place, known)
        if place == HOME:
            net.addresses["operator"] = known["pod/operator"]
    net.targets |= _surroundings()


def _targets(place: str, known: Mapping[str, str]) -> dict[str, Target]:
    """What there is in a place to connect to."""
    pod, service = known[f"pod/{WEB}"], known[f"service/{WEB}"]
    targets = {
        f"pod {place}": {"address": pod, "port": net_agent.PORTS[0], "hear": place},
        f"side {place}": {"address": pod, "port": net_agent.PORTS[1], "hear": place},
        f"service {place}": {"address": service, "port": 80, "hear": place},
    }
    if "pod/shop-db-0" in known:
        health = {"say": "GET /liveness HTTP/1.0\r\n\r\n", "hear": "HTTP/1.0 200"}
        targets |= {
            f"postgres {place}": {"address": known["service/shop-db-rw"], "port": 5432, "say": _POSTGRES_SSL_REQUEST, "hear": "N"},
            f"redis {place}": {"address": known["service/shop-cache"], "port": 6379, "say": "PING\r\n", "hear": "-NOAUTH"},
            f"patroni {place}": {"address": known["pod/shop-db-0"], "port": 8008, **health},
        }
    return targets


def _surroundings() -> dict[str, Target]:
    """What every cluster has."""
    system = _addresses("kube-system")
    dns_pod = next(address for name, address in system.items() if name.startswith("pod/coredns-"))
    node = json.loads(kubectl("get", "nodes", "--output", "json"))["items"][0]["status"]["addresses"]
    return {
        "dns": {"lookup": "kubernetes.default.svc.cluster.local."},
        "dns-tcp": {"address": system["service/kube-dns"], "port": 53},
        "dns-health": {"address": dns_pod, "port": 8181},
        "api": {"address": _addresses("default")["service/kubernetes"], "port": 443},
        "node": {"address": next(one["address"] for one in node if one["type"] == "InternalIP"), "port": 10250},
    }
