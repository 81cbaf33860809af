"""A rollout from end to end, in a cluster in miniature: each way that it can go ends where it should."""

import pytest
from tests.unit.deployment.simulation import Simulation

from dharma_handlers.deployment.decide import decide


def rolled(**spec: object) -> Simulation:
    """A first version serves."""
    return Simulation(**spec).established()


def test_the_first_version_serves_once_all_its_pods_are_ready() -> None:
    world = Simulation()
    world.reconcile()
    assert (world.phase, world.selected) == ("Provision", "none")
    world.rounds()
    assert (world.phase, world.status["active"]) == ("Idle", "Blue")
    assert world.selected == world.revision("active")
    assert world.status["ready"] == "2/2"


def test_a_new_version_takes_over_and_the_old_one_stays_for_a_while() -> None:
    world = rolled()
    old = world.revision("active")
    world.spec["image"] = "shop:2"
    world.rounds()
    assert (world.phase, world.status["active"]) == ("Bake", "Green")
    new = world.revision("active")
    assert world.selected == new != old
    assert (world.scale(old), world.scale(new)) == (2, 2)
    world.wait(10)
    world.rounds()
    assert (world.phase, world.scale(old)) == ("Drain", 2)
    world.wait(20)
    world.rounds()
    assert (world.phase, world.scale(old), world.scale(new)) == ("Idle", 0, 2)
    assert world.moved[1:] == [new]
    assert world.events == ["Switched", "Switched"]


def test_a_rollout_takes_few_writes_and_rest_takes_none() -> None:
    world = rolled()
    world.spec["image"] = "shop:2"
    del world.writes[:]
    world.settle(60)
    assert world.phase == "Idle"
    assert len(world.writes) <= 10, world.writes
    del world.writes[:]
    world.settle(60)
    assert world.writes == []


def test_a_version_whose_pods_do_not_start_is_given_up_and_not_tried_again() -> None:
    world = rolled()
    old = world.revision("active")
    world.bad_images = {"shop:2"}
    world.spec["image"] = "shop:2"
    world.settle()
    assert (world.phase, world.selected) == ("Degraded", old)
    bad = world.status["refused"][0]
    assert world.scale(bad) == 0
    assert world.status["lastRollback"]["reason"] == "ProgressDeadlineExceeded"
    assert world.events[1:] == ["RolledBack"]
    assert world.moved == [old]


def test_a_version_that_breaks_after_the_switch_is_left_at_once() -> None:
    world = rolled()
    old = world.revision("active")
    world.spec["image"] = "shop:2"
    world.rounds()
    assert world.phase == "Bake"
    world.bad_images = {"shop:2"}
    world.run_kubernetes()
    world.reconcile()
    assert world.selected == old
    world.rounds()
    assert (world.phase, world.status["lastRollback"]["reason"]) == ("Degraded", "PodsFailed")


@pytest.mark.parametrize("moment", ["Provision", "AwaitPromotion", "Bake", "Drain"])
def test_an_abort_goes_back_from_anywhere(moment: str) -> None:
    world = rolled()
    old = world.revision("active")
    if moment == "AwaitPromotion":
        world.strategy(promotion="Manual")
    world.spec["image"] = "shop:2"
    if moment == "Provision":
        world.bad_images = {"shop:2"}
    world.rounds()
    if moment == "Drain":
        world.wait(10)
        world.rounds()
    assert world.phase == moment
    new = next(name.removeprefix("web-") for kind, name in world.objects if kind == "ReplicaSet" and name != f"web-{old}")
    world.annotations["dharma.io/abort"] = new
    world.rounds()
    assert (world.phase, world.selected, world.scale(new)) == ("Degraded", old, 0)
    assert world.status["refused"] == [new]
    assert world.status["lastRollback"]["reason"] == "Requested"


def test_manual_promotion_waits_for_a_person_who_names_the_version() -> None:
    world = rolled()
    old = world.revision("active")
    world.strategy(promotion="Manual")
    world.spec["image"] = "shop:2"
    world.settle(900)
    assert (world.phase, world.selected) == ("AwaitPromotion", old)
    world.annotations["dharma.io/promote"] = old
    world.rounds()
    assert world.phase == "AwaitPromotion"
    world.annotations["dharma.io/promote"] = world.revision("target")
    world.rounds()
    assert (world.phase, world.selected) == ("Bake", world.revision("target"))


