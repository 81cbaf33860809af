"""What tests on the cluster stand on: a namespace each, the API client, kubectl, and operators outside of the cluster."""

import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from tests.support import cluster
from tests.support.operator_process import OperatorProcess

from dharma_operator.kube.auth import login
from dharma_operator.kube.client import Client

StartOperator = Callable[..., OperatorProcess]

_PAUSED = "dharma.io/paused-by-tests"
_OPERATORS = "app.kubernetes.io/name=iac-dharma,app.kubernetes.io/component=operator"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def kubeconfig() -> Iterator[Path]:
    """The kubeconfig of the development cluster, also set as KUBECONFIG."""
    path = cluster.require_cluster()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(path))
        yield path


@pytest.fixture(scope="session")
def kubectl(kubeconfig: Path) -> Callable[..., str]:
    """`kubectl(*arguments, stdin=None, check=True)` runs it and returns what it prints."""
    return cluster.kubectl


@pytest.fixture(scope="session")
def crds(kubeconfig: Path) -> None:
    """The custom resource definitions of this checkout, established."""
    folder = cluster.ROOT / "crds"
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(folder))
    names = [path.stem.split("_") for path in folder.glob("*.yaml")]
    cluster.kubectl("wait", "--for=condition=Established", *(f"crd/{plural}.{group}" for group, plural in names), "--timeout=30s")


@pytest.fixture
async def client(kubeconfig: Path) -> AsyncIterator[Client]:
    """The operator's client, as the cluster's administrator."""
    async with Client(login) as opened:
        yield opened


@pytest.fixture
async def namespace(client: Client, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A namespace for this test alone."""
    async with cluster.new_namespace(client, request.node.name.removeprefix("test_")) as name:
        yield name


@pytest.fixture(scope="session")
def no_other_operator(kubeconfig: Path) -> None:
    """Pause operators that the chart installed: they would serve the tests' objects too. They go on after the last test."""
    for item in _installed_operators():
        if item["spec"]["replicas"]:
            where = ["--namespace", item["metadata"]["namespace"], f"deployment.apps/{item['metadata']['name']}"]
            cluster.kubectl("annotate", "--overwrite", *where, f"{_PAUSED}={item['spec']['replicas']}")
            cluster.kubectl("scale", "--replicas=0", *where)
            cluster.kubectl("rollout", "status", "--timeout=60s", *where)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let paused operators go on: once, after the last worker's last test."""
    if hasattr(session.config, "workerinput") or not cluster.KUBECONFIG.exists():
        return
    for item in _installed_operators():
        replicas = (item["metadata"].get("annotations") or {}).get(_PAUSED)
        if replicas is not None:
            where = ["--namespace", item["metadata"]["namespace"], f"deployment.apps/{item['metadata']['name']}"]
            cluster.kubectl("scale", f"--replicas={replicas}", *where, check=False)
            cluster.kubectl("annotate", *where, f"{_PAUSED}-", check=False)


def _installed_operators() -> list[dict]:
    listed = cluster.kubectl("get", "deployments.apps", "--all-namespaces", "--selector", _OPERATORS, "--output", "json", check=False)
    return json.loads(listed)["items"] if listed else []


@pytest.fixture
def operator(crds: None, no_other_operator: None, namespace: str, tmp_path: Path) -> Iterator[StartOperator]:
    """Start an operator for the test's namespace: `await operator().ready()`. Settings as for OperatorProcess; killed at the end."""
    started: list[OperatorProcess] = []
    numbers = itertools.count(1)

    def start(*more_namespaces: str, **settings: str) -> OperatorProcess:
        number = next(numbers)
        log = tmp_path / f"operator-{number}.log"
        process = OperatorProcess((namespace, *more_namespaces), log, **{"name": f"test-{number}", **settings})
        started.append(process)
        return process.start()

    yield start
    for process in started:
        process.close()
        print(f"--- {process.log}\n{process.tail()}")
