"""The nftables tables that kube-proxy and the agent make: which of those on the machine are this cluster's."""

from pathlib import Path

from dharma_dev import files, paths
from dharma_dev.run import command

# Family and name, of kube-proxy and of the agent.
TABLES = (("ip", "kube-proxy"), ("ip6", "kube-proxy"), ("inet", "dharma-policy"))
# Written before the first table is made, removed after the last one is: a table carries no name of its maker, and another Kubernetes on the
# machine may have one called the same while this cluster is stopped. It says in which boot; tables do not outlive one.
CLAIM = paths.STATE / "firewall-claim"


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text()


def claim() -> None:
    """Note that tables by these names are from now on this cluster's."""
    files.write(CLAIM, _boot())


def ours() -> list[tuple[str, str]]:
    """Return the tables of this cluster that exist."""
    if not CLAIM.exists() or CLAIM.read_text() != _boot():
        return []
    listing = set(command(["nft", "list", "tables"]).splitlines())
    return [(family, name) for family, name in TABLES if f"table {family} {name}" in listing]


def clear() -> None:
    """Delete the tables of this cluster."""
    for family, name in ours():
        command(["nft", "delete", "table", family, name])
    files.remove(CLAIM)
