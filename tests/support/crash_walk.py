"""Walk all crash points: whatever write the operator dies at, the next one brings the same end about.

A scenario is run once without a crash, which counts its writes and gives the reference. Then, for each write k and each side of it, it is
run in a namespace of its own with an operator that dies there; another one is started, and the end is compared with the reference, object
by object.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.cluster import new_namespace, wait_until
from tests.support.operator_process import OperatorProcess
from tests.support.snapshot import Snapshot, difference, snapshot

from dharma_operator.kube.client import Client
from dharma_operator.kube.crashpoints import CRASH_AT, CRASH_LOG, EXIT_CODE, Side

Step = Callable[[Client, str], Awaitable[object]]
"""Gets the client and the namespace of the run."""


@asynccontextmanager
async def _nothing(_: Client, __: str) -> AsyncIterator[None]:
    yield


_QUIET_SECONDS = 2.0


@dataclass(frozen=True)
class Scenario:
    """A change that the operator has to bring about."""

    name: str
    act: Step
    """Makes the change: applies, edits or deletes a custom resource. The operator is not running."""
    converged: Step
    """Returns something true once the change has been brought about."""
    arrange: Step | None = None
    """Before that, with an operator that does not crash: brings the state about from which the change is made, and waits for it."""
    settings: dict[str, str] = field(default_factory=dict)
    """Settings of the operator, as for OperatorProcess."""
    seconds: float = 120
    """Longest time to converge."""
    spaces: Callable[[str], tuple[str, ...]] = lambda _: ()
    """What the operator serves beside the namespace of the run: namespaces whose names follow from that one."""
    look: Callable[[Client, str], Awaitable[Snapshot]] = snapshot
    """What is compared."""
    around: Callable[[Client, str], AbstractAsyncContextManager[object]] = _nothing
    """Entered before the run's `arrange`, left after its end: a witness, who fails the run by AssertionError, or tidying up."""
    hide: Callable[[str], str] = lambda namespace: namespace
    """What differs from run to run in the labels of writes: part of the namespace's name, as a rule all of it."""

    def operator(self, namespace: str, log: Path) -> OperatorProcess:
        """An operator that serves the run, not started yet."""
        return OperatorProcess((namespace, *self.spaces(namespace)), log, **self.settings)


@dataclass(frozen=True)
class Crash:
    """One run with a crash."""

    write: int
    side: Side
    label: str
    died: bool
    """False: the run had fewer writes than the reference and never reached this one."""
    difference: str
    """From the reference; empty when there is none."""

    def __str__(self) -> str:
        return f"{self.side} write {self.write} ({self.label})"


@dataclass(frozen=True)
class Walk:
    """The result."""

    writes: list[str]
    """Labels of the reference's writes."""
    crashes: list[Crash]

    @property
    def diverged(self) -> list[Crash]:
        return [crash for crash in self.crashes if crash.difference]

    def verdict(self) -> str:
        """For the failure of a test: what diverged, and how."""
        parts = [f"{len(self.diverged)} of {len(self.crashes)} crashes did not converge ({len(self.writes)} writes)"]
        return "\n\n".join([*parts, *(f"--- crash {crash}\n{crash.difference}" for crash in self.diverged)])


def every_write(count: int) -> Iterable[int]:
    """Crash at all of them."""
    return range(1, count + 1)


async def walk(
    scenario: Scenario, client: Client, folder: Path, *, at_once: int = 3, choose: Callable[[int], Iterable[int]] = every_write
) -> Walk:
    """Run the scenario, then run it with a crash before and after each write that `choose` picks of the count, `at_once` of them at a time.

    `folder` gets the logs. A run that does not converge at all counts as diverged, with the reason as its difference.
    """
    writes, reference = await _reference(scenario, client, folder)
    slots = asyncio.Semaphore(at_once)

    async def run(write: int, side: Side) -> Crash:
        async with slots:
            crash = await _crash(scenario, client, folder, write, side, writes[write - 1], reference)
        print(f"{scenario.name}: crash {crash}: {'diverged' if crash.difference else 'the same end'}", flush=True)
        return crash

    sides: tuple[Side, Side] = ("before", "after")
    crashes = await asyncio.gather(*(run(write, side) for write in choose(len(writes)) for side in sides))
    return Walk(writes, list(crashes))


