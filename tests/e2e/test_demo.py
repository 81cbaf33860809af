"""`make demo`, as its newcomer runs it: twice, then looked at through the CLI, then cleaned away."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., str]

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([".venv/bin/python", "-m", "dharma_dev.demo", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def dharma(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([".venv/bin/dharma", *arguments], cwd=ROOT, input=stdin, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def shown(no_other_operator: None) -> Iterator[str]:
    first = demo()
    assert first.returncode == 0, first.stderr
    second = demo()
    assert second.returncode == 0, second.stderr
    print(first.stderr, second.stderr, second.stdout)
    yield second.stderr + second.stdout
    cleaned = demo("--clean")
    assert cleaned.returncode == 0, cleaned.stderr


def test_a_row_and_a_key_are_read_back(shown: str) -> None:
    row = re.search(r"row through PgBouncer into Postgres: (\d+) \| hello from shop-client", shown)
    assert row
    assert int(row[1]) >= 2, "the second run sees the first one's row"
    assert "key in Redis: hello from shop-client" in shown


def test_the_tree_shows_what_came_of_it(shown: str) -> None:
    tree = shown[shown.index("dhb/shop") :]
    for part in ("db postgres", "pool pgbouncer", "cache redis", "pod shop-db-0 primary", "shop-db-rw:5432", "shop-db-shop", "ready 2/2"):
        assert part in tree, part
    assert "✖" not in tree
    assert "◐" not in tree


def test_three_commands_to_try_next(shown: str) -> None:
    hints = shown[shown.index("Try next") :]
    assert all(command in hints for command in ("dharma connect shop", "kubectl -n demo delete pod", "dharma doctor"))


def test_wait_by_kubectl(shown: str, kubectl: Run) -> None:
    kubectl("-n", "demo", "wait", "--for=condition=Ready", "dhb/shop", "--timeout=5s")


def test_status_as_json_for_programs(shown: str) -> None:
    done = dharma("status", "dhb/shop", "-n", "demo", "-o", "json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert {component["name"] for component in found["status"]["components"]} == {"db", "pool", "cache"}


def test_connect_opens_psql_as_the_apps_user(shown: str) -> None:
    done = dharma("connect", "shop", "-n", "demo", "--", "-XAtc", "select current_user, current_database(), pg_is_in_recovery()")
    assert (done.returncode, done.stdout.strip()) == (0, "shop|shop|f"), done.stderr


def test_connect_passes_stdin_and_the_exit_code_on(shown: str) -> None:
    assert dharma("connect", "shop", "-n", "demo", "--", "-XAt", stdin="select 6 * 7;\n").stdout.strip() == "42"
    assert dharma("connect", "shop", "-n", "demo", "--", "-Xc", "select nonsense").returncode == 1


def test_connect_opens_redis_cli(shown: str) -> None:
    done = dharma("connect", "shop", "-c", "cache", "-n", "demo", "--", "GET", "greeting")
    assert (done.returncode, done.stdout.strip()) == (0, "hello from shop-client"), done.stderr


def test_connect_through_the_pooler(shown: str) -> None:
    done = dharma("connect", "shop", "-c", "pool", "-n", "demo", "--", "-XAtc", "select count(*) > 1 from visits")
    assert (done.returncode, done.stdout.strip()) == (0, "t"), done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("status", "shoop", "-n", "demo"), 'There is no Blueprint "shoop" in namespace demo (there: shop)'),
        (("status", "dhd/web", "-n", "demo"), '"dhd" is not a Blueprint'),
        (("connect", "shop", "-c", "dbx", "-n", "demo"), 'has no component "dbx"; it has: db, pool, cache'),
        (("connect", "shop", "-u", "nobody", "-n", "demo"), "There is no Secret shop-db-nobody"),
        (("status", "--context", "mars"), "No usable kubeconfig"),
    ],
)
def test_a_wrong_word_gets_one_sentence(shown: str, arguments: tuple[str, ...], sentence: str) -> None:
    done = dharma(*arguments)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_finds_nothing_missing(shown: str) -> None:
    done = dharma("doctor", "-n", "demo")
    assert done.returncode == 0, done.stdout
    assert "FAIL" not in done.stdout
    for subject in (
        "Kubernetes: v1.37",
        "CRDs: all four",
        "Operator: dharma-system/iac-dharma",
        "Leader:",
        "Storage class: standard",
        "Metrics API: available",
    ):
        assert subject in done.stdout, subject
