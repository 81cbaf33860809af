"""Running commands, telling what is going on, and failing with one sentence."""

import contextlib
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path

# How many lines of a failed command's output are shown.
TAIL_LINES = 15


class UserError(Exception):
    """What a person is told instead of a traceback: one sentence saying what is wrong, why, and the remedy."""


class CommandError(UserError):
    """A command ended with an exit code other than zero; `output` is the end of what it wrote."""

    def __init__(self, message: str, output: str) -> None:
        super().__init__(message)
        self.output = output


def tail(text: str, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a text."""
    return "\n".join(text.rstrip().splitlines()[-lines:])


def command(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | bytes | None = None,
    log: Path | None = None,
    timeout: float | None = None,
) -> str:
    """Run a command to its end and return its stdout.

    `env` is added to the environment. With `log`, stdout and stderr are appended to that file instead and the result is empty.
    `timeout` is in seconds. Raises CommandError when the command fails, is missing, or takes too long.
    """
    arguments = [str(part) for part in argv]
    shown = shlex.join(arguments)[:300]
    environment = {**os.environ, **env} if env else None
    data = stdin.encode() if isinstance(stdin, str) else stdin
    try:
        if log is None:
            done = subprocess.run(arguments, cwd=cwd, env=environment, input=data, capture_output=True, timeout=timeout, check=False)
            output = done.stdout.decode(errors="replace")
            errors = tail(done.stderr.decode(errors="replace") or output)
        else:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as sink:
                done = subprocess.run(
                    arguments, cwd=cwd, env=environment, input=data, stdout=sink, stderr=subprocess.STDOUT, timeout=timeout, check=False
                )
            output, errors = "", ""
            if done.returncode:
                errors = f"{tail(log.read_text(errors='replace'))}\nThe whole log: {log}"
    except FileNotFoundError as error:
        raise CommandError(f"`{arguments[0]}` is not installed, or the folder it should run in is gone: {error.strerror}.", "") from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"`{shown}` did not end within {timeout:.0f} s.", "") from error
    if done.returncode:
        raise CommandError(f"`{shown}` failed with exit code {done.returncode}:\n{errors}", errors)
    return output


def succeeds(argv: Sequence[str | Path]) -> bool:
    """Whether a command that only asks something ends with zero; its output is dropped."""
    return subprocess.run([str(part) for part in argv], capture_output=True, check=False).returncode == 0


def say(message: str) -> None:
    """One line of progress, on stderr: stdout is for results."""
    print(message, file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(message: str, *, log: Path | None = None, progress: Callable[[], str] | None = None, every: float = 15.0) -> Generator[None]:
    """Tell that a step begins, how long it took, and every `every` seconds that it goes on: with `progress()`, else the log's last line."""
    begun = time.monotonic()
    ended = threading.Event()
    say(f"{message} ..." + (f" (log: {log})" if log else ""))

    def remind() -> None:
        while not ended.wait(every):
            detail = progress() if progress else _last_line(log)
            say(f"  {message}: {time.monotonic() - begun:.0f} s" + (f" · {detail}" if detail else ""))

    reminder = threading.Thread(target=remind, daemon=True)
    reminder.start()
    try:
        yield
    finally:
        ended.set()
        reminder.join()
    say(f"  {message}: done in {time.monotonic() - begun:.1f} s")


def _last_line(log: Path | None) -> str:
    """Return the end of a log in a form that fits behind a progress line."""
    if log is None or not log.exists():
        return ""
    with log.open("rb") as source:
        source.seek(max(0, log.stat().st_size - 500))
        lines = source.read().decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return last[:100]
