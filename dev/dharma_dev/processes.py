"""The cluster's processes: found, started and stopped without pid files.

Each process carries its identity in its environment (`/proc/PID/environ`): which state folder and component it belongs to, and a
fingerprint of what it was started with. So nothing is remembered that could be stale, a reused pid is never mistaken for ours, and a
process that another program made is never touched. Signals go through a pidfd, which cannot hit a successor of the same number.
"""

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dharma_dev import paths
from dharma_dev.run import UserError

MARK = "DHARMA_DEV_PROCESS"
FINGERPRINT = "DHARMA_DEV_FINGERPRINT"
# A log is set aside when a process starts with one longer than this (bytes), and cut at the next `up` when it grew far longer.
LOG_ROTATE = 10 * 1024 * 1024
LOG_LIMIT = 100 * 1024 * 1024
SHIM = "containerd-shim-runc-v2"
# Seconds after SIGKILL until a process counts as stuck in the kernel.
KILL_PATIENCE = 15.0


@dataclass(frozen=True)
class Running:
    """A live process of this cluster."""

    pid: int
    component: str
    fingerprint: str


def environment_of(pid: int) -> dict[str, str]:
    """Return a process's environment as it was started with; empty when it is gone or a kernel thread."""
    try:
        raw = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    pairs = (entry.partition(b"=") for entry in raw.split(b"\0") if b"=" in entry)
    return {name.decode(errors="replace"): value.decode(errors="replace") for name, _, value in pairs}


def all_pids() -> list[int]:
    """Every process of the machine."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def mark_of(component: str) -> str:
    """Return the value of the environment variable that makes a process ours."""
    return f"{paths.STATE}:{component}"


def identify(pid: int) -> Running | None:
    """Return the component that a process is, if it is one of this cluster: marked, and leader of the session it was started in."""
    state, separator, component = environment_of(pid).get(MARK, "").rpartition(":")
    if not separator or state != str(paths.STATE):
        return None
    try:
        if os.getsid(pid) != pid:
            return None
    except ProcessLookupError:
        return None
    return Running(pid, component, environment_of(pid).get(FINGERPRINT, ""))


def running() -> dict[str, list[Running]]:
    """All live components by name. More than one of a name can only come from an interrupted start."""
    found: dict[str, list[Running]] = {}
    for pid in all_pids():
        process = identify(pid)
        if process is not None:
            found.setdefault(process.component, []).append(process)
    return found


def shims() -> list[int]:
    """Return the runtime shims that our containerd started: they outlive it, and carry its mark or the name of its socket."""
    found: list[int] = []
    sockets = str(paths.NODES)
    for pid in all_pids():
        try:
            argv = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if Path(argv[0]).name == SHIM and any(argument.startswith(f"{sockets}/") for argument in argv):
            found.append(pid)
    return found


def log_of(component: str) -> Path:
    """Where a component's stdout and stderr go."""
    return paths.LOGS / f"{component}.log"


def start(component: str, argv: Sequence[str], fingerprint: str) -> int:
    """Start a component in a session of its own, so that it outlives this command; return its pid."""
    log = log_of(component)
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_ROTATE:
        log.replace(log.with_suffix(".log.1"))
    environment = {
        "PATH": f"{paths.BIN}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        MARK: mark_of(component),
        FINGERPRINT: fingerprint,
    }
    with log.open("ab") as sink:
        process = subprocess.Popen(
            argv, cwd="/", env=environment, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True
        )
    # Not waited for: it is to live on. Telling Popen so avoids its warning.
    process.returncode = 0
    return process.pid


def shorten_logs() -> None:
    """Cut logs that grew past the limit while their process ran (they are open for appending, so cutting is safe)."""
    for log in paths.LOGS.glob("*.log"):
        if log.stat().st_size > LOG_LIMIT and log != paths.AUDIT_LOG:
            os.truncate(log, 0)


def alive(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def stop(found: Sequence[Running], grace: float) -> None:
    """End processes of ours, and wait until each is gone; see `end_all`."""
    names = {process.pid: process.component for process in found}

    def still(pid: int) -> bool:
        now = identify(pid)
        return now is not None and now.component == names[pid]

    end_all(names, grace, still)


def end_all(pids: Iterable[int], grace: float, still: Callable[[int], bool]) -> None:
    """End processes with SIGTERM, those left after `grace` seconds with SIGKILL; return when all are gone.

    `still` is asked once a pid is held by a pidfd: whether it is the process that was meant. Raises UserError when one survives SIGKILL.
    """
    held: dict[int, int] = {}
    try:
        for pid in pids:
            try:
                descriptor = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            held[pid] = descriptor
            if not still(pid):
                os.close(held.pop(pid))
        for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, KILL_PATIENCE)):
            if patience > 0:
                _signal_and_wait(held, number, patience)
        if held:
            stuck = ", ".join(map(str, held))
            raise UserError(f"Processes {stuck} do not end even by SIGKILL: they hang in the kernel; look at /proc/PID/stack, or reboot.")
    finally:
        for descriptor in held.values():
            os.close(descriptor)


def _signal_and_wait(held: dict[int, int], number: signal.Signals, patience: float) -> None:
    """Signal all held processes; drop from `held` each that ends within `patience` seconds. A zombie counts as ended."""
    for descriptor in held.values():
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, number)
    deadline = time.monotonic() + patience
    poller = select.poll()
    for descriptor in held.values():
        poller.register(descriptor, select.POLLIN)
    while held:
        left = deadline - time.monotonic()
        # Half a second at most, as a zombie whose parent does not reap it stays silent in older kernels.
        ended = {descriptor for descriptor, _ in poller.poll(min(max(0.0, left), 0.5) * 1000)}
        for pid, descriptor in list(held.items()):
            if descriptor in ended or not alive(pid):
                poller.unregister(descriptor)
                os.close(held.pop(pid))
        if left <= 0:
            return