async def _reference(scenario: Scenario, client: Client, folder: Path) -> tuple[list[str], Snapshot]:
    log = folder / f"{scenario.name}-reference.writes"
    async with new_namespace(client, f"walk-{scenario.name}") as namespace, scenario.around(client, namespace):
        await _arrange(scenario, client, namespace, folder)
        operator = scenario.operator(namespace, folder / f"{scenario.name}-reference.log")
        operator.environment[CRASH_LOG] = str(log)
        try:
            await scenario.act(client, namespace)
            await _converge(scenario, client, namespace, operator.start(), log)
            labels = [line.partition(" ")[2].replace(scenario.hide(namespace), "<name>") for line in log.read_text().splitlines()]
            return labels, await scenario.look(client, namespace)
        finally:
            operator.close()


async def _crash(scenario: Scenario, client: Client, folder: Path, write: int, side: Side, label: str, reference: Snapshot) -> Crash:
    name = f"{scenario.name}-{write}-{side}"
    died = True
    try:
        async with new_namespace(client, f"walk-{name}") as namespace, scenario.around(client, namespace):
            await _arrange(scenario, client, namespace, folder)
            operator = scenario.operator(namespace, folder / f"{name}.log")
            log = folder / f"{name}.writes"
            try:
                await scenario.act(client, namespace)
                operator.environment[CRASH_AT] = f"{write}:{side}"
                operator.start()
                died = await _dies(scenario, client, namespace, operator)
                if died:
                    del operator.environment[CRASH_AT]
                    operator.environment[CRASH_LOG] = str(log)
                    operator.start()
                await _converge(scenario, client, namespace, operator, log)
                return Crash(write, side, label, died, difference(reference, await scenario.look(client, namespace)))
            finally:
                operator.close()
    except AssertionError as error:
        return Crash(write, side, label, died, difference=str(error) or repr(error))


async def _arrange(scenario: Scenario, client: Client, namespace: str, folder: Path) -> None:
    if scenario.arrange is None:
        return
    operator = scenario.operator(namespace, folder / f"{namespace}-arrange.log")
    try:
        await operator.start().ready(scenario.seconds)
        await scenario.arrange(client, namespace)
        await operator.stop()
    finally:
        operator.close()


async def _dies(scenario: Scenario, client: Client, namespace: str, operator: OperatorProcess) -> bool:
    """Whether the operator dies at its crash point. It does not when it converges before it gets there."""

    async def ended() -> bool:
        return not operator.running or bool(await scenario.converged(client, namespace))

    await wait_until(ended, "the operator dies, or the change is made", seconds=scenario.seconds, explain=operator.tail)
    if operator.running:
        # The last writes, of status and events, come after convergence.
        try:
            await operator.exited(_QUIET_SECONDS * 2)
        except AssertionError:
            return False
    assert operator.exit_code == EXIT_CODE, f"the operator ended with exit code {operator.exit_code}\n{operator.tail()}"
    return True


async def _converge(scenario: Scenario, client: Client, namespace: str, operator: OperatorProcess, log: Path) -> None:
    """Wait until the change is made and the operator has written nothing for a while."""

    async def done() -> bool:
        assert operator.running, f"the operator ended with exit code {operator.exit_code}\n{operator.tail()}"
        return bool(await scenario.converged(client, namespace))

    await wait_until(done, f"{scenario.name} converges", seconds=scenario.seconds, every=0.2, explain=operator.tail)
    last, since = -1, 0.0
    loop = asyncio.get_running_loop()

    def quiet() -> bool:
        nonlocal last, since
        size = log.stat().st_size if log.exists() else 0
        if size != last:
            last, since = size, loop.time()
        return loop.time() - since >= _QUIET_SECONDS

    await wait_until(quiet, "the operator comes to rest", seconds=60, explain=operator.tail)
    assert await scenario.converged(client, namespace), f"{scenario.name} had converged, and has not any more\n{operator.tail()}"
