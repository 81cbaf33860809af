import dataclasses

import pytest
from tests.unit.blueprint.build import (
    CACHE,
    DB,
    POOL,
    blueprint,
    changed,
    condition,
    empty,
    first,
    member,
    objects,
    postgres,
    running,
    scope,
)

from dharma_handlers.blueprint.decide import decide, refusal
from dharma_handlers.blueprint.observed import ActionFailure
from dharma_handlers.outcome import Mode

SHOP = blueprint(DB, POOL, CACHE)


def component(wanted, observed, name):
    return next(one for one in decide(wanted, observed).outcome.status["components"] if one["name"] == name)


def test_ready_means_that_every_component_answered():
    seen = running(SHOP)
    assert condition(SHOP, seen, "Ready") == ("True", "ComponentsReady", "3 components answer queries")
    assert condition(SHOP, seen, "Reconciling") == ("False", "Settled", "")
    assert condition(SHOP, seen, "Stalled")[0] == "False"
    assert condition(SHOP, seen, "CredentialsCurrent") == ("True", "AsInSecrets", "")
    assert decide(SHOP, seen).outcome.status == {
        "ready": "3/3",
        "components": [
            {
                "name": "db",
                "type": "postgres",
                "ready": "1/1",
                "phase": "Running",
                "primary": "shop-db-0",
                "version": "17.11",
                "service": "shop-db-rw.acme-shop.svc",
                "secret": "shop-db-shop",
                "message": "",
            },
            {"name": "pool", "type": "pgbouncer", "ready": "2/2", "phase": "Running", "service": "shop-pool.acme-shop.svc", "message": ""},
            {
                "name": "cache",
                "type": "redis",
                "ready": "1/1",
                "phase": "Running",
                "primary": "shop-cache-0",
                "service": "shop-cache.acme-shop.svc",
                "secret": "shop-cache-default",
                "message": "",
            },
        ],
    }


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        (
            "db",
            {"answered": False, "error": "connection failed: timeout"},
            "db: waiting for the primary to answer: timeout; pool: waiting for db",
        ),
        ("db", {"databases": {}}, "db: now: create database shop"),
        ("db", {"members": (member("shop-db-0", primary=False, state="starting"),)}, "db: waiting for shop-db-0: starting"),
        ("pool", {"members": ()}, "pool: waiting for the first query through it"),
        ("cache", {"members": ()}, "cache: waiting for the first answer"),
    ],
)
def test_pods_that_run_are_not_enough(name, fields, message):
    seen = changed(running(SHOP), name, **fields)
    if name == "db" and "answered" in fields:
        silent = tuple(dataclasses.replace(one, answered=False) for one in seen.components["pool"].members)
        seen = changed(seen, "pool", members=silent)
    assert condition(SHOP, seen, "Ready") == ("False", "ComponentsNotReady", message)
    assert condition(SHOP, seen, "Reconciling")[0] == "True"


def test_a_ready_pod_short_is_not_ready():
    wanted = blueprint(postgres(instances=3))
    seen = running(wanted)
    fewer = {key: child for key, child in seen.children.items() if key != ("Pod", "shop-db-2")}
    assert condition(wanted, dataclasses.replace(seen, children=fewer), "Ready")[2] == "db: waiting for pods: 2 of 3 are there"
    assert component(wanted, dataclasses.replace(seen, children=fewer), "db")["ready"] == "2/3"


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ({"observedGeneration": 1, "updatedReplicas": 1}, "rolling out: the pods' new template is on its way"),
        ({"observedGeneration": 2, "updatedReplicas": 0}, "rolling out: 0 of 1 pods are new"),
        ({"observedGeneration": 2, "updatedReplicas": 1}, ""),
    ],
)
def test_pods_being_replaced_are_progress_though_all_answer(status, told):
    wanted = blueprint(DB)
    seen = running(wanted)
    key = ("StatefulSet", "shop-db")
    workload = {**seen.children[key], "metadata": {**seen.children[key]["metadata"], "generation": 2}, "status": status}
    seen = dataclasses.replace(seen, children={**seen.children, key: workload})
    assert condition(wanted, seen, "Ready")[0] == "True"
    assert condition(wanted, seen, "Reconciling")[0] == ("True" if told else "False")
    assert component(wanted, seen, "db")["message"] == told


