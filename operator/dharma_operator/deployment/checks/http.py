"""Requests to the pods of a version, in turn: any that is not answered as expected fails the check."""

import asyncio
import time
from datetime import timedelta

import aiohttp

from dharma_crds.deployment import HttpCheck, Port
from dharma_handlers.outcome import Manifest
from dharma_operator.deployment.checks.verdict import Pods, Verdict

_TIMEOUT_SECONDS = 5.0
_PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.2


async def run(check: HttpCheck, ports: tuple[Port, ...], pods: Pods, window: timedelta | None) -> Verdict:
    """Ask `count` times, or, with a window, for so long; return at the first bad answer. Cancelled, it has no verdict."""
    asked = 0
    until = None if window is None else time.monotonic() + window.total_seconds()
    async with aiohttp.ClientSession(trust_env=False, timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)) as session:
        while asked < check.count or (until is not None and time.monotonic() < until):
            if asked:
                await asyncio.sleep(check.interval.total_seconds())
            there = await _ready(pods)
            if not there:
                return Verdict("Failed", f"{asked} of {check.count}", f"no pod of the version was ready for {_PATIENCE_SECONDS:g} s")
            problem = await _ask(session, check, ports, there[asked % len(there)])
            if problem:
                return Verdict("Failed", f"{asked} of {check.count}", problem)
            asked += 1
    return Verdict("Passed", f"{asked} of {asked}", f"{asked} requests were answered with {check.expect}")


async def _ready(pods: Pods) -> list[Manifest]:
    """Return the ready pods by name. All of them may be unready for a moment: that is waited out, not asked over."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while not (there := pods()) and time.monotonic() < until:  # noqa: ASYNC110 (nobody tells of pods here)
        await asyncio.sleep(_LOOK_SECONDS)
    return sorted(there, key=lambda pod: str(pod["metadata"]["name"]))


async def _ask(session: aiohttp.ClientSession, check: HttpCheck, ports: tuple[Port, ...], pod: Manifest) -> str:
    """Send one request; return what was wrong with the answer, empty for nothing."""
    name = pod["metadata"]["name"]
    number = port_of(check.port, ports, pod)
    if number is None:
        return f"port {check.port} is none of the Deployment's ports; name one of {', '.join(port.name for port in ports)}"
    address = str(pod["status"].get("podIP"))
    host = f"[{address}]" if ":" in address else address
    try:
        async with session.get(f"http://{host}:{number}{check.path}", allow_redirects=False) as answer:
            await answer.read()
            return "" if answer.status == check.expect else f"pod {name} answered {answer.status} to {check.path}, not {check.expect}"
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return f"pod {name} did not answer {check.path}: {str(error) or type(error).__name__}"


def port_of(wanted: int | str | None, ports: tuple[Port, ...], pod: Manifest) -> int | None:
    """Return the pod's port behind a port of the Service, given by name or number; the first without one."""
    chosen = next((port for port in ports if wanted is None or wanted in {port.name, port.port}), None)
    if chosen is None:
        return None
    target = chosen.target_port or chosen.port
    if isinstance(target, int):
        return target
    named = (port for container in pod["spec"]["containers"] for port in container.get("ports") or ())
    return next((int(port["containerPort"]) for port in named if port.get("name") == target), None)
