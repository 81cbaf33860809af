"""One command at a time changes a thing."""

import contextlib
import fcntl
from collections.abc import Generator
from pathlib import Path

from dharma_dev.run import say


@contextlib.contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold the lock of a file; wait for whoever holds it. The kernel frees it when its holder ends, however that happens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Another command is at work (it holds {path}): waiting for it ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
