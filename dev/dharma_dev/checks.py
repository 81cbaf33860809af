"""What must hold before anything is done: each answer is one sentence with its remedy."""

import os
import platform
import shutil
from collections.abc import Iterable
from pathlib import Path

from dharma_dev import processes
from dharma_dev.components import Component
from dharma_dev.run import UserError

GIB = 1024**3
# Room for Go's own caches, the programs, and the images of a first run; and for a running cluster.
BUILD_SPACE = 10 * GIB
RUN_SPACE = 2 * GIB
LISTENING = "0A"


def platform_and_rights() -> None:
    """Linux, and root: the cluster makes mounts, network devices and control groups."""
    if platform.system() != "Linux":
        raise UserError(f"The development cluster needs Linux, and this is {platform.system()}: run it in a Linux virtual machine.")
    if os.geteuid() != 0:
        raise UserError(
            "The development cluster makes mounts, network devices and control groups, which only root may: run the command as root (sudo)."
        )


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


def disk_space(needs: Iterable[tuple[Path, int]]) -> None:
    """Enough bytes free where each path is or will be."""
    for path, needed in needs:
        free = shutil.disk_usage(_existing(path)).free
        if free < needed:
            raise UserError(
                f"{path} needs {needed / GIB:.0f} GiB of free disk space and has {free / GIB:.1f}: free some, or mount a larger disk there."
            )


def _decode(address: str) -> str:
    """Return an address of /proc/net/tcp as text; IPv6 is told apart only as the wildcard or not."""
    if len(address) == 8:
        return ".".join(str(byte) for byte in bytes.fromhex(address)[::-1])
    return "0.0.0.0" if set(address) == {"0"} else address  # noqa: S104 - compared, not bound


def listeners() -> list[tuple[str, int, str]]:
    """Every listening TCP socket: address, port, inode."""
    found: list[tuple[str, int, str]] = []
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else []:
            fields = line.split()
            address, _, port = fields[1].partition(":")
            if fields[3] == LISTENING:
                found.append((_decode(address), int(port, 16), fields[9]))
    return found


def owner(inode: str) -> str:
    """Return the process that holds a socket, as `name (pid n)`."""
    for pid in processes.all_pids():
        try:
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                if descriptor.readlink().name == f"socket:[{inode}]":
                    return f"{Path(f'/proc/{pid}/comm').read_text().strip()} (pid {pid})"
        except OSError:
            continue
    return "another process"


def ports(components: Iterable[Component]) -> None:
    """Check that the ports of components which are to be started are free."""
    taken = listeners()
    for component in components:
        for address, port in component.ports:
            for other, other_port, inode in taken:
                if port == other_port and other in {address, "0.0.0.0"}:  # noqa: S104 - compared, not bound
                    who = owner(inode)
                    raise UserError(
                        f"Port {port} on {other}, which {component.name} needs, is taken by {who}: stop that, then run the command again."
                    )
