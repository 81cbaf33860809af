"""One command at a time changes the cluster."""

import contextlib
import fcntl
from collections.abc import Iterator

from dharma_dev import paths
from dharma_dev.run import say


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Hold the cluster's lock; wait for whoever holds it. The kernel frees it when its holder ends, however that happens."""
    paths.STATE.mkdir(parents=True, exist_ok=True)
    with paths.LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another command is changing the cluster: waiting for it ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
