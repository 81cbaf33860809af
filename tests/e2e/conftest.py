"""Whole stories, by the commands that people use."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support import chart

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., str]


@pytest.fixture(scope="session", autouse=True)
def environment() -> None:
    """The cluster of this checkout and its tools, also when pytest is called by hand."""
    kubeconfig = ROOT / ".dev" / "kubeconfig"
    assert kubeconfig.exists(), "there is no development cluster here; run: make cluster images"
    os.environ["KUBECONFIG"] = str(kubeconfig)
    os.environ["PATH"] = f"{ROOT / '.dev' / 'bin'}:{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"


@pytest.fixture(scope="session")
def kubectl(environment: None) -> Run:
    def run(*arguments: str, stdin: str | None = None) -> str:
        done = subprocess.run(["kubectl", *arguments], input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    return run


@pytest.fixture(scope="module")
def no_other_operator(environment: None) -> None:
    """An operator of another release would serve the same Blueprints."""
    listed = subprocess.run(["helm", "list", "--all-namespaces", "--output", "json"], capture_output=True, text=True, check=True)
    for release in json.loads(listed.stdout):
        if release["chart"].startswith("iac-dharma-"):
            subprocess.run(["helm", "uninstall", release["name"], "--namespace", release["namespace"], "--wait"], check=True)


@pytest.fixture(scope="module")
def installed(kubectl: Run, no_other_operator: None) -> Iterator[None]:
    """The chart, installed the way a person does it."""
    with chart.release(kubectl):
        yield