def test_a_preview_is_small_until_it_is_promoted_and_full_before_the_switch() -> None:
    world = rolled(replicas=4)
    world.strategy(promotion="Manual", preview={"replicas": 1})
    world.spec["image"] = "shop:2"
    world.rounds()
    new = world.revision("target")
    assert (world.phase, world.scale(new)) == ("AwaitPromotion", 1)
    assert world.objects["Service", "web-preview"]["spec"]["selector"]["dharma.io/revision"] == new
    world.annotations["dharma.io/promote"] = new
    world.rounds()
    assert (world.phase, world.scale(new), world.selected) == ("Bake", 4, new)


def test_checks_before_the_switch_keep_a_bad_version_from_it() -> None:
    world = rolled()
    old = world.revision("active")
    world.strategy(checks={"before": [{"name": "smoke", "http": {}}]})
    world.spec["image"] = "shop:2"
    world.rounds()
    assert (world.phase, world.status["checks"][0]["result"]) == ("PreCheck", "Running")
    world.checks["smoke"] = "Failed"
    world.rounds()
    assert (world.phase, world.selected, world.status["lastRollback"]["reason"]) == ("Degraded", old, "CheckFailed")
    assert world.moved == [old]
    assert "smoke" in world.status["lastRollback"]["message"]


def test_a_check_that_fails_as_soon_as_it_is_asked_ends_the_rollout_too() -> None:
    world = rolled()
    old = world.revision("active")
    world.strategy(checks={"before": [{"name": "smoke", "http": {}}]})
    world.checks["smoke"] = "Failed"
    world.spec["image"] = "shop:2"
    world.rounds()
    assert (world.phase, world.selected, world.status["lastRollback"]["reason"]) == ("Degraded", old, "CheckFailed")


def test_checks_after_the_switch_send_traffic_back() -> None:
    world = rolled()
    old = world.revision("active")
    world.strategy(checks={"after": [{"name": "errors", "http": {}}]})
    world.spec["image"] = "shop:2"
    world.rounds()
    world.wait(3600)
    world.rounds()
    assert world.phase == "Bake"  # a check without an end has not passed
    world.checks["errors"] = "Failed"
    world.rounds()
    assert (world.phase, world.selected) == ("Degraded", old)


def test_a_newer_spec_replaces_one_that_has_not_taken_over() -> None:
    world = rolled()
    world.bad_images = {"shop:2"}
    world.spec["image"] = "shop:2"
    world.rounds()
    middle = world.revision("target")
    world.spec["image"] = "shop:3"
    world.rounds()
    assert (world.phase, world.image("active"), world.scale(middle)) == ("Bake", "shop:3", 0)
    assert "refused" not in world.status


def test_a_newer_spec_waits_while_the_last_one_is_watched() -> None:
    world = rolled()
    world.spec["image"] = "shop:2"
    world.rounds()
    world.spec["image"] = "shop:3"
    world.rounds()
    assert (world.phase, world.image("active")) == ("Bake", "shop:2")
    world.wait(10)
    world.rounds()
    assert (world.phase, world.image("active"), world.image("previous")) == ("Bake", "shop:3", "shop:2")


@pytest.mark.parametrize("late", [False, True])
def test_a_spec_that_is_taken_back_goes_back_at_once_and_calls_nothing_bad(late: bool) -> None:
    world = rolled()
    old = world.revision("active")
    world.spec["image"] = "shop:2"
    world.rounds()
    if late:
        world.wait(10)
        world.rounds()
        assert world.phase == "Drain"
    world.spec["image"] = "shop:1"
    world.rounds()
    assert (world.phase, world.selected) == ("Idle", old)
    assert "refused" not in world.status


