"""Run a program in a pod that needs a secret, joined to this process's standard streams, with a terminal when there is one here."""

import contextlib
import os
import select
import shutil
import signal
import sys
import termios
import time
import tty
from collections.abc import Generator
from typing import Any

import yaml

from dharma_operator.cli.cluster import CliError, Cluster, RefusedError
from dharma_operator.cli.package import ERROR_CHANNEL, RESIZE_CHANNEL, STDERR_CHANNEL, STDIN_CHANNEL, STDOUT_CHANNEL, client, streams

POLL = 0.02
"""Seconds to wait for the pod before looking at the keyboard again."""
START_TIMEOUT = 15.0
"""Seconds until the shell in the pod must have begun."""
BEGUN = b"\x01"
SCRIPT = 'stty -echo 2>/dev/null; printf "\\001"; IFS= read -r {name}; stty echo 2>/dev/null; export {name}; exec "$@"'


def execute(cluster: Cluster, namespace: str, pod: str, container: str, argv: list[str], secret: tuple[str, str]) -> int:
    """Run `argv` in a pod with the environment variable `secret` (name, value), and return its exit code.

    The value goes in as the first line of stdin, when echo is off: it is in no list of processes and on no screen.
    Raises CliError when the API server refuses or the pod does not answer.
    """
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    try:
        connection: Any = streams.stream(
            cluster.core().connect_get_namespaced_pod_exec, pod, namespace,
            container=container, command=["sh", "-c", SCRIPT.format(name=secret[0]), "sh", *argv],
            stdin=True, stdout=True, stderr=not terminal, tty=terminal, binary=True, _preload_content=False,
        )  # fmt: skip
    except client.ApiException as error:
        raise RefusedError(error.status, error.body) from error
    if not _begun(connection):
        raise CliError(f"The shell in pod {pod} did not begin within {START_TIMEOUT:.0f} s; is the pod healthy? kubectl describe pod {pod}")
    connection.write_channel(STDIN_CHANNEL, secret[1].encode() + b"\n")
    with _raw_terminal(connection) if terminal else contextlib.nullcontext():
        _pump(connection)
    return _exit_code(connection)


def _begun(connection: Any) -> bool:  # noqa: ANN401 (the kubernetes package has no types)
    """Wait for the script's sign that echo is off."""
    deadline = time.monotonic() + START_TIMEOUT
    while connection.is_open() and time.monotonic() < deadline:
        if heard := connection.read_channel(STDOUT_CHANNEL, timeout=1):
            return bool(heard == BEGUN)
    return False


def _pump(connection: Any) -> None:  # noqa: ANN401 (the kubernetes package has no types)
    """Carry bytes both ways until the program ends."""
    keyboard = True
    while connection.is_open():
        connection.update(timeout=POLL)
        _show(connection.read_channel(STDOUT_CHANNEL), sys.stdout.fileno())
        _show(connection.read_channel(STDERR_CHANNEL), sys.stderr.fileno())
        if keyboard and connection.is_open() and select.select([sys.stdin], [], [], 0)[0]:
            typed = os.read(sys.stdin.fileno(), 4096)
            keyboard = bool(typed)
            if typed:
                connection.write_channel(STDIN_CHANNEL, typed)
            else:
                connection.close_channel(STDIN_CHANNEL)


def _show(data: bytes, descriptor: int) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _exit_code(connection: Any) -> int:  # noqa: ANN401 (the kubernetes package has no types)
    verdict = yaml.safe_load(connection.read_channel(ERROR_CHANNEL) or b"{}")
    if verdict.get("status") == "Success":
        return 0
    causes = verdict.get("details", {}).get("causes", [])
    return next((int(cause["message"]) for cause in causes if cause.get("reason") == "ExitCode"), 1)


@contextlib.contextmanager
def _raw_terminal(connection: Any) -> Generator[None]:  # noqa: ANN401 (the kubernetes package has no types)
    """Let every key through to the pod, and tell it the size of the window, also when that changes."""

    def resize(*_: object) -> None:
        size = shutil.get_terminal_size()
        connection.write_channel(RESIZE_CHANNEL, f'{{"Width": {size.columns}, "Height": {size.lines}}}'.encode())

    saved = termios.tcgetattr(sys.stdin)
    previous = signal.signal(signal.SIGWINCH, resize)
    try:
        tty.setraw(sys.stdin)
        resize()
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, saved)
        signal.signal(signal.SIGWINCH, previous)
