"""The chart, as a person installs it: one release in a namespace that takes only restricted pods."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from tests.support.cluster import environment, tool

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "iac-dharma"
IMAGES = ROOT / ".dev" / "images.yaml"
NAMESPACE, RELEASE = "dharma-chart-test", "chart-test"
NAME = f"{RELEASE}-iac-dharma"


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([tool("helm"), *map(str, arguments)], capture_output=True, text=True, check=False, env=environment())


def rendered(*arguments: str) -> list[dict[str, Any]]:
    """All objects of the chart."""
    done = helm("template", RELEASE, CHART, "--namespace", NAMESPACE, *arguments)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


@contextmanager
def release(kubectl: Callable[..., str]) -> Iterator[None]:
    """Install it; uninstall it afterwards."""
    label = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": label}}
    kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(namespace))
    done = helm(
        "upgrade",
        "--install",
        RELEASE,
        CHART,
        "-n",
        NAMESPACE,
        "-f",
        IMAGES,
        "--take-ownership",
        "--force-conflicts",
        "--wait",
        "--timeout",
        "2m",
    )
    assert done.returncode == 0, done.stderr
    assert f"rollout status deployment/{NAME}" in done.stdout
    try:
        yield
    finally:
        helm("uninstall", RELEASE, "-n", NAMESPACE, "--ignore-not-found", "--wait")
        kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=90s")
