"""Log lines as JSON, one object a line, on standard error. Lines written during a reconcile carry what is reconciled."""

import json
import logging
import sys
from collections.abc import Generator, Mapping
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


def configure(level: str) -> None:
    """Write log lines from this level on; libraries' own from WARNING on, unless everything is wanted."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(logging.DEBUG if level == "DEBUG" else least)
