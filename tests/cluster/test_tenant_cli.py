"""`dharma tenant`, as people run it, against a real API server. No operator runs: namespaces and status are made by hand, as one would."""

import json
import os
import re
import secrets
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tests.support import cluster

Done = subprocess.CompletedProcess[str]
SAMPLES = cluster.ROOT / "tests" / "unit" / "crds" / "samples"
CONTENTS = "blueprints.dharma.io,deployments.dharma.io,backups.dharma.io"


def dharma(*arguments: str, stdin: str = "") -> Done:
    done = subprocess.run(
        [cluster.tool("../../.venv/bin/dharma"), *arguments],
        input=stdin, capture_output=True, text=True, check=False, env=cluster.environment(), timeout=120,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done


def good(*arguments: str, stdin: str = "") -> str:
    done = dharma(*arguments, stdin=stdin)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass(frozen=True)
class Team:
    """A Tenant of the tests with two namespaces."""

    name: str

    @property
    def shop(self) -> str:
        return f"{self.name}-shop"

    @property
    def lab(self) -> str:
        return f"{self.name}-lab"

    def manifest(self) -> dict:
        spec = {
            "plan": "Basic",
            "displayName": "Ünïted — 試験",
            "projects": [{"name": "shop"}, {"name": "lab"}],
            "members": [{"kind": "User", "name": "alice@acme.example", "role": "Admin", "expiresAt": "2026-01-01T00:00:00Z"}],
            "quota": {"blueprints": 4},
        }
        return {"apiVersion": "dharma.io/v1alpha1", "kind": "Tenant", "metadata": {"name": self.name}, "spec": spec}

    def contents(self) -> list[dict]:
        return [
            self._sample("blueprint", self.shop, {"spec": {"lifecycle": "Draft"}}),
            self._sample("blueprint", self.lab, {"metadata": {"labels": {"team": "a"}}, "spec": {"lifecycle": "Draft"}}),
            self._sample("deployment", self.shop, {"metadata": {"annotations": {"dharma.io/promote": "0f3a", "example.io/owner": "bob"}}}),
            self._sample("backup", self.shop, {"spec": {"suspend": True}}),
        ]

    def ready(self, *, patience: float = 60) -> None:
        """Say, as the operator does, that the Tenant's namespaces are ready, as soon as there is the Tenant."""
        cluster.kubectl("wait", "--for=create", f"dht/{self.name}", f"--timeout={patience:.0f}s")
        generation = json.loads(cluster.kubectl("get", "dht", self.name, "-o", "json"))["metadata"]["generation"]
        told = [{"name": one, "project": one.rpartition("-")[2], "ready": True} for one in (self.shop, self.lab)]
        when = "2026-11-25T00:00:00Z"
        condition = {"type": "Ready", "status": "True", "reason": "NamespacesReady", "message": "2 namespaces", "lastTransitionTime": when}
        status = {"observedGeneration": generation, "namespaces": told, "conditions": [condition], "summary": {"projects": "2/10"}}
        cluster.kubectl("patch", "dht", self.name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))

    def clear(self) -> None:
        cluster.kubectl("delete", "dht", self.name, "--ignore-not-found")
        for namespace in (self.shop, self.lab):
            cluster.kubectl("-n", namespace, "delete", CONTENTS, "--all")

    def _sample(self, kind: str, namespace: str, more: dict) -> dict:
        sample = yaml.safe_load((SAMPLES / f"{kind}-minimal.yaml").read_text())
        metadata = {"name": f"{kind}-one", "namespace": namespace, **more.get("metadata", {})}
        return {**sample, "metadata": metadata, "spec": {**sample["spec"], **more.get("spec", {})}}


def apply(*manifests: dict) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)}))


@pytest.fixture(scope="module")
def namespaces(crds: None, no_other_operator: None) -> Iterator[Team]:
    team = Team(f"cli-{secrets.token_hex(3)}")
    marks = {"dharma.io/tenant": team.name}
    for namespace in (team.shop, team.lab):
        labels = {**marks, "dharma.io/project": namespace.rpartition("-")[2], cluster.TEST_LABEL: "true"}
        apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}})
        hard = {"count/blueprints.dharma.io": "2", "pods": "3"}
        metadata = {"name": "dharma-quota", "namespace": namespace, "labels": marks}
        apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}})
        cluster.kubectl("-n", namespace, "wait", "resourcequota/dharma-quota", "--for=jsonpath={.status.used.pods}=0", "--timeout=60s")
    yield team
    cluster.kubectl("delete", "dht", team.name, "--ignore-not-found")
    cluster.kubectl("delete", "namespace", team.shop, team.lab, "--wait=false")


