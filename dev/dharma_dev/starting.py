"""Starting the components that do not run as they should, and waiting until they work."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from dharma_dev import bridge, cgroups, containers, firewall, paths, processes
from dharma_dev.components import Component
from dharma_dev.control import control
from dharma_dev.node import NODES
from dharma_dev.run import UserError, say, tail

# Seconds that a started component has until it works, and one that ran before until it counts as hung: an API server whose etcd was just
# replaced needs some on a busy machine.
START_PATIENCE = 60.0
HUNG_PATIENCE = 30.0
POLL = 0.1


def start_all(after: Mapping[str, Callable[[], None]]) -> dict[str, float]:
    """Start what does not run as it should; return when (Unix time) each that was started was.

    `after` is what to do once a component works, by its name, before those that build on it start.
    """
    live = processes.running()
    firewall.claim()
    for node in NODES:
        bridge.ensure(node)
        cgroups.ensure(node.cgroup)
        if "containerd" not in live and not containers.live(node):
            containers.forget(node)
        for folder in (node.volumes, node.agent_state):
            folder.mkdir(parents=True, exist_ok=True)
    paths.ETCD_DATA.mkdir(mode=0o700, parents=True, exist_ok=True)
    started: dict[str, float] = {}
    for group in control().groups:
        with ThreadPoolExecutor(max_workers=len(group)) as pool:
            kept = [pool.submit(_keeps, component, live.get(component.name, [])) for component in group]
        lacking = [component for component, keep in zip(group, kept, strict=True) if not keep.result()]
        pids: dict[Component, int] = {}
        for component in lacking:
            say(f"  starting {component.name}")
            started[component.name] = time.time()
            pids[component] = processes.start(component.name, component.argv, component.fingerprint)
        wait_for(pids)
        for component in group:
            if component.name in after:
                after[component.name]()
    return started


def _keeps(component: Component, found: Sequence[processes.Running]) -> bool:
    """Whether a component runs as it should; whatever runs otherwise is stopped."""
    if len(found) == 1 and found[0].fingerprint == component.fingerprint:
        problem = _problem_within(component, found[0].pid, HUNG_PATIENCE)
        if not problem:
            return True
        say(f"  {component.name} runs but does not work ({problem}): it is restarted")
    processes.stop(found, component.grace)
    return False


def _problem_within(component: Component, pid: int, patience: float) -> str:
    """Return what is wrong with a running component that had `patience` seconds to work; nothing when it works."""
    deadline = time.monotonic() + patience
    while True:
        problem = component.check()
        if not problem or time.monotonic() > deadline or not processes.alive(pid):
            return problem
        time.sleep(POLL)


def wait_for(pids: Mapping[Component, int]) -> None:
    """Wait until each started component works. Raises UserError with the end of its log when one ends or does not come to work."""
    with ThreadPoolExecutor(max_workers=max(1, len(pids))) as pool:
        for outcome in [pool.submit(_wait_for, component, pid) for component, pid in pids.items()]:
            outcome.result()


def _wait_for(component: Component, pid: int) -> None:
    deadline = time.monotonic() + START_PATIENCE
    while True:
        problem = component.check()
        if not processes.alive(pid):
            raise UserError(f"{component.name} ended right after its start; the end of its log:\n{_log_end(component)}")
        if not problem:
            return
        if time.monotonic() > deadline:
            raise UserError(
                f"{component.name} does not work after {START_PATIENCE:.0f} s ({problem}); the end of its log:\n{_log_end(component)}"
            )
        time.sleep(POLL)


def _log_end(component: Component) -> str:
    log = processes.log_of(component.name)
    return f"{tail(log.read_text(errors='replace'), 5)}\nThe whole log: {log}"
