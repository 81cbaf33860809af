"""The images as pods of the cluster: Pod Security `restricted`, a read-only root file system, the user that each image names."""

import json
import secrets
from collections.abc import Generator
from dataclasses import dataclass

import pytest

from dharma_dev import images, paths
from dharma_dev.images_inputs import IMAGES, tags_in
from dharma_dev.run import CommandError, command

pytestmark = pytest.mark.cluster

WAIT = "120s"
USERS = {"postgres": 5432, "pgbouncer": 6432, "redis": 6379, "operator": 65532, "toolbox": 10001}
READ_ONLY = ("/", "/etc", "/usr", "/var/lib", "/run", "/opt", "/home")

VERSIONS = {
    "postgres": {
        "postgres --version": "postgres (PostgreSQL) 17.",
        "psql --version": "psql (PostgreSQL) 17.",
        "patroni --version": "patroni 4.",
        "patronictl version": "patronictl version 4.",
        "pgbackrest version": "pgBackRest 2.",
    },
    "pgbouncer": {"pgbouncer --version": "PgBouncer 1.24"},
    "redis": {
        "redis-server --version": "Redis server v=8.",
        "redis-sentinel --version": "Redis server v=8.",
        "redis-cli --version": "redis-cli 8.",
    },
    "operator": {"python --version": "Python 3.13", "python -c 'import sys; print(sys.prefix)'": "/opt/iac-dharma"},
    "toolbox": {
        "psql --version": "psql (PostgreSQL) 17.",
        "pgbench --version": "pgbench (PostgreSQL) 17.",
        "redis-cli --version": "redis-cli 8.",
        "python3 --version": "Python 3.13",
        "curl --version": "curl 8.",
        "command -v nc": "/nc",
    },
}
# What each entry point prints when it is asked; the toolbox has none.
ENTRY_POINTS = {
    "postgres": (["--version"], "patroni 4."),
    "pgbouncer": (["--version"], "PgBouncer 1.24"),
    "redis": (["--version"], "Redis server v=8."),
    "operator": (["--help"], "dharma-operator"),
}