def failing(wanted, state, *, scheduled=True, created="2026-11-23T11:00:00Z"):
    seen = running(wanted)
    pod = seen.children["Pod", "shop-db-0"]
    conditions = [{"type": "Ready", "status": "False"}]
    if not scheduled:
        conditions.append({"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: 1 Insufficient memory."})
    status = {"conditions": conditions, "containerStatuses": [{"state": state}] if scheduled else []}
    pod = {**pod, "metadata": {**pod["metadata"], "creationTimestamp": created}, "status": status}
    return dataclasses.replace(seen, children={**seen.children, ("Pod", "shop-db-0"): pod}, components={})


def test_a_pod_that_cannot_start_is_stalled_and_says_why():
    wanted = blueprint(DB)
    image = {"waiting": {"reason": "ImagePullBackOff", "message": "no such tag"}}
    assert condition(wanted, failing(wanted, image), "Stalled") == (
        "True",
        "PodsCannotRun",
        "db: pod shop-db-0 cannot run: ImagePullBackOff: no such tag",
    )
    assert condition(wanted, failing(wanted, {}, scheduled=False), "Stalled")[2] == (
        "db: pod shop-db-0 finds no node: 0/1 nodes are available: 1 Insufficient memory."
    )


def test_a_young_pod_is_given_time():
    wanted = blueprint(DB)
    seen = failing(wanted, {"waiting": {"reason": "ErrImagePull"}}, created="2026-11-23T11:59:30Z")
    assert condition(wanted, seen, "Stalled")[0] == "False"
    assert "ErrImagePull" in condition(wanted, seen, "Ready")[2]


def test_what_failed_is_told_and_keeps_it_from_being_ready():
    seen = dataclasses.replace(running(SHOP), failures=(ActionFailure("db", "create extension postgis in database shop", "not available"),))
    assert condition(SHOP, seen, "Ready")[2] == "db: could not create extension postgis in database shop: not available"
    assert [(event.type, event.reason) for event in decide(SHOP, seen).outcome.events] == [("Warning", "ActionFailed")]


def test_what_was_done_is_told_and_stays_until_something_else_is():
    seen = running(SHOP)
    done = decide(blueprint(DB, POOL, CACHE), changed(seen, "db", databases={})).actions
    seen = dataclasses.replace(seen, done=done)
    assert component(SHOP, seen, "db")["message"] == "done: create database shop"
    assert [event.message for event in decide(SHOP, seen).outcome.events] == ["db: create database shop"]
    later = blueprint(DB, POOL, CACHE, status=decide(SHOP, seen).outcome.status)
    assert component(later, dataclasses.replace(seen, done=()), "db")["message"] == "done: create database shop"


def test_redis_with_replicas_says_that_nothing_fails_over_yet_and_says_it_once():
    wanted = blueprint({"name": "cache", "redis": {"replicas": 3}})
    seen = running(wanted)
    for number in (1, 2):
        seen.children["Pod", f"shop-cache-{number}"]["metadata"]["labels"]["dharma.io/role"] = "replica"
    message = component(wanted, seen, "cache")["message"]
    assert message == "note: replicas follow, and nothing fails over by itself yet"
    again = blueprint({"name": "cache", "redis": {"replicas": 3}}, status=decide(wanted, seen).outcome.status)
    assert component(again, seen, "cache")["message"] == message


def test_a_draft_makes_nothing_and_leaves_what_is_there():
    wanted = blueprint(DB, lifecycle="Draft", status={"ready": "1/1", "components": [{"name": "db", "type": "postgres"}]})
    outcome = decide(wanted, empty()).outcome
    assert outcome.objects is None
    assert condition(wanted, empty(), "Ready")[:2] == ("False", "Draft")
    assert outcome.status["ready"] == "1/1"


