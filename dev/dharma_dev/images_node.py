"""Loading images into the containerd of the development cluster's node, which has no registry to pull from."""

import contextlib
from pathlib import Path

from dharma_dev import paths
from dharma_dev.run import CommandError, command

# Seconds; the largest image takes about ten.
LOAD_TIMEOUT = 300


def containerd(*arguments: str | Path) -> str:
    """Run `ctr` against the node's containerd, in the namespace that the kubelet sees. Raises CommandError."""
    return command(
        [paths.BIN / "ctr", "--address", paths.CONTAINERD_SOCKET, "--namespace", paths.CONTAINERD_NAMESPACE, *arguments],
        timeout=LOAD_TIMEOUT,
    )


def loaded() -> set[str] | None:
    """Return the references of the images that the node has; None when its containerd does not run."""
    if not paths.CONTAINERD_SOCKET.exists():
        return None
    with contextlib.suppress(CommandError):
        return set(containerd("images", "ls", "-q").split())
    return None


def load(archive: Path, reference: str) -> None:
    """Load an image from an archive. Raises CommandError when it is not there afterwards."""
    containerd("images", "import", archive)
    if reference not in (loaded() or set()):
        raise CommandError(f"containerd took the archive of {reference} but does not list it: see its log in {paths.LOGS}.", "")
