"""Whatever happens, in whatever order, and wherever the operator dies: no traffic to a version that is not ready, and always an end."""

from collections.abc import Callable

import pytest
from hypothesis import settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.unit.deployment.simulation import Simulation

IMAGES = [f"shop:{number}" for number in range(1, 5)]


class Watched(Simulation):
    """Looks at each move of the active Service just when it is made."""

    def check_move(self) -> None:
        to = self.moved[-1]
        if self.phase == "Aborting":
            assert to == self.revision("active")
        elif to == "*":
            assert self.ready(self.revision("active")) == self.scale(self.revision("active")) > 0
        else:
            assert self.phase == "Switch"
            assert to == self.revision("active")
            assert self.ready(to) == self.scale(to)
            assert self.scale(to) >= self.spec["replicas"]


class Rollouts(RuleBasedStateMachine):
    """People, checks, pods and the operator, each doing what it does at any time."""

    @initialize(mode=strategies.sampled_from(["Atomic", "Overlap"]), checked=strategies.booleans(), preview=strategies.booleans())
    def begin(self, *, mode: str, checked: bool, preview: bool) -> None:
        self.world = Watched()
        checks = {"before": [{"name": "smoke", "http": {}}], "after": [{"name": "errors", "http": {}}]} if checked else {}
        self.world.strategy(switchMode=mode, checks=checks, **({"preview": {"replicas": 1}} if preview else {}))
        self.world.checks = {"smoke": "Passed", "errors": "Passed"}
        self.world.established()

    @rule(image=strategies.sampled_from(IMAGES))
    def asks_for(self, image: str) -> None:
        self.world.spec["image"] = image

    @rule(replicas=strategies.integers(1, 3))
    def scales(self, replicas: int) -> None:
        self.world.spec["replicas"] = replicas

    @rule(image=strategies.sampled_from(IMAGES))
    def breaks(self, image: str) -> None:
        self.world.bad_images.add(image)

    @rule()
    def heals(self) -> None:
        self.world.bad_images.clear()

    @rule(result=strategies.sampled_from(["Running", "Passed", "Failed"]), name=strategies.sampled_from(["smoke", "errors"]))
    def checks(self, result: str, name: str) -> None:
        self.world.checks[name] = result

    @rule(promotion=strategies.sampled_from(["Auto", "Manual"]))
    def sets_promotion(self, promotion: str) -> None:
        self.world.strategy(promotion=promotion)

    @rule(word=strategies.sampled_from(["promote", "abort"]), which=strategies.sampled_from(["active", "target", "previous"]))
    def decides(self, word: str, which: str) -> None:
        self.world.annotations[f"dharma.io/{word}"] = self.world.revision(which)

    @rule(data=strategies.data())
    def asks_for_an_older_version(self, data: strategies.DataObject) -> None:
        known = sorted(name.removeprefix("web-") for kind, name in self.world.objects if kind == "ReplicaSet")
        self.world.annotations["dharma.io/rollback-to"] = data.draw(strategies.sampled_from(known))

    @rule(seconds=strategies.sampled_from([1, 5, 10, 20, 61]))
    def waits(self, seconds: int) -> None:
        self.world.wait(seconds)

    @rule(writes=strategies.integers(0, 6))
    def operator_dies(self, writes: int) -> None:
        self.world.round(dies_after=writes)

    @rule()
    def operator_runs(self) -> None:
        self.world.round()

    @rule()
    def kubernetes_runs(self) -> None:
        self.world.run_kubernetes()

    @invariant()
    def serves_a_version_that_is_known_and_has_pods(self) -> None:
        if not hasattr(self, "world"):
            return
        selected = self.world.selected
        assert selected != "none"
        if selected != "*":
            assert self.world.scale(selected) > 0

    def teardown(self) -> None:
        """Left alone, with nothing broken, it comes to rest: on the wanted version, or on one that served when that was refused."""
        world = self.world
        world.bad_images.clear()
        world.annotations.clear()
        world.checks = {"smoke": "Passed", "errors": "Passed"}
        world.strategy(promotion="Auto")
        world.settle(200)
        assert world.phase in {"Idle", "Degraded"}
        assert world.selected == world.revision("active")
        assert world.ready(world.selected) == world.scale(world.selected) == world.spec["replicas"]
        assert (world.phase == "Idle") == (world.image("active") == world.spec["image"])
        assert sum(item["spec"]["replicas"] for (kind, _), item in world.objects.items() if kind == "ReplicaSet") == world.spec["replicas"]
        del world.writes[:]
        world.rounds()
        assert world.writes == []


TestRollouts = Rollouts.TestCase
TestRollouts.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def rolls_out(world: Simulation) -> None:
    world.spec["image"] = "shop:2"


def is_broken_after_the_switch(world: Simulation) -> None:
    world.spec["image"] = "shop:2"
    world.rounds()
    world.bad_images = {"shop:2"}
    world.run_kubernetes()


def is_aborted(world: Simulation) -> None:
    world.spec["image"] = "shop:2"
    world.rounds()
    world.annotations["dharma.io/abort"] = world.revision("target")


@pytest.mark.parametrize("mode", ["Atomic", "Overlap"])
@pytest.mark.parametrize("happens", [rolls_out, is_broken_after_the_switch, is_aborted])
def test_an_operator_that_dies_at_any_write_comes_to_the_same_end(happens: Callable[[Simulation], None], mode: str) -> None:
    def run(dies_at: int | None) -> tuple[Simulation, bool]:
        world = Watched().established()
        world.strategy(switchMode=mode)
        happens(world)
        del world.writes[:]
        died = False
        for _ in range(60):
            left = None if dies_at is None or died else dies_at - len(world.writes)
            world.round(dies_after=left)
            died = died or (dies_at is not None and len(world.writes) >= dies_at)
            world.wait(1)
        return world, died

    reference, _ = run(None)
    count = len(reference.writes)
    assert count > 4
    for number in range(1, count + 1):
        world, died = run(number)
        assert died
        assert (world.phase, world.image("active"), world.selected) == (reference.phase, reference.image("active"), reference.selected)
        assert world.status.get("refused") == reference.status.get("refused")
        assert world.moved == reference.moved