def test_a_draft_is_still_compiled():
    assert condition(blueprint(POOL, lifecycle="Draft"), empty(), "RevisionAccepted")[1] == "InvalidSpec"


def test_archived_stops_everything_and_keeps_the_data():
    wanted = blueprint(DB, POOL, CACHE, lifecycle="Archived")
    found = objects(wanted, running(SHOP))
    assert [
        found[key]["spec"]["replicas"] for key in (("StatefulSet", "shop-db"), ("Deployment", "shop-pool"), ("StatefulSet", "shop-cache"))
    ] == [0, 0, 0]
    assert ("PersistentVolumeClaim", "data-shop-db-0") in found
    assert condition(wanted, running(SHOP), "Reconciling")[:2] == ("True", "Stopping")
    stopped = first(wanted)
    assert condition(wanted, stopped, "Ready")[:2] == ("False", "Archived")
    assert condition(wanted, stopped, "Reconciling")[0] == "False"
    assert decide(wanted, stopped).actions == ()


def test_an_invalid_spec_changes_nothing_that_runs():
    wanted = blueprint(DB, {"name": "pool", "pgbouncer": {"target": "dbx"}}, status={"ready": "1/1"})
    outcome = decide(wanted, empty()).outcome
    assert outcome.objects is None
    assert outcome.status == {"ready": "1/1"}
    told = 'spec.components[1].pgbouncer.target: "dbx" is no component of this Blueprint; did you mean "db"?'
    for kind, status in (("Ready", "False"), ("Stalled", "True"), ("RevisionAccepted", "False")):
        assert condition(wanted, empty(), kind) == (status, "InvalidSpec", told)
    assert refusal(wanted, empty()) == outcome
    assert refusal(SHOP, empty()) is None


def test_a_component_waits_for_its_dependencies_only_to_be_made_first():
    wanted = blueprint(DB, {**CACHE, "dependsOn": ["db"]})
    seen = first(wanted)
    modes = {one.manifest["metadata"]["labels"]["dharma.io/component"]: set() for one in decide(wanted, seen).outcome.objects or ()}
    for one in decide(wanted, seen).outcome.objects or ():
        modes[one.manifest["metadata"]["labels"]["dharma.io/component"]].add(one.mode)
    assert modes == {"db": {Mode.APPLY, Mode.CREATE_ONLY}, "cache": {Mode.UPDATE_ONLY}}
    assert component(wanted, seen, "cache")["message"] == "waiting for db"

    broken = changed(running(wanted), "db", answered=False)
    assert {one.mode for one in decide(wanted, broken).outcome.objects or ()} == {Mode.APPLY}
    assert component(wanted, broken, "cache")["ready"] == "1/1"


def test_two_components_that_would_share_a_name():
    wanted = blueprint(postgres("db", databases=[{"name": "a", "owner": "x_y"}]), postgres("db-x", databases=[{"name": "a", "owner": "y"}]))
    assert condition(wanted, first(wanted), "Ready")[2] == (
        "spec.components[1].name: Secret shop-db-x-y would be made for db and db-x alike; give one of them another name"
    )


def test_what_belongs_to_another_blueprint_is_not_taken():
    seen = dataclasses.replace(first(SHOP), claimed={("StatefulSet", "shop-db"): "Blueprint shop-db"})
    assert condition(SHOP, seen, "Ready")[2] == (
        "spec.components[0].name: StatefulSet shop-db belongs to Blueprint shop-db; give this component another name"
    )


def test_a_restore_that_cannot_be_done_does_not_begin_empty():
    wanted = blueprint(postgres(restoreFrom={"backup": "nightly"}))
    assert condition(wanted, empty(), "Ready")[1] == "InvalidSpec"
    seen = running(blueprint(postgres()))
    assert condition(wanted, seen, "Ready")[0] == "True"