WORK = {
    "postgres": """
        initdb --pgdata /tmp/data --data-checksums --encoding UTF8 --locale C.UTF-8 --locale-provider icu --icu-locale und > /dev/null
        pg_ctl --pgdata /tmp/data --options "-k /tmp -c listen_addresses=''" --wait --log /tmp/log start > /dev/null
        sql() { psql --host /tmp --no-psqlrc --quiet --no-align --tuples-only --command "$1" postgres; }
        sql 'create extension pgcrypto; create extension pg_stat_statements; create extension amcheck; create extension pg_trgm'
        sql "select 'work=' || encode(digest('abc', 'sha256'), 'hex')"
        sql "select 'icu=' || ('ä' < 'b')"
        sql "select 'zone=' || extract(hour from timestamptz '2026-07-01 12:00Z' at time zone 'Europe/Berlin')"
        pg_ctl --pgdata /tmp/data --mode fast --wait stop > /dev/null
    """,
    "pgbouncer": """
        printf '%s\\n' '[databases]' 'x = host=127.0.0.1' '[pgbouncer]' 'listen_addr=127.0.0.1' 'listen_port=6432' 'unix_socket_dir=/tmp' \\
          'auth_type=any' 'admin_users=admin' > /tmp/pgbouncer.ini
        pgbouncer /tmp/pgbouncer.ini 2> /tmp/log &
        until grep -q 'process up' /tmp/log; do kill -0 $! || { cat /tmp/log; exit 1; }; done
        exec 3<> /dev/tcp/127.0.0.1/6432
        printf '\\x00\\x00\\x00\\x08\\x04\\xd2\\x16\\x2f' >&3
        echo "work=$(head --bytes 1 <&3)"
        kill -INT $!
        wait $!
    """,
    "redis": """
        printf 'sentinel monitor main 127.0.0.1 6379 1\\n' > /tmp/sentinel.conf
        redis-server --port 6379 --dir /tmp --appendonly yes > /tmp/log &
        until redis-cli ping 2> /dev/null | grep -q PONG; do kill -0 $! || { cat /tmp/log; exit 1; }; done
        redis-sentinel /tmp/sentinel.conf > /tmp/sentinel.log &
        until redis-cli -p 26379 ping 2> /dev/null | grep -q PONG; do kill -0 $! || { cat /tmp/sentinel.log; exit 1; }; done
        redis-cli set key value > /dev/null
        echo "work=$(redis-cli get key)"
        echo "sentinel=$(redis-cli -p 26379 sentinel get-master-addr-by-name main | head -1)"
    """,
    "operator": """
        python -c 'import aiohttp, kopf, psycopg, redis.asyncio, prometheus_client; print("work=" + psycopg.pq.__impl__)'
        python -c 'import dharma_crds, dharma_handlers, dharma_operator; print("project=" + dharma_crds.__file__)'
        python -c 'import ssl; print("authorities=" + str(len(ssl.create_default_context().get_ca_certs()) > 50))'
    """,
    "toolbox": """
        cd /tmp
        echo served > page
        python3 -m http.server --bind 127.0.0.1 8000 2> log &
        until nc -z 127.0.0.1 8000; do kill -0 $! || { cat log; exit 1; }; done
        echo "work=$(curl --silent --show-error http://127.0.0.1:8000/page)"
    """,
}
RESULTS = {
    "postgres": ["work=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "icu=true", "zone=14"],
    "pgbouncer": ["work=N"],
    "redis": ["work=value", "sentinel=127.0.0.1"],
    "operator": ["work=binary", "project=/opt/iac-dharma/lib/python3.13/site-packages/dharma_crds/__init__.py", "authorities=True"],
    "toolbox": ["work=served"],
}


@dataclass(frozen=True)
class Kubectl:
    """kubectl in one namespace."""

    namespace: str

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        return command([paths.BIN / "kubectl", "--kubeconfig", paths.KUBECONFIG, "--namespace", self.namespace, *arguments], stdin=stdin)


def pod(name: str, reference: str, *, script: str | None = None, arguments: list[str] | None = None) -> dict[str, object]:
    """A pod as the product makes them: nothing but /tmp is writable. The user is the image's own."""
    container = {
        "name": "main",
        "image": reference,
        "imagePullPolicy": "Never",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        **({"command": ["bash", "-euo", "pipefail", "-c", script]} if script else {}),
        **({"args": arguments} if arguments else {}),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
        },
    }


def look_script(name: str) -> str:
    """Print who the process is, what it may write, what secrets the image holds, and its programs' versions."""
    lines = ['echo "uid=$(id -u) gid=$(id -g)"', 'echo "keys=$(find /etc/ssl/private -type f 2> /dev/null | wc -l)"', "touch /tmp/written"]
    lines += [f'echo "write {folder}: $(touch {folder.rstrip("/")}/probe 2>&1 && echo allowed)"' for folder in READ_ONLY]
    lines += [f'echo "version {program}: $({program} | head -1)"' for program in VERSIONS[name]]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def references() -> dict[str, str]:
    """The images' full references by name, built and loaded."""
    images.ensure([])
    tags = tags_in(paths.IMAGES_VALUES.read_text())
    return {image.name: image.reference(tags[image.name]) for image in IMAGES}


