"""The development cluster as tests use it: its kubeconfig and tools, namespaces, and waiting on conditions."""

import asyncio
import inspect
import os
import re
import secrets
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import yaml

from dharma_operator.kube.client import Client
from dharma_operator.kube.resources import NAMESPACE, SERVICE_ACCOUNT, ObjectKey

ROOT = Path(__file__).resolve().parents[2]
KUBECONFIG = ROOT / ".dev" / "kubeconfig"
IMAGES = ROOT / ".dev" / "images.yaml"
TEST_LABEL = "dharma.io/test"

T = TypeVar("T")


def require_cluster() -> Path:
    """The kubeconfig of the cluster. Fails with the remedy when there is none, or when it does not answer."""
    assert KUBECONFIG.exists(), "there is no development cluster here; run: make cluster images"
    done = subprocess.run([tool("kubectl"), "get", "--raw", "/readyz"], capture_output=True, text=True, check=False, env=environment())
    assert done.stdout == "ok", f"the development cluster does not answer; run: make cluster ({done.stderr.strip() or done.stdout})"
    return KUBECONFIG


def tool(name: str) -> str:
    """Path of one of the cluster's tools: kubectl, helm, ctr."""
    return str(ROOT / ".dev" / "bin" / name)


def environment(**more: str) -> dict[str, str]:
    """This process's environment, with the cluster's kubeconfig and tools."""
    path = f"{ROOT / '.dev' / 'bin'}{os.pathsep}{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "KUBECONFIG": str(KUBECONFIG), "PATH": path, **more}


def kubectl(*arguments: str, stdin: str | None = None, check: bool = True) -> str:
    """Run kubectl and return what it prints. Its complaint is the test's failure."""
    done = subprocess.run([tool("kubectl"), *arguments], input=stdin, capture_output=True, text=True, check=False, env=environment())
    assert not check or done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def images() -> dict[str, str]:
    """Full references of the product's images, by name. Fails with the remedy when they were not built."""
    assert IMAGES.exists(), "the images are not built; run: make images"
    listed = yaml.safe_load(IMAGES.read_text())
    parts = {"operator": listed["image"], **listed["images"], **listed["global"]}
    return {name: f"{part['registry']}/{part['repository']}:{part['tag']}" for name, part in parts.items()}


async def wait_until(
    predicate: Callable[[], T | bool | Awaitable[T | bool | None] | None],
    what: str,
    *,
    seconds: float = 60,
    every: float = 0.1,
    explain: Callable[[], object] | None = None,
) -> T:
    """Wait until `predicate` returns something true, and return that. Fails with `what`, and what `explain` says, if it takes too long."""
    deadline = time.monotonic() + seconds
    while True:
        found = predicate()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found  # type: ignore[return-value]
        if time.monotonic() > deadline:
            said = explain() if explain is not None else ""
            if inspect.isawaitable(said):
                said = await said
            raise AssertionError(f"after {seconds:.0f} s still not: {what}\n{said}")
        await asyncio.sleep(every)


@asynccontextmanager
async def new_namespace(client: Client, name: str = "test") -> AsyncIterator[str]:
    """A namespace of its own, with its default service account. Deleted afterwards, without waiting for it to be gone."""
    short = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
    key = ObjectKey(NAMESPACE, None, f"{short}-{secrets.token_hex(3)}")
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": key.name, "labels": {TEST_LABEL: "true"}}})
    try:
        await wait_until(lambda: client.get(ObjectKey(SERVICE_ACCOUNT, key.name, "default")), f"service account default in {key.name}")
        yield key.name
    finally:
        await client.delete(key)