@pytest.mark.parametrize(("policy", "kept"), [("Retain", True), ("Delete", False)])
def test_data_and_credentials_are_marked_to_stay(policy, kept):
    marked = {
        key
        for key, one in objects(blueprint(DB, POOL, CACHE, deletionPolicy=policy)).items()
        if "dharma.io/retain" in one["metadata"].get("annotations", {})
    }
    assert marked == (
        {
            ("PersistentVolumeClaim", "data-shop-db-0"),
            ("PersistentVolumeClaim", "data-shop-cache-0"),
            *(
                ("Secret", name)
                for name in ("shop-db.internal", "shop-db-shop", "shop-pool.internal", "shop-cache.internal", "shop-cache-default")
            ),
        }
        if kept
        else set()
    )


def test_drift_policy():
    assert decide(SHOP, running(SHOP)).outcome.correct_drift
    reporting = blueprint(DB, drift={"policy": "Report"})
    assert not decide(reporting, running(reporting)).outcome.correct_drift


def test_what_this_version_does_not_act_upon_is_said():
    wanted = blueprint(DB, rotation={"every": "720h"}, hibernation={"schedule": {"stop": "0 20 * * *", "start": "0 7 * * *"}})
    assert condition(wanted, running(wanted), "RevisionAccepted") == (
        "True",
        "Accepted",
        "accepted; not acted on by this version: rotation, hibernation",
    )


def test_patronis_own_objects_are_made_once_and_removed_with_their_component():
    made = [one for one in decide(SHOP, first(SHOP)).outcome.objects or () if one.mode is Mode.CREATE_ONLY]
    assert [one.manifest["metadata"]["name"] for one in made] == ["shop-db-config", "shop-db-leader", "shop-db-failover", "shop-db-sync"]
    assert all("app.kubernetes.io/managed-by" not in one.manifest["metadata"]["labels"] for one in made)
    seen = running(SHOP)
    assert not [one for one in decide(SHOP, seen).outcome.objects or () if one.mode is Mode.CREATE_ONLY]

    without = blueprint(CACHE)
    assert decide(without, seen).actions == (), "its pods are still there"
    gone = {key: child for key, child in seen.children.items() if child["metadata"]["labels"].get("dharma.io/component") != "db"}
    told = [action.describe() for action in decide(without, dataclasses.replace(seen, children=gone)).actions]
    assert told == [f"delete ConfigMap shop-db-{suffix}" for suffix in ("config", "failover", "leader", "sync")]


def test_nothing_is_decided_about_patronis_objects_when_nobody_looked():
    seen = dataclasses.replace(first(SHOP), patroni_config_maps=None)
    assert not [one for one in decide(SHOP, seen).outcome.objects or () if one.mode is Mode.CREATE_ONLY]


def test_when_to_look_again():
    seen = running(SHOP)
    assert decide(SHOP, seen).outcome.requeue_after == 60
    assert decide(SHOP, changed(seen, "db", answered=False)).outcome.requeue_after == 0.5
    assert decide(SHOP, changed(seen, "db", databases={})).outcome.requeue_after == 1


def test_storage_class_and_templates_of_a_live_workload_are_said_again_as_they_are():
    grown = blueprint(postgres(storage={"size": "5Gi"}))
    seen = running(blueprint(postgres()))
    found = objects(grown, seen)
    template = found["StatefulSet", "shop-db"]["spec"]["volumeClaimTemplates"][0]["spec"]
    assert template["resources"]["requests"]["storage"] == "1Gi"
    assert found["PersistentVolumeClaim", "data-shop-db-0"]["spec"]["resources"]["requests"]["storage"] == "5Gi"


def test_a_volume_never_shrinks():
    seen = running(blueprint(postgres(storage={"size": "5Gi"})))
    found = objects(blueprint(postgres(storage={"size": "1Gi"})), seen)
    assert found["PersistentVolumeClaim", "data-shop-db-0"]["spec"]["resources"]["requests"]["storage"] == "5Gi"


