"""Whether the cluster does what a cluster is for: a Ready node, names that resolve, the APIs in it."""

import contextlib
import datetime as dt
import functools
import http.client
import os
import socket
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any

from dharma_dev import paths
from dharma_dev.api import Api
from dharma_dev.manifests import SYSTEM, Manifest
from dharma_dev.node import NODES
from dharma_dev.run import UserError

# Seconds.
NODE_PATIENCE = 90.0
ADDON_PATIENCE = 120.0
POLL = 0.2
METRICS_API = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io"
DNS_NAME = f"kubernetes.default.svc.{paths.CLUSTER_DOMAIN}"


def condition(thing: dict[str, Any] | None, kind: str) -> dict[str, str]:
    """One of an object's conditions; empty when it has none of that kind."""
    conditions: list[dict[str, str]] = (thing or {}).get("status", {}).get("conditions", [])
    return next((entry for entry in conditions if entry["type"] == kind), dict[str, str]())


def node_problem(api: Api, name: str, since: float | None) -> str:
    """Why a node is not Ready, else nothing. With `since` (Unix time), word from before it does not count."""
    found = condition(api.get(f"/api/v1/nodes/{name}"), "Ready")
    if not found:
        return f"node {name} has not registered yet"
    heartbeat = dt.datetime.fromisoformat(found["lastHeartbeatTime"]).timestamp()
    if since is not None and heartbeat < int(since):
        return f"node {name} has not reported since its kubelet was started"
    return "" if found["status"] == "True" else f"node {name} is not Ready: {found.get('message', '')}"


def dns_problem() -> str:
    """Why the cluster's DNS does not answer at its Service's address, else nothing: also shows that Services work."""
    query_id = os.urandom(2)
    labels = b"".join(bytes([len(label)]) + label.encode() for label in DNS_NAME.split("."))
    question = query_id + struct.pack(">HHHHH", 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as client:
        client.settimeout(1)
        try:
            client.sendto(question, (paths.DNS_SERVICE_ADDRESS, 53))
            answer = client.recv(512)
        except OSError as error:
            return f"DNS at {paths.DNS_SERVICE_ADDRESS} does not answer: {error}"
    expected = socket.inet_aton(paths.KUBERNETES_SERVICE_ADDRESS)
    if answer[:2] != query_id or not answer.endswith(expected):
        return f"DNS does not resolve {DNS_NAME} to {paths.KUBERNETES_SERVICE_ADDRESS}"
    return ""


def metrics_problem(api: Api) -> str:
    """Why the metrics API is not there, else nothing."""
    found = condition(api.get(METRICS_API), "Available")
    return "" if found.get("status") == "True" else f"the metrics API is not available: {found.get('message', 'not registered yet')}"


def _until(ask: Callable[[Api], str], patience: float) -> None:
    """Ask until the answer is that there is no problem. Raises UserError with the last problem when that takes too long."""
    deadline = time.monotonic() + patience
    with Api() as api:
        while True:
            try:
                problem = ask(api)
            except (OSError, http.client.HTTPException) as error:
                problem = f"the API server does not answer: {error}"
            if not problem:
                return
            if time.monotonic() > deadline:
                raise UserError(f"After {patience:.0f} s {problem}; look at `python3 -m dharma_dev status` and `logs`.")
            time.sleep(POLL)


def wait_for_node(since: float | None) -> None:
    """Wait until every node is Ready. `since` (Unix time) is when the kubelet was started, if it was."""
    for node in NODES:
        _until(functools.partial(node_problem, name=node.name, since=since), NODE_PATIENCE)


def apply_addons(addons: Sequence[Manifest]) -> None:
    """Apply the objects that every cluster has. The API server is ready a moment before it has made its own namespaces."""
    _until(lambda api: "" if api.get(f"/api/v1/namespaces/{SYSTEM}") else f"the namespace {SYSTEM} is not there", NODE_PATIENCE)
    with Api() as api:
        for addon in addons:
            api.apply(addon.path, addon.content)


def wait_for_addons() -> None:
    """Wait until names resolve and the metrics API is there (a cluster with a missing API cannot delete namespaces)."""
    _until(lambda _: dns_problem(), ADDON_PATIENCE)
    _until(metrics_problem, ADDON_PATIENCE)
