"""Numbered writes, and a process that dies at one of them: how tests prove that no crash leaves anything broken behind.

Every write to the outside, to the API server or to a data service, is wrapped in `with point(label):`. Writes are numbered from 1 in the
order in which they begin. Two environment variables, used under test only:

- `DHARMA_CRASH_AT=<k>:before|after` lets the process die at once, as by SIGKILL (exit code 137), just before or just after write k.
- `DHARMA_CRASH_LOG=<path>` appends one line `<k> <label>` a write.
"""

import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NoReturn, cast

CRASH_AT = "DHARMA_CRASH_AT"
CRASH_LOG = "DHARMA_CRASH_LOG"
EXIT_CODE = 137

Side = Literal["before", "after"]


def _die() -> NoReturn:
    os._exit(EXIT_CODE)


class WriteLog:
    """Numbers the writes of one process."""

    def __init__(self, crash_at: tuple[int, Side] | None = None, log: Path | None = None, die: Callable[[], object] = _die) -> None:
        self.count = 0
        """Writes begun so far."""
        self._crash_at = crash_at
        self._log = log
        self._die = die

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "WriteLog":
        """Read both variables. Raises ValueError when `DHARMA_CRASH_AT` is not of the form `<k>:before|after`."""
        at, log = environment.get(CRASH_AT), environment.get(CRASH_LOG)
        return cls(parse_crash_at(at) if at else None, Path(log) if log else None)

    def before(self, label: str) -> int:
        """Give the write that is about to begin its number."""
        self.count += 1
        if self._log is not None:
            with self._log.open("a", encoding="utf-8") as file:
                file.write(f"{self.count} {label}\n")
        self._reach(self.count, "before")
        return self.count

    def after(self, number: int) -> None:
        """Say that the write has been answered."""
        self._reach(number, "after")

    def _reach(self, number: int, side: Side) -> None:
        if self._crash_at == (number, side):
            self._die()


def parse_crash_at(text: str) -> tuple[int, Side]:
    """Parse `<k>:before|after`. Raises ValueError with the form that is wanted."""
    number, _, side = text.partition(":")
    if not number.isdigit() or int(number) < 1 or side not in {"before", "after"}:
        raise ValueError(f"{CRASH_AT}={text!r} is not understood: write <k>:before or <k>:after, k from 1")
    return int(number), cast("Side", side)


writes = WriteLog.from_environment()
"""The log of this process."""


@contextmanager
def point(label: str, log: WriteLog | None = None) -> Generator[None, None, None]:
    """Make the body a numbered write. `label` names it, without secrets: `apply StatefulSet acme/db`, `sql CREATE ROLE acme/db`."""
    log = log or writes
    number = log.before(label)
    yield
    log.after(number)