@pytest.fixture(scope="module")
def outputs(references: dict[str, str]) -> Generator[dict[str, str]]:
    """What the pods of all images printed, by pod name, with the exit code as the last line."""
    kubectl = Kubectl(f"test-images-{secrets.token_hex(3)}")
    kubectl("create", "namespace", kubectl.namespace)
    try:
        kubectl("label", "namespace", kubectl.namespace, "pod-security.kubernetes.io/enforce=restricted")
        kubectl("wait", "--for=create", "serviceaccount/default", f"--timeout={WAIT}")
        pods = [pod(f"look-{name}", reference, script=look_script(name)) for name, reference in references.items()]
        pods += [pod(f"work-{name}", references[name], script=script) for name, script in WORK.items()]
        pods += [pod(f"entry-{name}", references[name], arguments=arguments) for name, (arguments, _) in ENTRY_POINTS.items()]
        kubectl("create", "--filename", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": pods}))
        yield {name: finished(kubectl, name) for name in sorted(str(one["metadata"]["name"]) for one in pods)}
    finally:
        kubectl("delete", "namespace", kubectl.namespace, "--wait=false")


def finished(kubectl: Kubectl, name: str) -> str:
    """A pod's output once it has ended, and its exit code in a line of its own."""
    ended = "jsonpath={.status.containerStatuses[0].state.terminated.exitCode}"
    kubectl("wait", f"--for={ended}", f"pod/{name}", f"--timeout={WAIT}")
    return f"{kubectl('logs', name)}\nexit={kubectl('get', 'pod', name, '--output', ended)}"


@pytest.mark.parametrize("name", USERS)
def test_runs_as_its_numeric_user(outputs: dict[str, str], name: str):
    assert f"uid={USERS[name]} gid={USERS[name]}" in outputs[f"look-{name}"]


@pytest.mark.parametrize("name", USERS)
@pytest.mark.parametrize("folder", READ_ONLY)
def test_refuses_writes_outside_its_volumes(outputs: dict[str, str], name: str, folder: str):
    answer = next(line for line in outputs[f"look-{name}"].splitlines() if line.startswith(f"write {folder}: "))
    assert answer.endswith("Read-only file system")


@pytest.mark.parametrize("name", USERS)
def test_holds_no_private_key(outputs: dict[str, str], name: str):
    assert "keys=0" in outputs[f"look-{name}"].splitlines()


@pytest.mark.parametrize(("name", "program"), [(name, program) for name, programs in VERSIONS.items() for program in programs])
def test_has_the_version(outputs: dict[str, str], name: str, program: str):
    answer = next(line for line in outputs[f"look-{name}"].splitlines() if line.startswith(f"version {program}: "))
    assert VERSIONS[name][program] in answer.removeprefix(f"version {program}: ")


@pytest.mark.parametrize("name", WORK)
def test_does_its_work(outputs: dict[str, str], name: str):
    assert [line for line in RESULTS[name] if line not in outputs[f"work-{name}"].splitlines()] == [], outputs[f"work-{name}"]


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_starts_by_its_entry_point(outputs: dict[str, str], name: str):
    assert ENTRY_POINTS[name][1] in outputs[f"entry-{name}"]
    assert outputs[f"entry-{name}"].endswith("\nexit=0")


def test_restricted_namespace_refuses_the_image_as_root(references: dict[str, str]):
    """The check above would mean little if the namespace admitted anything."""
    kubectl = Kubectl(f"test-images-{secrets.token_hex(3)}")
    kubectl("create", "namespace", kubectl.namespace)
    try:
        kubectl("label", "namespace", kubectl.namespace, "pod-security.kubernetes.io/enforce=restricted")
        kubectl("wait", "--for=create", "serviceaccount/default", f"--timeout={WAIT}")
        rooted = pod("root", references["redis"], arguments=["--version"])
        rooted["spec"]["securityContext"] = {"runAsUser": 0, "seccompProfile": {"type": "RuntimeDefault"}}
        with pytest.raises(CommandError, match="violates PodSecurity"):
            kubectl("create", "--filename", "-", stdin=json.dumps(rooted))
    finally:
        kubectl("delete", "namespace", kubectl.namespace, "--wait=false")


def test_second_run_builds_nothing(references: dict[str, str], capsys: pytest.CaptureFixture[str]):
    services = ["postgres", "pgbouncer", "redis", "toolbox"]
    before = paths.IMAGES_VALUES.read_text()
    capsys.readouterr()
    images.ensure(services)
    told = capsys.readouterr().err
    assert told.startswith("images: pgbouncer, postgres, redis, toolbox: in the cluster (0 changed, ")
    assert float(told.split("changed, ")[1].split(" s")[0]) < 1
    assert paths.IMAGES_VALUES.read_text() == before
