"""The control group above a node's pods, in every hierarchy of the machine (cgroup v1, hybrid and v2)."""

from pathlib import Path

from dharma_dev import processes

ROOT = Path("/sys/fs/cgroup")


def hierarchies() -> list[Path]:
    """Where control groups can be made: the one tree of v2, or each of v1's."""
    if (ROOT / "cgroup.controllers").exists():
        return [ROOT]
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return sorted({Path(fields[1]) for fields in mounts if fields[2] in {"cgroup", "cgroup2"}})


def ensure(name: str) -> None:
    """Make the group; the kubelet refuses a root that does not exist. In v1 a cpuset starts empty and takes no process: fill it."""
    for hierarchy in hierarchies():
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            own, above = group / setting, hierarchy / setting
            if own.exists() and above.exists() and not own.read_text().strip():
                own.write_text(above.read_text())


def members(name: str) -> set[int]:
    """Every process in the group and below it."""
    pids: set[int] = set()
    for hierarchy in hierarchies():
        for listing in (hierarchy / name).rglob("cgroup.procs"):
            try:
                pids.update(int(pid) for pid in listing.read_text().split())
            except OSError:
                continue  # the group went away meanwhile, or is a threaded one: its processes are listed above it
    return pids


def is_member(pid: int, name: str) -> bool:
    """Whether a process is in the group or below it."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return False
    return any(path == f"/{name}" or path.startswith(f"/{name}/") for path in (line.split(":", 2)[2] for line in lines))


def kill(name: str, grace: float) -> None:
    """End every process in the group: SIGTERM to all, after `grace` seconds in total SIGKILL."""
    processes.end_all(members(name), grace, lambda pid: is_member(pid, name))


def remove(name: str) -> None:
    """Remove the group and those below it; its processes must be gone."""
    for hierarchy in hierarchies():
        top = hierarchy / name
        groups = [path for path in top.rglob("*") if path.is_dir()] if top.exists() else []
        for group in sorted([*groups, top], key=lambda path: len(path.parts), reverse=True):
            if group.exists():
                group.rmdir()


def exists(name: str) -> bool:
    """Whether any hierarchy has the group."""
    return any((hierarchy / name).exists() for hierarchy in hierarchies())