GROWING = blueprint(postgres(storage={"size": "10Gi", "grow": {"above": 80, "step": 20, "max": "13Gi"}}))


@pytest.mark.parametrize(
    ("used_gib", "requested", "capacity", "wanted"),
    [
        (7.9, "10Gi", "10Gi", "10Gi"),
        (8.1, "10Gi", "10Gi", "12Gi"),
        (8.1, "12Gi", "10Gi", "12Gi"),
        (9.7, "12Gi", "12Gi", "13Gi"),
        (12.9, "13Gi", "13Gi", "13Gi"),
        (9.9, "10Gi", None, "10Gi"),
    ],
)
def test_growing_by_itself_goes_step_by_step_up_to_the_most(used_gib, requested, capacity, wanted):
    seen = changed(running(GROWING), "db", used_bytes=int(used_gib * 1024**3))
    key = ("PersistentVolumeClaim", "data-shop-db-0")
    claim = {**seen.children[key], "spec": {"resources": {"requests": {"storage": requested}}}, "status": {}}
    if capacity:
        claim["status"] = {"capacity": {"storage": capacity}}
    found = objects(GROWING, dataclasses.replace(seen, children={**seen.children, key: claim}))
    assert found[key]["spec"]["resources"]["requests"]["storage"] == wanted


@pytest.mark.parametrize(("made", "annotations"), [("12:00:00", None), ("12:00:05", {"dharma.io/service-account": "u2"})])
def test_pods_are_replaced_when_their_service_account_was_made_anew(made, annotations):
    wanted = blueprint(DB)
    seen = running(wanted)
    account, workload = ("ServiceAccount", "shop-db"), ("StatefulSet", "shop-db")
    children = dict(seen.children)
    for key, time in ((account, made), (workload, "12:00:00")):
        children[key] = {
            **children[key],
            "metadata": {**children[key]["metadata"], "uid": "u2", "creationTimestamp": f"2026-11-23T{time}Z"},
        }
    template = objects(wanted, dataclasses.replace(seen, children=children))[workload]["spec"]["template"]
    assert template["metadata"].get("annotations") == annotations


def test_all_pods_are_restricted():
    for key, one in objects(SHOP).items():
        if key[0] not in {"StatefulSet", "Deployment"}:
            continue
        pod = one["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["enableServiceLinks"] is False
        assert pod["automountServiceAccountToken"] is (key[1] == "shop-db")
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]
            assert "password" not in str(container.get("env", ""))


def test_the_same_world_gives_the_same_decision():
    seen = running(SHOP)
    assert decide(SHOP, seen) == decide(SHOP, seen)
    assert scope(SHOP, "db", seen).names.base == "shop-db"


def test_status_says_when_a_volume_cannot_grow_as_its_use_is_unknown():
    seen = changed(running(GROWING), "db", used_error="permission denied")
    (told,) = [one for one in decide(GROWING, seen).outcome.status["components"] if one["name"] == "db"]
    assert told["message"] == "note: its volumes do not grow, as their use could not be measured: permission denied"


def test_an_autoscaler_decides_how_many_poolers_there_are():
    seen = running(SHOP)
    key = ("Deployment", "shop-pool")
    live = {**seen.children[key], "spec": {**seen.children[key]["spec"], "replicas": 3}}
    scaled = dataclasses.replace(seen, children={**seen.children, key: live}, autoscaled=frozenset({"shop-pool"}))
    assert "replicas" not in objects(SHOP, scaled)[key]["spec"]
    told = next(one for one in decide(SHOP, scaled).outcome.status["components"] if one["name"] == "pool")
    assert told["ready"] == "2/3"
    stopped = SHOP.model_copy(update={"spec": SHOP.spec.model_copy(update={"lifecycle": "Archived"})})
    assert objects(stopped, scaled)[key]["spec"]["replicas"] == 0