def test_what_does_not_fit_into_the_quota_is_not_begun() -> None:
    world = rolled(resources={"requests": {"cpu": "500m"}})
    world.quotas = ({"metadata": {"name": "team"}, "spec": {"hard": {"requests.cpu": "1500m"}}, "status": {"used": {"requests.cpu": "1"}}},)
    world.spec["image"] = "shop:2"
    del world.writes[:]
    world.rounds()
    assert world.phase == "Idle"
    assert "quota team: the new version needs 1 of requests.cpu, 0.5 are left, 0.5 too few" in world.status["message"]
    assert [write for write in world.writes if write != "status"] == []
    world.quotas = ()
    world.rounds()
    assert world.image("active") == "shop:2"


def test_the_load_it_carries_now_is_carried_over() -> None:
    world = rolled(replicas=5)
    world.spec |= {"image": "shop:2", "replicas": 2}
    world.rounds()
    new = world.revision("active")
    assert (world.phase, world.scale(new)) == ("Bake", 5)
    world.settle(60)
    assert (world.phase, world.scale(new)) == ("Idle", 2)


def test_overlap_serves_both_versions_for_a_while() -> None:
    world = rolled()
    world.strategy(switchMode="Overlap")
    world.spec["image"] = "shop:2"
    world.rounds()
    assert (world.phase, world.selected) == ("Switch", "*")
    world.wait(5)
    world.rounds()
    assert (world.phase, world.selected) == ("Bake", world.revision("active"))


def test_a_version_that_loses_its_pods_while_both_serve_is_left() -> None:
    world = rolled()
    old = world.revision("active")
    world.strategy(switchMode="Overlap")
    world.spec["image"] = "shop:2"
    world.rounds()
    world.bad_images = {"shop:2"}
    world.rounds()
    assert (world.phase, world.selected) == ("Degraded", old)


def test_without_ports_a_version_takes_over_when_its_pods_are_ready() -> None:
    world = Simulation(ports=[])
    world.rounds()
    world.spec["image"] = "shop:2"
    world.settle(60)
    assert (world.phase, world.image("active")) == ("Idle", "shop:2")
    assert not any(kind == "Service" for kind, _ in world.objects)


def test_labels_defaults_and_other_annotations_begin_nothing() -> None:
    world = rolled()
    old = world.revision("active")
    world.settle(10)
    del world.writes[:]
    world.annotations |= {"argocd.argoproj.io/tracking-id": "x", "team": "shop"}
    world.spec["revisionHistoryLimit"] = 10
    world.spec["ports"] = [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]
    world.rounds()
    assert world.writes == []
    world.spec["podTemplate"] = {"metadata": {"labels": {"team": "shop"}}}
    world.rounds()
    assert world.phase == "Idle"
    assert world.objects["ReplicaSet", f"web-{old}"]["spec"]["template"]["metadata"]["labels"]["team"] == "shop"


def test_only_so_many_old_versions_are_kept() -> None:
    world = rolled(revisionHistoryLimit=2)
    for number in range(2, 7):
        world.spec["image"] = f"shop:{number}"
        world.settle(60)
        assert world.image("active") == f"shop:{number}"
    kept = [item["spec"]["template"]["spec"] for (kind, _), item in world.objects.items() if kind == "ReplicaSet"]
    images = {spec["containers"][0]["image"] for spec in kept}
    assert images == {"shop:4", "shop:5", "shop:6"}


def test_an_older_version_is_brought_back_as_any_other_and_stays_until_the_spec_changes() -> None:
    world = rolled()
    first = world.revision("active")
    for image in ("shop:2", "shop:3"):
        world.spec["image"] = image
        world.settle(60)
    world.annotations["dharma.io/rollback-to"] = first
    world.rounds()
    assert (world.phase, world.selected, world.image("previous")) == ("Bake", first, "shop:3")
    world.settle(60)
    assert (world.phase, world.selected) == ("Degraded", first)
    assert "rollback-to" in world.status["message"]
    world.spec["image"] = "shop:4"
    world.settle(60)
    assert (world.phase, world.image("active")) == ("Idle", "shop:4")
    del world.annotations["dharma.io/rollback-to"]
    world.rounds()
    assert (world.phase, world.image("active"), world.status.get("pinned")) == ("Idle", "shop:4", None)


