"""All manifests of typical Blueprints, word for word. After a wanted change run this file with UPDATE_GOLDEN=1."""

import os
from pathlib import Path

import pytest
import yaml
from tests.unit.blueprint.build import CACHE, DB, POOL, blueprint, first, postgres

from dharma_handlers.blueprint.decide import decide


class Plain(yaml.SafeDumper):
    """Writes each value where it stands."""

    def ignore_aliases(self, _data):
        return True


GOLDEN = Path(__file__).parent / "golden"
CASES = {
    "defaults": blueprint(DB, POOL, CACHE),
    "replicated": blueprint(
        postgres(
            instances=3,
            replication={"mode": "Sync"},
            resources={"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"cpu": "2", "memory": "4Gi"}},
            storage={"size": "50Gi", "storageClassName": "fast"},
            users=[{"name": "report", "memberOf": ["pg_read_all_data"]}],
            parameters={"work_mem": "16MB"},
        ),
        {"name": "cache", "dependsOn": ["db"], "redis": {"replicas": 3, "persistence": "RDB"}},
        access={"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]},
        deletionPolicy="Delete",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_manifests(case):
    wanted = CASES[case]
    found = decide(wanted, first(wanted)).outcome.objects or ()
    text = "".join(f"--- # {one.mode.value}\n{yaml.dump(one.manifest, Dumper=Plain, sort_keys=False, width=140)}" for one in found)
    path = GOLDEN / f"{case}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text(), "manifests differ from the golden ones: if that is wanted, run again with UPDATE_GOLDEN=1"
