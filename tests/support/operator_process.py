"""The operator as a process outside of the cluster, against one namespace: started, killed, stopped, and read from."""

import asyncio
import json
import signal
import subprocess
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import URLError

from tests.support.cluster import ROOT, environment, images, wait_until

PROGRAM = ROOT / ".venv" / "bin" / "dharma-operator"


class OperatorProcess:
    """One operator process."""

    def __init__(self, namespaces: tuple[str, ...], log: Path, *, name: str = "test", **settings: str) -> None:
        """`settings` are environment variables without the prefix: `lease_seconds="3"`. Its Lease is kept in the first namespace.

        No namespaces: it serves all there are, also what other tests and people have made.
        """
        self.log = log
        chosen = {
            "namespaces": ",".join(namespaces),
            "pod_namespace": namespaces[0] if namespaces else "default",
            "pod_name": name,
            "address": "127.0.0.1",
            "port": "0",
            "log_level": "INFO",
            **{f"{component}_image": reference for component, reference in images().items() if component not in {"operator", "toolbox"}},
            **settings,
        }
        self.environment = environment(**{f"DHARMA_{key.upper()}": value for key, value in chosen.items()})
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "OperatorProcess":
        """Start it. Its log goes on in the same file after a restart."""
        assert not self.running, "it runs already"
        with self.log.open("ab") as log:
            self._offset = log.tell()
            # A test run that is killed leaves no operator behind to serve the next one's objects.
            command = ["setpriv", "--pdeathsig", "KILL", str(PROGRAM)]
            self._process = subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code: negative for a signal, None while it runs."""
        return None if self._process is None else self._process.poll()

    async def ready(self, seconds: float = 30) -> "OperatorProcess":
        """Wait until it answers that its caches are full."""
        await wait_until(self._is_ready, "the operator is ready", seconds=seconds, explain=self.tail)
        return self

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self._end(signal.SIGKILL)

    async def stop(self, seconds: float = 15) -> int:
        """SIGTERM; return the exit code. Fails when it takes longer than `seconds`."""
        if self.running:
            assert self._process is not None
            self._process.send_signal(signal.SIGTERM)
            await self.exited(seconds)
        return self.exit_code or 0

    async def exited(self, seconds: float) -> int:
        """Wait until it has ended by itself; return the exit code."""
        await wait_until(lambda: not self.running, "the operator has ended", seconds=seconds, every=0.05, explain=self.tail)
        assert self.exit_code is not None
        return self.exit_code

    def close(self) -> None:
        """Leave no process behind."""
        if self.running:
            self._end(signal.SIGKILL)

    def lines(self) -> list[dict[str, Any]]:
        """The log lines since the last start, decoded; what is not JSON is a line with `message` alone."""
        with self.log.open("rb") as log:
            log.seek(self._offset)
            raw = log.read().decode(errors="replace").splitlines()
        return [_decoded(line) for line in raw]

    def tail(self, count: int = 40) -> str:
        """The last lines of the log, for a person."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:]) if self.log.exists() else "no log"

    def get(self, path: str) -> tuple[int, str]:
        """Ask `/metrics`, `/healthz` or `/readyz`: status code and text. (0, reason) when there is no answer."""
        port = next((line["port"] for line in self.lines() if "port" in line), None)
        if port is None:
            return 0, "it does not listen yet"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except (URLError, OSError) as error:
            return 0, str(error)

    def metric(self, name: str, **labels: str) -> float:
        """Sum of a metric's samples that carry these labels."""
        total = 0.0
        for line in self.get("/metrics")[1].splitlines():
            sample, _, value = line.rpartition(" ")
            if sample.partition("{")[0] == name and all(f'{key}="{text}"' in sample for key, text in labels.items()):
                total += float(value)
        return total

    async def _is_ready(self) -> bool:
        assert self.running, f"the operator ended with exit code {self.exit_code}\n{self.tail()}"
        return (await asyncio.to_thread(self.get, "/readyz"))[0] == 200

    def _end(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(10)


def _decoded(line: str) -> dict[str, Any]:
    try:
        decoded = json.loads(line)
    except ValueError:
        return {"message": line}
    return decoded if isinstance(decoded, dict) else {"message": line}