@pytest.fixture
def team(namespaces: Team) -> Iterator[Team]:
    """The Tenant with a Blueprint in each project, a Deployment and a Backup."""
    apply(namespaces.manifest(), *namespaces.contents())
    namespaces.ready()
    yield namespaces
    namespaces.clear()


@pytest.fixture
def stand_in(namespaces: Team) -> Iterator[Callable[[], None]]:
    """Call it to have the next Tenant of that name told to be ready, while the test waits for a command."""
    threads: list[threading.Thread] = []

    def start() -> None:
        threads.append(threading.Thread(target=namespaces.ready))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join(timeout=90)


def versions(team: Team) -> dict[str, str]:
    listed = cluster.kubectl("get", "dht", team.name, "-o", "json", "--ignore-not-found")
    items = [json.loads(listed)] if listed else []
    for namespace in (team.shop, team.lab):
        items += json.loads(cluster.kubectl("-n", namespace, "get", CONTENTS, "-o", "json"))["items"]
    return {one["metadata"]["uid"]: one["metadata"]["resourceVersion"] for one in items}


def test_list_show_and_json(team: Team) -> None:
    line = next(one for one in good("tenant", "list").splitlines() if one.startswith(team.name))
    assert line.split()[:3] == [team.name, "Basic", "2/10"]
    assert "NamespacesReady" in line
    assert team.name in {one["metadata"]["name"] for one in json.loads(good("tenant", "list", "-o", "json"))}
    tree = good("tenant", "show", f"dht/{team.name}")
    assert f"● shop namespace {team.shop}" in tree
    assert "User alice@acme.example Admin in all projects expired 2026-01-01 00:00 UTC" in tree
    cluster.kubectl("patch", "dht", team.name, "--type=merge", "-p", '{"spec":{"timeZone":"Asia/Kolkata"}}')
    assert dharma("tenant", "show", team.name).returncode == 1, "not Ready as it is now"


def test_usage_counts_what_kubernetes_counts(team: Team) -> None:
    for namespace in (team.shop, team.lab):
        counted = "--for=jsonpath={.status.used.count/blueprints\\.dharma\\.io}=1"
        cluster.kubectl("-n", namespace, "wait", "resourcequota/dharma-quota", counted, "--timeout=60s")
    told = json.loads(good("tenant", "usage", team.name, "-o", "json"))
    share = {"used": "1", "hard": "2"}
    assert told["blueprints"] == {"used": "2", "hard": "4", "percent": 50, "namespaces": {team.lab: share, team.shop: share}}
    assert told["projects"]["used"] == "2"
    text = good("tenant", "usage", team.name)
    assert f"{team.lab} 1/2, {team.shop} 1/2" in text
    assert "Next to run out: blueprints, 50 % used (2 of 4), 2 left." in text


def test_usage_watched_follows_and_ends_with_control_c(team: Team) -> None:
    screen, terminal = os.openpty()
    command = [cluster.tool("../../.venv/bin/dharma"), "tenant", "usage", team.name, "--watch"]
    process = subprocess.Popen(command, stdout=terminal, stderr=terminal, env=cluster.environment(COLUMNS="200"))
    os.close(terminal)
    try:
        see(screen, "blueprints, 50 % used (2 of 4)")
        cluster.kubectl("-n", team.lab, "delete", "dhb", "blueprint-one")
        see(screen, "blueprints, 25 % used (1 of 4)")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
    finally:
        process.kill()
        os.close(screen)


def see(screen: int, text: str) -> None:
    """Read a terminal until it shows `text`."""
    seen = ""
    while text not in seen:
        assert select.select([screen], [], [], 60)[0], f"not on the screen: {text}\n{seen}"
        seen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", os.read(screen, 65536).decode(errors="ignore"))


def test_an_export_has_what_people_wrote_and_the_same_bytes_each_time(team: Team, tmp_path: Path) -> None:
    cluster.kubectl("-n", team.shop, "create", "secret", "generic", "hidden", "--from-literal=password=geheim", check=False)
    text = good("tenant", "export", team.name)
    file = tmp_path / "bundle.json"
    good("tenant", "export", team.name, "-f", str(file))
    assert file.read_bytes() == text.encode()
    document = json.loads(text)
    assert [one["kind"] for one in document["objects"]] == ["Tenant", "Blueprint", "Blueprint", "Deployment", "Backup"]
    assert {key for one in document["objects"] for key in one["metadata"]} == {"name", "namespace", "labels", "annotations"}
    assert document["objects"][3]["metadata"]["annotations"] == {"example.io/owner": "bob"}
    assert "geheim" not in text
    assert "status" not in {key for one in document["objects"] for key in one}


