"""Events as the real API server takes them and kubectl shows them."""

from datetime import UTC, datetime

from tests.cluster.test_process import backup
from tests.support.cluster import wait_until

from dharma_handlers.outcome import Event
from dharma_operator.events import Recorder


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_an_event_is_shown_by_kubectl_and_a_repetition_is_counted(client, crds, namespace, kubectl):
    owner = await client.create(backup(namespace))
    clock = Clock()
    event = Event("Warning", "DriftCorrected", "Changed by others and put back: Service/web")
    recorder = Recorder(client, "operator-0_abcd", clock)
    for _ in range(3):
        await recorder.record(owner, event, datetime.now(UTC))
        clock.now += 400
    await recorder.record(owner, event, datetime.now(UTC))
    shown = await wait_until(
        lambda: next((line for line in kubectl("describe", "dhk", "web", "-n", namespace).splitlines() if "DriftCorrected" in line), None),
        "kubectl describe shows the event",
    )
    assert "Warning" in shown
    assert "Service/web" in shown
    assert "(x" in shown, "the count of a series is shown as (x3 over 20s)"
    listed = kubectl("get", "events", "-n", namespace, "--field-selector", "reason=DriftCorrected", "--output", "name").splitlines()
    assert len(listed) == 1


async def test_what_a_former_process_told_is_joined(client, crds, namespace, kubectl):
    owner = await client.create(backup(namespace))
    for instance in ("operator-0_abcd", "operator-1_efgh"):
        await Recorder(client, instance, Clock()).record(owner, Event("Normal", "Told", "once"), datetime.now(UTC))
    listed = kubectl("get", "events", "-n", namespace, "--field-selector", "reason=Told", "--output", "jsonpath={.items[*].series.count}")
    assert listed == "2"
