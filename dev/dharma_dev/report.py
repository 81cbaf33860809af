"""What a person asks about the cluster: `status` and `logs`."""

import functools
import http.client
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dharma_dev import paths, processes, ready
from dharma_dev.api import Api
from dharma_dev.components import Component
from dharma_dev.control import control
from dharma_dev.node import NODES
from dharma_dev.run import UserError

AUDIT = "audit"
# Lines of each log that `logs` shows before it follows.
SHOWN_LINES = 40


@dataclass(frozen=True)
class Line:
    """One row of `status`; `problem` is empty for what works."""

    name: str
    problem: str
    pid: str = ""
    memory: str = ""
    age: str = ""


def memory_of(pid: int) -> int:
    """Return the resident memory of a process in bytes."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def age_of(pid: int) -> float:
    """Seconds since a process was started."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return float(Path("/proc/uptime").read_text().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")


def duration(seconds: float) -> str:
    """Seconds in a person's words."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.1f}{unit}"
    return f"{seconds:.0f}s"


def _component(component: Component, found: list[processes.Running]) -> Line:
    if not found:
        return Line(component.name, "does not run")
    pid = found[0].pid
    try:
        memory, age = f"{memory_of(pid) / 1024**2:.0f} MiB", duration(age_of(pid))
    except OSError:
        return Line(component.name, "ended just now")
    return Line(component.name, component.check(), str(pid), memory, age)


def _service(name: str, ask: Callable[[Api], str]) -> Line:
    try:
        with Api(timeout=5.0) as api:
            return Line(name, ask(api))
    except (OSError, http.client.HTTPException, UserError) as error:
        return Line(name, str(error))


def lines() -> list[Line]:
    """Everything that makes up the cluster, each asked at the same time."""
    live = processes.running()
    with ThreadPoolExecutor(max_workers=16) as pool:
        components = [pool.submit(_component, component, live.get(component.name, [])) for component in control().all]
        services = [pool.submit(_service, node.name, functools.partial(ready.node_problem, name=node.name, since=None)) for node in NODES]
        services.append(pool.submit(_service, "dns", lambda _: ready.dns_problem()))
        services.append(pool.submit(_service, "metrics api", ready.metrics_problem))
        return [asked.result() for asked in (*components, *services)]


def _facts() -> dict[str, str]:
    try:
        with Api(timeout=5.0) as api:
            version: dict[str, Any] = api.get("/version") or {}
            nodes: dict[str, Any] = api.get("/api/v1/nodes") or {}
            pods: dict[str, Any] = api.get("/api/v1/pods") or {}
    except (OSError, http.client.HTTPException, UserError):
        return {}
    phases = [pod["status"]["phase"] for pod in pods["items"]]
    runtimes = sorted({node["status"]["nodeInfo"]["containerRuntimeVersion"] for node in nodes["items"]})
    return {
        "kubernetes": f"{version['gitVersion']}, {', '.join(runtimes)}",
        "pods": f"{len(phases)}, of them {phases.count('Running')} running",
    }


def status() -> int:
    """Print the state of the cluster; return the exit code: zero when all of it works."""
    begun = time.monotonic()
    rows = lines()
    print(f"{'PART':<24} {'STATE':<8} {'PID':>8} {'MEMORY':>9} {'AGE':>6}")
    for row in rows:
        print(f"{row.name:<24} {'broken' if row.problem else 'works':<8} {row.pid:>8} {row.memory:>9} {row.age:>6}  {row.problem}".rstrip())
    facts = {
        "address": paths.API_SERVER,
        **_facts(),
        "kubeconfig": str(paths.KUBECONFIG),
        "state": str(paths.STATE),
        "logs": str(paths.LOGS),
    }
    print()
    for name, value in facts.items():
        print(f"{name:<12} {value}")
    broken = sum(1 for row in rows if row.problem)
    if broken:
        print(f"\n{broken} of {len(rows)} parts do not work: `up` repairs what it can. (asked in {time.monotonic() - begun:.1f} s)")
    return 1 if broken else 0


def logs(component: str | None, *, follow: bool) -> None:
    """Show the end of logs with `tail`, which replaces this process. Raises UserError for an unknown component."""
    known = {AUDIT: paths.AUDIT_LOG, **{part.name: processes.log_of(part.name) for part in control().all}}
    if component is not None and component not in known:
        raise UserError(f"There is no part `{component}`; the parts are {', '.join(sorted(known))}.")
    # The audit log is for machines: it is shown only when asked for.
    wanted = [known[component]] if component is not None else [path for name, path in known.items() if name != AUDIT]
    present = [str(path) for path in wanted if path.exists()]
    if not present:
        raise UserError("There are no logs yet: bring the cluster up first (`make cluster`).")
    arguments = ["tail", f"--lines={SHOWN_LINES}", *(["--follow=name", "--retry"] if follow else []), *present]
    os.execvp("tail", arguments)  # noqa: S606 - no shell, and this process has nothing left to do
