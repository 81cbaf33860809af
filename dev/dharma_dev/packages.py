"""Debian packages that the cluster needs on the host: those missing are installed."""

import os
import shutil

from dharma_dev import paths
from dharma_dev.run import CommandError, UserError, command, step

# A program of each package, and the package.
PROGRAMS = {
    "runc": "runc",
    "nft": "nftables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "openssl": "openssl",
    "mkfs.xfs": "xfsprogs",
    "losetup": "mount",
    "modprobe": "kmod",
    "debootstrap": "debootstrap",
    "buildah": "buildah",
    "podman": "podman",
}
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def find(program: str) -> str | None:
    """Where a program is, also in the folders that are not on an ordinary user's PATH."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")


def install(packages: list[str]) -> None:
    """Install Debian packages. Raises UserError when that is not possible."""
    names = " ".join(packages)
    if find("apt-get") is None:
        raise UserError(f"Missing on this machine: {names}; install them with its package manager (only Debian's apt is driven from here).")
    log = paths.LOGS / "packages.log"
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        with step(f"Installing the Debian packages {names}", log=log):
            command(["apt-get", "-q", "update"], env=environment, log=log)
            command(["apt-get", "-q", "-y", "--no-install-recommends", "install", *packages], env=environment, log=log)
    except CommandError as error:
        raise UserError(
            f"The Debian packages {names} could not be installed: check that this machine reaches its package mirror, "
            "or install them by hand.\n"
            f"{error.output}"
        ) from error


def ensure() -> None:
    """Install the packages whose program is missing."""
    missing = sorted({package for program, package in PROGRAMS.items() if find(program) is None})
    if missing:
        install(missing)
