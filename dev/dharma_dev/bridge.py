"""The node's network on the host: one bridge, its address, the route to Services, the kernel's switches for it."""

import json
from pathlib import Path

from dharma_dev import paths
from dharma_dev.node import Node
from dharma_dev.run import UserError, command

# The bridge's own hardware address says whose it is, so that one which another program made is never taken or removed.
HARDWARE_ADDRESS = "0e:d4:a2:3a:0a:f4"
SWITCHES = {"net/ipv4/ip_forward": "1", "net/bridge/bridge-nf-call-iptables": "1"}


def _hardware_address(node: Node) -> str | None:
    links = json.loads(command(["ip", "-json", "link", "show"]))
    return next((link["address"] for link in links if link["ifname"] == node.bridge), None)


def exists(node: Node) -> bool:
    """Whether the bridge is there; one of another program does not count."""
    return _hardware_address(node) == HARDWARE_ADDRESS


def refuse_foreign(node: Node) -> None:
    """Raise UserError when another program has a device of the bridge's name."""
    if _hardware_address(node) not in {None, HARDWARE_ADDRESS}:
        raise UserError(
            f"The network device `{node.bridge}` exists and another program made it: stop that program, "
            f"then remove the device by `ip link delete {node.bridge}`."
        )


def _address(node: Node) -> str:
    return f"{node.address}/{node.pod_cidr.partition('/')[2]}"


def ensure(node: Node) -> None:
    """Make the bridge with the node's address, which must exist before anything can listen on it, and what belongs to it."""
    if not exists(node):
        command(["ip", "link", "add", "name", node.bridge, "address", HARDWARE_ADDRESS, "type", "bridge"])
    command(["ip", "link", "set", node.bridge, "up"])
    command(["ip", "address", "replace", _address(node), "dev", node.bridge])
    # What is addressed to a Service never leaves the machine, also while the proxy is down.
    command(["ip", "route", "replace", paths.SERVICE_CIDR, "dev", node.bridge])
    if not Path("/proc/sys/net/bridge").exists():
        command(["modprobe", "br_netfilter"])
    for switch, value in SWITCHES.items():
        setting = Path("/proc/sys", switch)
        if setting.read_text().strip() != value:
            setting.write_text(value)


def remove(node: Node) -> None:
    """Remove the bridge, with its address and routes, and the host ends of pods that are still on it."""
    if exists(node):
        for port in json.loads(command(["ip", "-json", "link", "show", "master", node.bridge])):
            command(["ip", "link", "delete", port["ifname"]])
        command(["ip", "link", "delete", node.bridge])
