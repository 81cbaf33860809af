"""A second cluster beside the machine's own, in network and mount namespaces of its own: tests may break and stop it."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from dharma_dev import paths
from dharma_dev.processes import MARK, SHIM, all_pids, environment_of

# The host's own, as a bare machine has it, and not the test's environment.
PYTHON = "/usr/bin/python3"
COMPONENTS = ["etcd", "containerd", "kube-apiserver", "agent", "kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy"]


def wait(what: str, check: Callable[[], bool], patience: float = 60.0) -> None:
    """Wait until something holds. Raises AssertionError after `patience` seconds."""
    deadline = time.monotonic() + patience
    while not check():
        assert time.monotonic() < deadline, f"not within {patience:.0f} s: {what}"
        time.sleep(0.05)


class Namespaces:
    """Network and mount namespaces, kept by a process that sleeps in them."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(["unshare", "--net", "--mount", "--", "sleep", "infinity"])
        own = Path("/proc/self/ns/mnt").readlink()
        wait("namespaces are there", lambda: Path(f"/proc/{self._holder.pid}/ns/mnt").readlink() != own)
        self.check("ip", "link", "set", "lo", "up")

    def argv(self, *command: str) -> list[str]:
        """The command line that runs a command in the namespaces, in the checkout."""
        return ["nsenter", f"--target={self._holder.pid}", "--net", "--mount", f"--wdns={paths.CHECKOUT}", "--", *command]

    def run(self, *command: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command in the namespaces."""
        merged = {**os.environ, **(environment or {})}
        return subprocess.run(self.argv(*command), env=merged, capture_output=True, text=True, check=False)

    def check(self, *command: str) -> str:
        """Run a command that must succeed; return its stdout."""
        done = self.run(*command)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def close(self) -> None:
        """End the namespaces; what is mounted in them goes with them."""
        self._holder.kill()
        self._holder.wait()


class Spare:
    """The second cluster, from its command line and by what the machine shows of it."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.namespaces = Namespaces()
        self.environment = {"DHARMA_DEV_STATE": str(state), "PYTHONPATH": str(paths.DEV_DIR)}

    def argv(self, *arguments: str) -> list[str]:
        """The command line of a command of the cluster."""
        return self.namespaces.argv(PYTHON, "-m", "dharma_dev", *arguments)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command of the cluster and do not wait for it."""
        environment = {**os.environ, **self.environment}
        # What a script starts in the background ignores Ctrl-C, and so does all that it starts: not here.
        command = ["env", "--default-signal=INT", *self.argv(*arguments)]
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the cluster to its end."""
        return self.namespaces.run(PYTHON, "-m", "dharma_dev", *arguments, environment=self.environment)

    def up(self) -> str:
        """Bring the cluster up; return what was said."""
        done = self.run("up")
        assert done.returncode == 0, done.stderr
        return done.stderr

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl with full rights; return its stdout."""
        return self.namespaces.check(
            str(self.state / "bin" / "kubectl"), f"--kubeconfig={self.state / 'kubeconfigs' / 'admin'}", *arguments
        )

    def apply(self, manifest: str) -> None:
        """Apply a manifest."""
        path = self.state / "test.yaml"
        path.write_text(manifest)
        self.kubectl("apply", "-f", str(path))

    def components(self) -> dict[str, list[int]]:
        """Every live component and its pids."""
        found: dict[str, list[int]] = {}
        for pid in all_pids():
            state, _, component = environment_of(pid).get(MARK, "").rpartition(":")
            if state == str(self.state) and os.getsid(pid) == pid:
                found.setdefault(component, []).append(pid)
        return found

    def processes(self) -> list[int]:
        """Every process that belongs to the cluster in any way: components, their children, shims, and what runs in its pods."""
        found: list[int] = []
        group = str(self.state).strip("/").replace("/", "-")
        for pid in all_pids():
            try:
                command = Path(f"/proc/{pid}/cmdline").read_text()
                groups = Path(f"/proc/{pid}/cgroup").read_text()
            except OSError:
                continue
            marked = environment_of(pid).get(MARK, "").startswith(f"{self.state}:")
            if marked or (SHIM in command and str(self.state) in command) or f"/{group}" in groups:
                found.append(pid)
        return found

    def kill_everything(self) -> None:
        """Kill every process at once, as an out-of-memory killer or a restart of the machine's container does; leave all else."""
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        wait("all processes are gone", lambda: not self.processes())

    def close(self) -> None:
        """Stop the cluster and remove all of it."""
        done = self.run("down", "--delete")
        self.namespaces.close()
        assert done.returncode == 0, done.stderr
