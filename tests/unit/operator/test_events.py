"""Events are written once; repetitions are counted."""

from datetime import UTC, datetime

import pytest
from tests.support.fake_api import FakeApi, FakeClient, outage

from dharma_handlers.outcome import Event
from dharma_operator.events import Recorder
from dharma_operator.kube.resources import EVENT

NOW = datetime(2026, 11, 20, 8, 0, 0, 5, tzinfo=UTC)
OWNER = {
    "apiVersion": "dharma.io/v1alpha1",
    "kind": "Blueprint",
    "metadata": {"name": "shop", "namespace": "acme", "uid": "u1", "resourceVersion": "7"},
}
EVENT_OF_ALL = Event("Warning", "DriftCorrected", "put back")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def api():
    return FakeApi()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def recorder(api, clock):
    return Recorder(FakeClient(api), "operator-0_abcd", clock)


def events(api):
    return [item for key, item in api.objects.items() if key.resource == EVENT]


async def test_an_event_names_its_object(api, recorder):
    await recorder.record(OWNER, EVENT_OF_ALL, NOW)
    (event,) = events(api)
    assert event["regarding"] == {
        "apiVersion": "dharma.io/v1alpha1",
        "kind": "Blueprint",
        "name": "shop",
        "namespace": "acme",
        "uid": "u1",
        "resourceVersion": "7",
    }
    assert (event["type"], event["reason"], event["note"]) == ("Warning", "DriftCorrected", "put back")
    assert event["eventTime"] == "2026-11-20T08:00:00.000005Z"
    assert event["metadata"]["namespace"] == "acme"


async def test_repetitions_cost_no_write_for_ten_minutes_and_are_counted_then(api, recorder, clock):
    for _ in range(5):
        await recorder.record(OWNER, EVENT_OF_ALL, NOW)
        clock.now += 60
    assert len(api.writes) == 1
    clock.now += 400
    await recorder.record(OWNER, EVENT_OF_ALL, NOW)
    (event,) = events(api)
    assert event["series"]["count"] == 6
    assert len(api.writes) == 2


async def test_other_words_are_another_event(api, recorder):
    await recorder.record(OWNER, EVENT_OF_ALL, NOW)
    await recorder.record(OWNER, Event("Warning", "DriftCorrected", "something else"), NOW)
    await recorder.record(OWNER | {"metadata": OWNER["metadata"] | {"uid": "u2"}}, EVENT_OF_ALL, NOW)
    assert len(events(api)) == 3


async def test_what_a_former_process_told_is_joined(api, recorder, clock):
    await recorder.record(OWNER, EVENT_OF_ALL, NOW)
    await Recorder(FakeClient(api), "operator-0_efgh", clock).record(OWNER, EVENT_OF_ALL, NOW)
    (event,) = events(api)
    assert event["series"]["count"] == 2


async def test_an_event_that_ran_out_is_written_again(api, recorder, clock):
    await recorder.record(OWNER, EVENT_OF_ALL, NOW)
    api.objects.clear()
    clock.now += 1000
    await recorder.record(OWNER, EVENT_OF_ALL, NOW)
    assert len(events(api)) == 1


async def test_an_object_of_cluster_scope_has_its_events_in_default(api, recorder):
    tenant = {"apiVersion": "dharma.io/v1alpha1", "kind": "Tenant", "metadata": {"name": "acme", "uid": "t"}}
    await recorder.record(tenant, EVENT_OF_ALL, NOW)
    assert events(api)[0]["metadata"]["namespace"] == "default"


async def test_names_and_notes_are_cut_to_what_the_server_takes(api, recorder):
    owner = OWNER | {"metadata": OWNER["metadata"] | {"name": "n" * 253}}
    await recorder.record(owner, Event("Normal", "Long", "x" * 5000), NOW)
    (event,) = events(api)
    assert len(event["metadata"]["name"]) <= 253
    assert len(event["note"]) == 1024


async def test_an_event_that_cannot_be_written_breaks_nothing(api, clock, caplog):
    await Recorder(FakeClient(api, outage), "operator-0_abcd", clock).record(OWNER, EVENT_OF_ALL, NOW)
    assert "an event cannot be written" in caplog.text
