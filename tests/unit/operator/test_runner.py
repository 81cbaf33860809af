"""One reconcile from end to end, against an API server in memory."""

import asyncio
import dataclasses
from datetime import UTC, datetime

import pytest
from tests.support.fake_api import FakeApi, FakeClient
from tests.support.virtual_time import run_virtually

from dharma_handlers.outcome import Condition, Event, Outcome, Wanted
from dharma_operator.controllers import Controller, Controllers, KindInfo, UnfinishedError
from dharma_operator.engine import RunResult
from dharma_operator.events import Recorder
from dharma_operator.kube.applier import Applied, DriftItem, revision_hash
from dharma_operator.kube.errors import ApiUnavailable, Conflict, Forbidden
from dharma_operator.kube.resources import BLUEPRINT, EVENT, SERVICE, ObjectKey
from dharma_operator.metrics import Metrics
from dharma_operator.runner import Runner
from dharma_operator.settings import Settings
from dharma_operator.store import Store
from dharma_operator.workqueue import OwnerKey

SHOP = OwnerKey("Blueprint", "acme", "shop")
SHOP_OBJECT = ObjectKey(BLUEPRINT, "acme", "shop")
READY = (
    Condition("Ready", "True", "AllReady", "all serve"),
    Condition("Reconciling", "False", "AllReady"),
    Condition("Stalled", "False", "AllReady"),
)
WANTED = (Wanted({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop-db", "namespace": "acme"}, "spec": {}}),)
SERVICE_KEY = ObjectKey(SERVICE, "acme", "shop-db")


class Scripted(Controller):
    """A controller that returns `outcome`, or raises it."""

    kind = KindInfo(BLUEPRINT, "dharma.io/blueprint")

    def __init__(self) -> None:
        self.outcome: Outcome | Exception = Outcome(READY)
        self.requests = []
        self.forgotten = []
        self.during = None

    async def reconcile(self, request):
        self.requests.append(request)
        if self.during is not None:
            await self.during()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def forget(self, namespace, name):
        self.forgotten.append((namespace, name))


class ScriptedApplier:
    """An applier that says what it is told to say."""

    def __init__(self) -> None:
        self.applied = Applied()
        self.calls = []
        self.forgotten = []

    async def apply(self, _owner, outcome, _children, *, settled):
        self.calls.append((outcome.objects, settled))
        if outcome.objects is None:
            return Applied()
        if isinstance(self.applied, Exception):
            raise self.applied
        return self.applied

    def forget(self, uid):
        self.forgotten.append(uid)


class Bench:
    def __init__(self, **spec) -> None:
        self.api = FakeApi()
        self.client = FakeClient(self.api)
        self.store = Store(lambda *_: None)
        self.controller = Scripted()
        self.applier = ScriptedApplier()
        self.metrics = Metrics()
        self.now = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
        self.runner = Runner(
            client=self.client,
            store=self.store,
            controllers=Controllers([self.controller]),
            applier=self.applier,
            recorder=Recorder(self.client, "operator-0_abcd"),
            settings=Settings(),
            metrics=self.metrics,
            clock=lambda: self.now,
        )
        self.write(spec=spec)

    def write(self, *, seen: bool = True, **parts) -> None:
        live = self.api.objects.get(SHOP_OBJECT) or {
            "apiVersion": "dharma.io/v1alpha1",
            "kind": "Blueprint",
            "metadata": {"name": "shop", "namespace": "acme"},
        }
        written = self.api.put(live | parts)
        if seen:
            self.store.seen(written, BLUEPRINT)

    async def run(self, failures: int = 0) -> RunResult:
        return await self.runner.run(SHOP, failures)

    @property
    def status(self):
        return self.api.objects[SHOP_OBJECT].get("status", {})

    def condition(self, kind: str):
        return next((condition for condition in self.status.get("conditions", []) if condition["type"] == kind), None)

    @property
    def events(self):
        return [item for key, item in self.api.objects.items() if key.resource == EVENT]


@pytest.fixture
def bench():
    return Bench()


async def test_a_run_writes_the_status_once_and_then_nothing(bench):
    bench.controller.outcome = Outcome(READY, WANTED, status={"components": [{"name": "db"}]}, requeue_after=30)
    assert (await bench.run()).after == 30
    assert bench.status["observedGeneration"] == 1
    assert bench.status["components"] == [{"name": "db"}]
    assert bench.status["revision"] == {"hash": revision_hash(WANTED), "current": 1, "generation": 1, "lastGood": 1}
    assert bench.status["drift"] == {"count": 0, "items": []}
    assert [condition["type"] for condition in bench.status["conditions"]] == ["Ready", "Reconciling", "Stalled", "DriftFree"]
    writes = list(bench.api.writes)
    for _ in range(3):
        bench.now = bench.now.replace(minute=bench.now.minute + 1)
        assert await bench.run() == RunResult(after=30)
    assert bench.api.writes == writes
    assert bench.events == []


async def test_the_second_run_of_the_same_objects_is_settled(bench):
    bench.controller.outcome = Outcome(READY, WANTED)
    await bench.run()
    await bench.run()
    assert [settled for _, settled in bench.applier.calls] == [False, True]
    bench.controller.outcome = Outcome(READY, ())
    await bench.run()
    assert bench.applier.calls[-1][1] is False


async def test_a_run_on_an_old_spec_does_not_undo_the_word_of_another_operator(bench):
    bench.controller.outcome = Outcome(READY, WANTED)
    before = {"observedGeneration": 2, "ready": "1/1"}

    async def another_acts_on_a_newer_spec():
        live = bench.api.objects[SHOP_OBJECT]
        bench.write(status=before, metadata=live["metadata"] | {"generation": 2})

    bench.controller.during = another_acts_on_a_newer_spec
    result = await bench.run()
    assert bench.status == before
    assert result.after is not None
    assert result.after < 1


@pytest.mark.parametrize("how", ["gone", "replaced", "going"])
async def test_nothing_is_made_for_an_object_that_was_deleted_during_the_run(bench, how):
    bench.controller.outcome = Outcome(READY, WANTED)
    metadata = bench.api.objects[SHOP_OBJECT]["metadata"]

    async def deleted():
        if how == "gone":
            bench.store.removed(SHOP_OBJECT, metadata["uid"])
        elif how == "replaced":
            bench.write(metadata=metadata | {"uid": "another"})
        else:
            bench.write(metadata=metadata | {"deletionTimestamp": "2026-11-20T08:00:00Z"})

    bench.controller.during = deleted
    assert await bench.run() == RunResult()
    assert bench.applier.calls == []
    assert bench.api.writes == []


async def test_a_run_that_wrote_children_is_followed_by_a_look(bench):
    bench.controller.outcome = Outcome(READY, WANTED, requeue_after=60)
    bench.applier.applied = Applied(changed=(SERVICE_KEY,))
    assert (await bench.run()).after < 1
    bench.applier.applied = Applied()
    assert (await bench.run()).after == 60


async def test_fields_that_the_controller_drops_leave_the_status(bench):
    bench.controller.outcome = Outcome(READY, status={"plan": {"hash": "x"}, "ready": "1/1"})
    await bench.run()
    bench.controller.outcome = Outcome(READY, status={"ready": "1/1"})
    await bench.run()
    assert "plan" not in bench.status
    assert bench.status["ready"] == "1/1"


async def test_without_objects_revision_and_drift_stay_as_they_were(bench):
    bench.controller.outcome = Outcome(READY, WANTED)
    await bench.run()
    before = bench.status["revision"]
    bench.controller.outcome = Outcome((Condition("Ready", "False", "InvalidSpec", "no such component"), *READY[1:]))
    await bench.run()
    assert bench.status["revision"] == before
    assert bench.condition("Ready")["reason"] == "InvalidSpec"


async def test_an_object_that_is_being_deleted_is_left_alone(bench):
    live = bench.api.objects[SHOP_OBJECT]
    bench.write(metadata=live["metadata"] | {"deletionTimestamp": "2026-11-20T08:00:00Z"})
    assert await bench.run() == RunResult()
    assert bench.controller.requests == []
    assert bench.api.writes == []


async def test_an_object_that_is_gone_is_forgotten(bench):
    await bench.run()
    uid = bench.api.objects[SHOP_OBJECT]["metadata"]["uid"]
    bench.store.removed(SHOP_OBJECT, uid)
    assert await bench.run() == RunResult(gone=True)
    assert bench.controller.forgotten == [("acme", "shop")]
    assert bench.applier.forgotten == [uid]
    assert await bench.run() == RunResult(gone=True)
    assert bench.controller.forgotten == [("acme", "shop")]


async def test_a_successor_of_the_same_name_begins_anew(bench):
    await bench.run()
    bench.api.remove(SHOP_OBJECT)
    bench.write()
    await bench.run()
    assert bench.controller.forgotten == [("acme", "shop")]
    assert bench.condition("Ready")["status"] == "True"


async def test_a_suspended_object_is_reported_on_and_left():
    bench = Bench(suspend=True)
    bench.controller.outcome = Outcome(READY, WANTED)
    await bench.run()
    assert bench.controller.requests[0].suspended
    assert bench.applier.calls == [(None, False)]
    assert bench.condition("Ready")["status"] == "True"
    assert bench.condition("Suspended")["status"] == "True"
    assert bench.condition("Reconciling")["reason"] == "Suspended"
    assert "observedGeneration" not in bench.status
    bench.write(spec={"suspend": False})
    await bench.run()
    assert bench.condition("Suspended") is None
    assert bench.status["observedGeneration"] == 2


async def test_an_unforeseen_error_becomes_a_condition_and_an_event_without_its_text(bench, caplog):
    bench.controller.outcome = ValueError("password=hunter2")
    result = await bench.run()
    assert result.failed
    assert bench.condition("Ready")["status"] == "False"
    assert bench.condition("Stalled")["reason"] == "ReconcileError"
    assert "observedGeneration" not in bench.status
    assert [event["reason"] for event in bench.events] == ["ReconcileError"]
    assert "hunter2" not in str(bench.api.objects)
    assert "ValueError" in caplog.text


async def test_the_same_error_again_writes_nothing(bench):
    bench.controller.outcome = Forbidden(403, "Forbidden", "cannot create roles")
    await bench.run()
    writes = list(bench.api.writes)
    for failures in range(1, 5):
        assert (await bench.run(failures)).failed
    assert bench.api.writes == writes
    assert bench.condition("Ready")["reason"] == "Forbidden"


async def test_what_was_known_of_readiness_survives_an_error_and_all_heals(bench):
    await bench.run()
    bench.controller.outcome = ValueError("a bug")
    await bench.run()
    assert bench.condition("Ready")["status"] == "True"
    assert bench.condition("Stalled")["status"] == "True"
    bench.controller.outcome = Outcome(READY)
    await bench.run()
    assert bench.condition("Stalled")["status"] == "False"


async def test_a_passing_error_is_told_when_it_lasts(bench):
    bench.controller.outcome = ApiUnavailable(503, "ServiceUnavailable", "away", retry_after=4)
    assert await bench.run(0) == RunResult(failed=True, after=4)
    assert bench.status == {}
    await bench.run(3)
    assert bench.condition("Reconciling")["reason"] == "ApiUnavailable"
    assert bench.condition("Stalled")["status"] == "False"


async def test_an_error_that_cannot_be_told_either_is_survived(bench):
    def refuse(verb, key):
        if verb == "patch":
            raise Forbidden(403, "Forbidden", "cannot patch")

    bench.client.fail = refuse
    bench.controller.outcome = ValueError("a bug")
    assert (await bench.run()).failed


async def test_a_spec_that_changes_during_the_run_is_not_claimed_as_seen(bench):
    async def edit():
        bench.write(spec={"changed": True})

    bench.controller.during = edit
    await bench.run()
    assert bench.status["observedGeneration"] == 1
    assert bench.api.objects[SHOP_OBJECT]["metadata"]["generation"] == 2


async def test_a_status_that_somebody_overtook_is_decided_anew(bench):
    async def edit_unseen():
        bench.controller.during = None
        bench.write(seen=False, spec={"changed": True})

    bench.controller.during = edit_unseen
    result = await bench.run()
    assert not result.failed
    assert result.after < 1
    assert bench.status == {}
    bench.store.seen(bench.api.objects[SHOP_OBJECT], BLUEPRINT)
    await bench.run()
    assert bench.status["observedGeneration"] == 2


async def test_corrected_drift_is_counted_and_told(bench):
    bench.controller.outcome = Outcome(READY, WANTED)
    await bench.run()
    bench.applier.applied = Applied(changed=(SERVICE_KEY,), drift=(DriftItem("Service/shop-db", "Update", ("spec.ports",)),))
    await bench.run()
    assert bench.status["drift"]["count"] == 1
    assert bench.condition("DriftFree")["status"] == "True"
    assert [event["reason"] for event in bench.events] == ["DriftCorrected"]
    assert "Service/shop-db" in bench.events[0]["note"]


async def test_reported_drift_is_a_condition_and_writes_once(bench):
    bench.controller.outcome = Outcome(READY, WANTED, correct_drift=False)
    bench.applier.applied = Applied(drift=(DriftItem("Service/shop-db", "Update", ("spec.ports",)),))
    await bench.run()
    assert bench.condition("DriftFree")["reason"] == "DriftFound"
    assert "Service/shop-db" in bench.condition("DriftFree")["message"]
    writes = list(bench.api.writes)
    await bench.run()
    assert bench.api.writes == writes
    assert bench.status["drift"]["count"] == 1


async def test_an_event_goes_with_a_change_only(bench):
    bench.controller.outcome = Outcome(READY, events=(Event("Normal", "Created", "made"),))
    await bench.run()
    await bench.run()
    assert len(bench.events) == 1
    assert "series" not in bench.events[0]


async def test_objects_that_could_not_be_applied_do_not_count_as_the_revision(bench):
    bench.controller.outcome = Outcome(READY, WANTED)
    bench.applier.applied = Conflict(409, "Conflict", "overtaken")
    assert (await bench.run(5)).failed
    assert "revision" not in bench.status


async def test_what_went_wrong_in_the_middle_of_an_apply_is_told(bench):
    bench.controller.outcome = Outcome(READY, WANTED)
    bench.applier.applied = Applied(error=Forbidden(403, "Forbidden", "no right"))
    assert (await bench.run(5)).failed
    assert bench.condition("Ready")["reason"] == "Forbidden"
    assert "revision" not in bench.status


async def test_a_held_status_is_not_written_but_a_failure_is(bench):
    bench.controller.outcome = Outcome(READY, WANTED, hold=True)
    assert not (await bench.run()).failed
    assert bench.status == {}
    bench.applier.applied = Applied(error=Forbidden(403, "Forbidden", "no right"))
    await bench.run()
    assert bench.condition("Ready")["reason"] == "Forbidden"


async def test_drift_is_counted_though_the_status_is_held(bench):
    bench.controller.outcome = Outcome(READY, WANTED, hold=True)
    bench.applier.applied = Applied(drift=(DriftItem("Service/shop", "Create", ()),))
    await bench.run()
    assert bench.status["drift"]["count"] == 1


async def test_of_an_object_that_is_being_deleted_only_what_the_controller_says_is_told(bench):
    live = bench.api.objects[SHOP_OBJECT]
    bench.write(metadata=live["metadata"] | {"deletionTimestamp": "2026-11-20T08:00:00Z"})

    async def leaving(_):
        return Outcome((Condition("Ready", "False", "Terminating", "a namespace hangs"),), WANTED, requeue_after=5.0)

    bench.controller.leaving = leaving
    assert await bench.run() == RunResult(after=5.0)
    assert bench.condition("Ready")["message"] == "a namespace hangs"
    assert bench.applier.calls == [], "the garbage collector takes the children along"


async def test_what_an_object_left_behind_is_seen_to_and_tried_again(bench):
    await bench.run()
    bench.store.removed(SHOP_OBJECT, bench.api.objects[SHOP_OBJECT]["metadata"]["uid"])
    answers = [Conflict(409, "Conflict", "busy"), None]

    async def gone(*_):
        if answer := answers.pop(0):
            raise answer

    bench.controller.gone = gone
    assert (await bench.run()).failed
    assert await bench.run() == RunResult(gone=True)


def test_a_run_that_hangs_is_ended():
    async def scenario() -> None:
        bench = Bench()
        bench.controller.during = lambda: asyncio.sleep(10_000)
        result = await bench.run(5)
        assert result.failed
        assert asyncio.get_running_loop().time() == pytest.approx(120)
        assert bench.condition("Reconciling")["reason"] == "Timeout"

    run_virtually(scenario())


async def test_cancellation_is_not_swallowed(bench):
    bench.controller.during = lambda: asyncio.sleep(10_000)
    task = asyncio.create_task(bench.run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_reconciles_are_counted_by_how_they_ended(bench):
    await bench.run()
    bench.controller.outcome = ValueError("a bug")
    await bench.run()
    text = bench.metrics.render({}).decode()
    assert 'dharma_reconciles_total{kind="Blueprint",outcome="Success"} 1.0' in text
    assert 'dharma_reconciles_total{kind="Blueprint",outcome="ReconcileError"} 1.0' in text
    assert 'dharma_reconcile_duration_seconds_count{kind="Blueprint"} 2.0' in text


def test_two_controllers_of_one_kind_are_refused():
    with pytest.raises(ValueError, match="two controllers for kind Blueprint"):
        Controllers([Scripted(), Scripted()])


def test_the_request_is_read_only(bench):
    asyncio.run(bench.run())
    with pytest.raises(dataclasses.FrozenInstanceError):
        bench.controller.requests[0].suspended = True


async def test_what_an_unfinished_run_knows_is_brought_about_before_its_error_is_told(bench):
    error = Forbidden(403, "Forbidden", "resourcequotas is forbidden in the namespace lab")
    bench.controller.outcome = UnfinishedError(Outcome(READY, WANTED), error)
    assert (await bench.run()).failed
    assert [objects for objects, _ in bench.applier.calls] == [WANTED]
    assert bench.condition("Ready")["reason"] == "Forbidden"
    assert "in the namespace lab" in bench.condition("Stalled")["message"]
