import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from pydantic import ValidationError
from tests.unit.crds.samples_support import EXAMPLES, kind_of, load, lost, names

from dharma_crds.backup import Backup
from dharma_crds.base import Struct, format_time
from dharma_crds.blueprint import Access, Blueprint, Component, Postgres, Storage
from dharma_crds.deployment import DharmaDeployment
from dharma_crds.kinds import KINDS
from dharma_crds.names import user_name_part
from dharma_crds.quantity import Quantity
from dharma_crds.status import Condition
from dharma_crds.tenant import PLANS, Tenant


def messages(error: pytest.ExceptionInfo[ValidationError]) -> str:
    return json.dumps([detail["msg"] for detail in error.value.errors()])


@pytest.mark.parametrize("name", names())
def test_every_sample_is_read_whole_and_written_back_equal(name: str) -> None:
    """Also the compatibility of schemas: a sample that a newer model does not take, or drops a field of, breaks users' objects."""
    sample = load(name)
    model = kind_of(sample).model.model_validate(sample)
    assert not lost(sample, model.to_dict()), "the model drops what the sample says"
    assert kind_of(sample).model.model_validate(model.to_dict()) == model


def test_attributes_are_typed_and_snake_case() -> None:
    blueprint = Blueprint.model_validate(load("blueprint-full"))
    database, pool, cache = blueprint.spec.components
    assert (database.type, pool.type, cache.type) == ("postgres", "pgbouncer", "redis")
    assert database.postgres is not None
    assert pool.pgbouncer is not None
    assert database.postgres.storage.grow is not None
    assert database.postgres.storage.grow.max.bytes == 200 * 2**30
    assert database.postgres.restore_from is not None
    assert database.postgres.restore_from.time == datetime(2026, 11, 20, 8, tzinfo=UTC)
    assert database.postgres.parameters["max_connections"] == "300"
    assert pool.pgbouncer.max_server_connections == 100
    assert blueprint.spec.rotation is not None
    assert blueprint.spec.rotation.overlap == timedelta(hours=48)
    assert blueprint.spec.access is not None
    assert blueprint.spec.access.from_[0].project == "shop"
    deployment = DharmaDeployment.model_validate(load("deployment-full"))
    assert deployment.spec.bind[0].as_ == "DATABASE"
    assert deployment.spec.strategy.blue_green.bake == timedelta(seconds=90)


def test_what_is_left_out_is_the_default() -> None:
    database, pool, cache = Blueprint.model_validate(load("blueprint-minimal")).spec.components
    assert database.postgres is not None
    assert pool.pgbouncer is not None
    assert cache.redis is not None
    assert (database.postgres.instances, database.postgres.resources.requests.memory.bytes) == (1, 512 * 2**20)
    assert [user.name for user in database.postgres.roles] == ["app"]
    assert (pool.pgbouncer.max_client_connections, pool.pgbouncer.pool_size, pool.pgbouncer.max_server_connections) == (1000, 25, 100)
    assert (cache.redis.max_memory.bytes, cache.redis.eviction_policy) == (512 * 2**20, "allkeys-lru")
    assert Backup.model_validate(load("backup-minimal")).spec.retention.days == 30
    assert Tenant.model_validate(load("tenant-minimal")).spec.network.isolation == "Tenant"


def test_owners_of_databases_are_users_too_and_listed_once() -> None:
    postgres = Postgres.model_validate(
        {
            "storage": {"size": "1Gi"},
            "databases": [{"name": "one", "owner": "app"}, {"name": "two", "owner": "app"}, {"name": "three", "owner": "report"}],
            "users": [{"name": "report", "memberOf": ["pg_read_all_data"]}],
        }
    )
    assert [(user.name, user.member_of) for user in postgres.roles] == [("report", ("pg_read_all_data",)), ("app", ())]


def test_models_do_not_change() -> None:
    component = Component.model_validate({"name": "cache", "redis": {}})
    with pytest.raises(ValidationError, match="frozen"):
        component.name = "other"  # type: ignore[misc]
    assert hash(Storage(size=Quantity("1Gi"))) == hash(Storage(size=Quantity("1024Mi")))


