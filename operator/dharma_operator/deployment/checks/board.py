"""Runs the checks that are due, each in a task of its own, and remembers how they ended until others are due.

What is lost with the process begins anew: a check that was cut short has not passed.
"""

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field

from dharma_crds.deployment import Check, CheckStatus, Port
from dharma_operator.deployment.checks import http, prometheus
from dharma_operator.deployment.checks.verdict import Pods, Verdict

_logger = logging.getLogger(__name__)

About = tuple[str, str]
"""The version and the stage that checks are about."""


@dataclass(slots=True)
class _Sheet:
    about: About
    tasks: dict[str, asyncio.Task[Verdict]] = field(default_factory=dict[str, asyncio.Task[Verdict]])


class Board:
    """The checks of all Deployments."""

    def __init__(self) -> None:
        self._sheets: dict[tuple[str, str], _Sheet] = {}

    def run(self, owner: tuple[str, str], about: About, due: Iterable[Check], ports: tuple[Port, ...], pods: Pods) -> bool:
        """Start what is due and not running; stop what is about another version or stage. Tell whether anything was started."""
        sheet = self._sheets.get(owner)
        if sheet is not None and sheet.about != about:
            self.forget(owner)
            sheet = None
        started = False
        for check in due:
            sheet = sheet or self._sheets.setdefault(owner, _Sheet(about))
            if check.name not in sheet.tasks:
                sheet.tasks[check.name] = asyncio.create_task(_verdict(check, ports, pods), name=f"check {owner} {check.name}")
                started = True
        return started

    def results(self, owner: tuple[str, str], about: About) -> tuple[CheckStatus, ...]:
        """Tell how the checks about this version and stage stand."""
        sheet = self._sheets.get(owner)
        return () if sheet is None or sheet.about != about else tuple(_status(name, about[1], task) for name, task in sheet.tasks.items())

    def forget(self, owner: tuple[str, str]) -> None:
        """Stop and drop the checks of a Deployment."""
        sheet = self._sheets.pop(owner, None)
        for task in () if sheet is None else sheet.tasks.values():
            task.cancel()


def _status(name: str, stage: str, task: asyncio.Task[Verdict]) -> CheckStatus:
    if not task.done() or task.cancelled():
        return CheckStatus(name=name, stage=stage, result="Running")
    verdict = task.result()
    return CheckStatus(name=name, stage=stage, result=verdict.result, value=verdict.value, message=verdict.message)


async def _verdict(check: Check, ports: tuple[Port, ...], pods: Pods) -> Verdict:
    """Run one check to its end. A check that errs has not passed."""
    try:
        return await _kind(check, ports, pods)
    except Exception as error:
        _logger.exception("check %s ended by an error", check.name)
        return Verdict("Failed", "", f"the check itself failed: {type(error).__name__}")


def _kind(check: Check, ports: tuple[Port, ...], pods: Pods) -> Coroutine[None, None, Verdict]:
    if check.http is not None:
        return http.run(check.http, ports, pods, check.window)
    if check.prometheus is not None:
        return prometheus.run(check.prometheus, check.window)
    raise ValueError(f"check {check.name} is of no kind that is run here")