def test_the_round_trip(team: Team, tmp_path: Path, stand_in: Callable[[], None]) -> None:
    before = good("tenant", "export", team.name)
    (file := tmp_path / "bundle.json").write_text(before)
    team.clear()
    plan = good("tenant", "import", str(file), "--dry-run")
    assert "Plan: 5 create." in plan
    assert not versions(team), "a dry run writes nothing"
    asked = dharma("tenant", "import", str(file))
    assert (asked.returncode, "give --yes" in asked.stderr) == (1, True)
    stand_in()
    said = good("tenant", "import", "-", "--yes", stdin=before)
    assert "waiting: no operator has seen the Tenant as it is now" in said
    created = [line.split()[1] for line in said.splitlines() if line.startswith("created")]
    assert created == ["Tenant", "Blueprint", "Blueprint", "Deployment", "Backup"]
    assert good("tenant", "export", team.name) == before
    managers = json.loads(cluster.kubectl("-n", team.shop, "get", "dhb", "-o", "json", "--show-managed-fields"))["items"][0]["metadata"]
    assert [(one["manager"], one["operation"]) for one in managers["managedFields"]] == [("dharma-cli", "Apply")]
    there = versions(team)
    assert "Plan: 5 unchanged." in good("tenant", "import", str(file))
    assert versions(team) == there, "what is there already is not written again"


def test_conflicts(team: Team, tmp_path: Path) -> None:
    before = good("tenant", "export", team.name)
    (file := tmp_path / "bundle.json").write_text(before)
    change = '{"metadata":{"labels":{"team":"b","new":"1"}},"spec":{"suspend":true,"drift":{"policy":"Report"}}}'
    cluster.kubectl("-n", team.lab, "patch", "dhb", "blueprint-one", "--type=merge", "-p", change)
    cluster.kubectl("-n", team.shop, "delete", "dhk", "backup-one")
    there = versions(team)
    done = dharma("tenant", "import", str(file), "--yes")
    assert done.returncode == 1
    line = next(one for one in done.stdout.splitlines() if one.startswith("conflict"))
    assert all(path in line for path in ("metadata.labels.team", "metadata.labels.new", "spec.suspend", "spec.drift"))
    assert versions(team) == there, "one conflict, and not even what is missing is written"
    good("tenant", "import", str(file), "--yes", "--on-conflict", "skip")
    assert versions(team).items() > there.items(), "what is missing is made, the rest is as it was"
    good("tenant", "import", str(file), "--yes", "--on-conflict", "overwrite")
    assert good("tenant", "export", team.name) == before


def test_an_import_that_was_interrupted_goes_on(team: Team, tmp_path: Path) -> None:
    before = good("tenant", "export", team.name)
    (file := tmp_path / "bundle.json").write_text(before)
    team.clear()
    done = dharma("tenant", "import", str(file), "--yes", "--timeout", "1")
    assert done.returncode == 1
    assert "no operator has seen the Tenant as it is now. Run the same import again to go on" in done.stderr
    team.ready()
    assert "Plan: 4 create, 1 unchanged." in good("tenant", "import", str(file), "--yes")
    assert good("tenant", "export", team.name) == before


def test_what_admission_would_refuse_is_known_before_anything_is_written(team: Team, tmp_path: Path) -> None:
    (file := tmp_path / "bundle.json").write_text(good("tenant", "export", team.name))
    team.clear()
    for index in (1, 2):
        other = team.contents()[0]
        apply({**other, "metadata": {**other["metadata"], "name": f"other-{index}"}})
    done = dharma("tenant", "import", str(file), "--yes")
    assert done.returncode == 1
    assert f"refused   Blueprint {team.shop}/blueprint-one: The API server refused: " in done.stdout
    assert "exceeded quota: dharma-quota" in done.stdout
    assert "dht" not in cluster.kubectl("get", "dht", team.name, "--ignore-not-found", "-o", "name")


@pytest.mark.parametrize(
    ("arguments", "stdin", "sentence"),
    [
        (("show", "nobody-at-all"), "", 'There is no Tenant "nobody-at-all" (there: '),
        (("show", "dhb/acme"), "", '"dhb" is not a Tenant; write dht/acme.'),
        (("list", "-o", "xml"), "", 'There is no output "xml"; use table or json.'),
        (("import", "-", "--yes"), "[]", "no bundle of a Tenant"),
        (("import", "/nowhere.json"), "", "The bundle cannot be read"),
        (("export", "nobody-at-all", "-f", "/x"), "", 'There is no Tenant "nobody-at-all"'),
    ],
)
def test_a_wrong_word_gets_one_sentence(crds: None, arguments: tuple[str, ...], stdin: str, sentence: str) -> None:
    done = dharma("tenant", *arguments, stdin=stdin)
    assert done.returncode == 1
    assert sentence in done.stderr
