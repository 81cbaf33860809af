"""Log lines as JSON, one object a line, on standard error. Lines written during a reconcile carry what is reconciled."""

import json
import logging
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

_about: ContextVar[Mapping[str, object]] = ContextVar("about", default=MappingProxyType({}))

_QUIET = {
    "kopf": logging.WARNING,
    "kopf.objects": logging.WARNING,  # one line for each watch event otherwise
    "aiohttp.access": logging.WARNING,
    "asyncio": logging.WARNING,
}
_SPARED = ("kopf._cogs.clients", "dharma_operator.kube.watch")
"""Loggers that repeat themselves for each watch, every few seconds, while the API server is away."""
_SPARED_SECONDS = 30.0
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@contextmanager
def about(**fields: object) -> Generator[None]:
    """All log lines of the body, and of tasks that it starts, carry these fields."""
    token = _about.set({**_about.get(), **fields})
    try:
        yield
    finally:
        _about.reset(token)


class JsonFormatter(logging.Formatter):
    """One line: time, level, logger, message, what it is about, fields given by `extra`, and the stack of an error."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_about.get(),
            **{name: value for name, value in vars(record).items() if name not in _STANDARD and not name.startswith(("k8s_", "settings"))},
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class Sparing(logging.Filter):
    """Lets through one line in half a minute of each logger that repeats itself, with the number of those held back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._last: dict[tuple[str, int], float] = {}
        self._held_back: dict[tuple[str, int], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide on a record."""
        if not record.name.startswith(_SPARED):
            return True
        kind = (record.name, record.levelno)
        now = self._clock()
        if now - self._last.get(kind, -_SPARED_SECONDS) < _SPARED_SECONDS:
            self._held_back[kind] = self._held_back.get(kind, 0) + 1
            return False
        self._last[kind] = now
        if held_back := self._held_back.pop(kind, 0):
            record.held_back = held_back
        return True


def configure(level: str) -> None:
    """Write log lines from this level on; libraries' own from WARNING on, unless everything is wanted."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    if level != "DEBUG":
        handler.addFilter(Sparing())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(logging.DEBUG if level == "DEBUG" else least)