def test_unknown_keys_of_a_newer_schema_are_ignored() -> None:
    assert Component.model_validate({"name": "cache", "redis": {"from-the-future": 1}}).redis is not None


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"name": "x"}, "component x must hold exactly one of postgres, pgbouncer and redis, and holds 0"),
        ({"name": "x", "redis": {}, "pgbouncer": {"target": "db"}}, "and holds 2"),
        ({"name": "X", "redis": {}}, "must be lower-case letters, digits and hyphens, at most 20"),
        ({"name": "x", "redis": {"maxMemory": "1GB"}}, "must be a size in bytes with a unit, such as 512Mi or 50Gi, and at least 16Mi"),
        ({"name": "x", "redis": {"maxMemory": "8Mi"}}, "and at least 16Mi"),
        ({"name": "x", "postgres": {"storage": {"size": "1Gi"}, "users": [{"name": "pg_admin"}]}}, "names that the operator keeps"),
        ({"name": "x", "postgres": {"storage": {"size": "1Gi"}, "users": [{"name": "postgres"}]}}, "names that the operator keeps"),
        ({"name": "x", "postgres": {"storage": {"size": "1Gi"}, "parameters": {"a": True}}}, "valid string"),
    ],
)
def test_what_admission_refuses_is_refused_on_reading_too(spec: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValidationError) as error:
        Component.model_validate(spec)
    assert sentence in messages(error)


def test_a_destination_is_one_of_two() -> None:
    document = load("backup-minimal")
    document["spec"]["destination"] = {}
    with pytest.raises(ValidationError, match="destination must hold exactly one of volume and s3"):
        Backup.model_validate(document)


def test_access_is_written_as_users_write_it() -> None:
    assert Access.model_validate({"from": [{"project": "shop"}]}).to_dict() == {"from": [{"project": "shop"}]}
    assert Access(from_=()).to_dict() == {"from": []}


def test_times_are_written_in_utc_and_whole_seconds() -> None:
    condition = Condition(type="Ready", status="True", last_transition_time=datetime.fromisoformat("2026-11-23T14:30:00.5+02:00"))
    assert condition.to_dict()["lastTransitionTime"] == "2026-11-23T12:30:00Z"
    with pytest.raises(ValueError, match="has no time zone"):
        format_time(datetime(2026, 1, 1))  # noqa: DTZ001  a naive time is what is refused


def test_no_two_users_share_a_part_of_an_object_name() -> None:
    assert user_name_part("app_rw") == "app-rw"
    with pytest.raises(ValidationError):
        Postgres.model_validate({"storage": {"size": "1Gi"}, "users": [{"name": "app-rw"}]})


def test_plans_only_grow() -> None:
    order = [PLANS["Free"], PLANS["Basic"], PLANS["Pro"]]
    for smaller, larger in pairwise(order):
        assert smaller.projects is not None
        assert larger.projects is not None
        assert smaller.projects < larger.projects
        assert all(Quantity(smaller.compute[name]) <= Quantity(larger.compute[name]) for name in larger.compute)
    assert PLANS["Enterprise"].projects is None
    assert not PLANS["Enterprise"].compute


def test_the_kinds_are_named_as_documented() -> None:
    table = {(kind.kind, kind.plural, kind.short_name, kind.namespaced, kind.crd_name) for kind in KINDS.values()}
    assert table == {
        ("Tenant", "tenants", "dht", False, "tenants.dharma.io"),
        ("Blueprint", "blueprints", "dhb", True, "blueprints.dharma.io"),
        ("Deployment", "deployments", "dhd", True, "deployments.dharma.io"),
        ("Backup", "backups", "dhk", True, "backups.dharma.io"),
    }
    assert {kind.api_version for kind in KINDS.values()} == {"dharma.io/v1alpha1"}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_examples_are_read_whole(path) -> None:
    import yaml

    ours = [one for one in yaml.safe_load_all(path.read_text()) if one["apiVersion"] == "dharma.io/v1alpha1"]
    assert ours or path.stem == "web", "an example of none of our kinds"
    for document in ours:
        assert not lost(document, kind_of(document).model.model_validate(document).to_dict())


def test_structs_say_nothing_of_what_is_unset() -> None:
    class Example(Struct):
        some_text: str | None = None
        some_list: tuple[str, ...] = ()

    assert Example().to_dict() == {"someList": []}