def test_a_rollback_while_the_old_version_is_kept_is_one_move_and_can_be_taken_back() -> None:
    world = rolled()
    first = world.revision("active")
    world.spec["image"] = "shop:2"
    world.rounds()
    world.wait(10)
    world.rounds()
    assert world.phase == "Drain"
    world.annotations["dharma.io/rollback-to"] = first
    world.reconcile()
    assert world.selected == first
    world.rounds()
    assert (world.phase, world.status["lastRollback"]["reason"]) == ("Degraded", "RollbackRequested")
    del world.annotations["dharma.io/rollback-to"]
    world.settle(60)
    assert (world.phase, world.image("active")) == ("Idle", "shop:2")


def test_a_version_that_is_not_kept_cannot_be_gone_back_to() -> None:
    world = rolled()
    world.annotations["dharma.io/rollback-to"] = "0000000000"
    world.rounds()
    assert (world.phase, world.image("active")) == ("Idle", "shop:1")


def test_what_was_refused_is_tried_again_after_a_restart_is_asked_for() -> None:
    world = rolled()
    world.bad_images = {"shop:2"}
    world.spec["image"] = "shop:2"
    world.settle(120)
    assert world.phase == "Degraded"
    world.bad_images.clear()
    world.settle(60)
    assert world.image("active") == "shop:1"
    world.annotations["dharma.io/restart"] = "2026-11-01"
    world.settle(60)
    assert (world.phase, world.image("active")) == ("Idle", "shop:2")


def test_suspended_it_halts_where_it_is_and_goes_on_afterwards() -> None:
    world = rolled()
    world.spec["image"] = "shop:2"
    world.rounds(2)
    before = world.phase
    decision = decide(world.deployment(), world.observed(), suspended=True)
    assert (decision.outcome.objects, decision.intent, decision.moves) == (None, None, ())
    assert decision.outcome.status["phase"] == before


def test_a_services_ports_are_those_of_the_version_that_it_leads_to() -> None:
    def ports() -> list[tuple[int, object]]:
        return [(port["port"], port["targetPort"]) for port in world.objects["Service", "web"]["spec"]["ports"]]

    def numbers(version: str) -> list[tuple[str, int]]:
        template = world.objects["ReplicaSet", f"web-{version}"]["spec"]["template"]["spec"]
        return [(port["name"], port["containerPort"]) for port in template["containers"][0]["ports"]]

    world = rolled(ports=[{"name": "http", "port": 80, "targetPort": 8080}, {"name": "plain", "port": 81, "targetPort": 8080}])
    old = world.revision("active")
    assert (ports(), numbers(old)) == ([(80, "http"), (81, "http")], [("http", 8080)])
    world.spec["ports"] = [{"name": "http", "port": 90, "targetPort": 8080}, {"name": "plain", "port": 81, "targetPort": 8080}]
    world.rounds()
    assert (world.phase, ports()) == ("Idle", [(90, "http"), (81, "http")])
    world.strategy(promotion="Manual")
    world.spec["ports"] = [{"name": "web", "port": 90, "targetPort": 9090}, {"name": "admin", "port": 91, "targetPort": "admin"}]
    world.rounds()
    assert (world.phase, ports()) == ("AwaitPromotion", [(90, "http"), (81, "http")])
    new = world.revision("target")
    assert (numbers(old), numbers(new)) == ([("http", 8080)], [("web", 9090)])
    world.annotations["dharma.io/promote"] = new
    world.rounds()
    assert (world.phase, ports()) == ("Bake", [(90, "web"), (91, "admin")])
    world.annotations["dharma.io/abort"] = new
    world.rounds()
    assert (world.phase, ports()) == ("Degraded", [(90, "http"), (81, "http")])


def test_a_version_that_was_left_once_is_not_taken_for_serving_when_it_is_asked_for_again() -> None:
    world = rolled()
    world.bad_images = {"shop:2", "shop:3"}
    for image in ("shop:2", "shop:3"):
        world.spec["image"] = image
        world.settle(120)
    assert len(world.status["refused"]) == 2
    world.spec["image"] = "shop:1"
    world.rounds()
    assert world.phase == "Idle"
    world.spec["image"] = "shop:2"
    world.rounds()
    assert (world.phase, world.image("active")) == ("Degraded", "shop:1")
    assert "was left earlier; annotation dharma.io/restart has it tried again" in world.status["message"]
