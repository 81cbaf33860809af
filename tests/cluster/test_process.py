"""The operator process against the real API server: its start, its work on kinds without a controller, its end."""

import asyncio
import contextlib
import signal
import socket
import subprocess
import time

import pytest
from tests.support.cluster import environment, wait_until
from tests.support.operator_process import PROGRAM

from dharma_operator.kube.client import Client
from dharma_operator.kube.resources import BACKUP, LEASE, ObjectKey


def backup(namespace: str, name: str = "web", **spec):
    return {
        "apiVersion": "dharma.io/v1alpha1",
        "kind": "Backup",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"blueprint": "shop", "schedule": "0 2 * * *", "destination": {"volume": {"size": "1Gi"}}, **spec},
    }


def condition(manifest, kind: str):
    return next((item for item in ((manifest or {}).get("status") or {}).get("conditions", []) if item["type"] == kind), None)


async def reported(client: Client, key: ObjectKey, generation: int = 1):
    """The object once its status speaks of this generation."""

    async def look():
        found = await client.get(key)
        return found if found and (found.get("status") or {}).get("observedGeneration") == generation else None

    return await wait_until(look, f"{key} reports on generation {generation}", seconds=20, every=0.02)


async def test_a_kind_without_a_controller_says_so_at_once(operator, client, namespace, kubectl):
    await operator().ready()
    key = ObjectKey(BACKUP, namespace, "web")
    started = time.monotonic()
    await client.create(backup(namespace))
    found = await reported(client, key)
    print(f"status after {time.monotonic() - started:.3f} s")
    ready = condition(found, "Ready")
    assert (ready["status"], ready["reason"]) == ("Unknown", "NotImplemented")
    assert condition(found, "Reconciling")["status"] == condition(found, "Stalled")["status"] == "False"
    assert "Unknown" in kubectl("get", "dhk", "--namespace", namespace)
    assert "finalizers" not in found["metadata"]
    assert "annotations" not in found["metadata"]


async def test_a_change_of_the_spec_is_seen_and_times_stay(operator, client, namespace):
    await operator().ready()
    key = ObjectKey(BACKUP, namespace, "web")
    await client.create(backup(namespace))
    first = await reported(client, key)
    await client.patch(key, {"spec": {"schedule": "0 3 * * *"}})
    second = await reported(client, key, generation=2)
    assert condition(second, "Ready")["observedGeneration"] == 2
    assert condition(second, "Ready")["lastTransitionTime"] == condition(first, "Ready")["lastTransitionTime"]


async def test_suspending_is_said_and_taken_back(operator, client, namespace):
    await operator().ready()
    key = ObjectKey(BACKUP, namespace, "web")
    await client.create(backup(namespace, suspend=True))

    async def suspended():
        return condition(await client.get(key), "Suspended")

    assert (await wait_until(suspended, "the object says that it is suspended", seconds=20))["status"] == "True"
    await client.patch(key, {"spec": {"suspend": False}})
    assert condition(await reported(client, key, generation=2), "Suspended") is None


async def test_what_was_there_before_the_start_is_served_and_deleting_never_hangs(operator, client, namespace):
    keys = [ObjectKey(BACKUP, namespace, f"web-{number}") for number in range(5)]
    for key in keys:
        await client.create(backup(namespace, key.name))
    process = await operator().ready()
    for key in keys:
        await reported(client, key)
    process.kill()
    for key in keys:
        assert await client.delete(key)
        assert await client.get(key) is None


async def test_sigterm_ends_it_soon_with_code_0_and_the_lease_released(operator, client, namespace):
    process = await operator(lease_name="polite").ready()
    key = ObjectKey(LEASE, namespace, "polite")

    async def held():
        lease = await client.get(key)
        return lease and lease["spec"].get("holderIdentity")

    await wait_until(held, "the lease is held", seconds=20)
    for number in range(50):
        await client.create(backup(namespace, f"web-{number}"))
    started = time.monotonic()
    assert await process.stop(seconds=10) == 0
    print(f"stopped in {time.monotonic() - started:.2f} s")
    assert not await held()


async def test_sigterm_right_after_the_start_ends_it_too(operator):
    process = operator()
    await wait_until(lambda: process.get("/healthz")[0] == 200, "it listens", seconds=20, every=0.01)
    assert await process.stop(seconds=10) == 0


async def test_probes_and_metrics_answer(operator):
    process = await operator().ready()
    assert process.get("/healthz") == (200, "ok\n")
    await wait_until(lambda: process.metric("dharma_leader") == 1, "it leads", seconds=20)
    assert process.metric("dharma_caches_synced") == 1
    assert process.metric("dharma_watch_lists_total") > 5


async def test_a_reconcile_is_one_json_line_that_says_what_it_was_about(operator, client, namespace):
    process = await operator().ready()
    await client.create(backup(namespace))
    await reported(client, ObjectKey(BACKUP, namespace, "web"))
    line = await wait_until(
        lambda: next((line for line in process.lines() if line["message"].startswith("reconciled")), None), "a line tells of the reconcile"
    )
    assert (line["kind"], line["namespace"], line["name"], line["generation"]) == ("Backup", namespace, "web", 1)
    assert len(line["reconcile_id"]) == 8
    assert all("level" in line for line in process.lines())


def test_a_taken_port_is_one_sentence(kubeconfig):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [PROGRAM, "--address", "127.0.0.1", "--port", str(port)],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "cannot serve" in line
    assert str(port) in line


def test_no_kubeconfig_is_one_sentence_with_the_remedy(tmp_path):
    surroundings = environment(HOME=str(tmp_path), KUBECONFIG="", DHARMA_PORT="0")
    done = subprocess.run([PROGRAM], env=surroundings, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "set KUBECONFIG" in done.stderr
    assert "Traceback" not in done.stderr


async def test_two_objects_of_one_name_in_a_row_are_two(operator, client, namespace):
    await operator().ready()
    key = ObjectKey(BACKUP, namespace, "nightly")
    manifest = {
        "apiVersion": "dharma.io/v1alpha1",
        "kind": "Backup",
        "metadata": {"name": "nightly", "namespace": namespace},
        "spec": {"blueprint": "shop", "destination": {"volume": {"size": "1Gi"}}},
    }
    for _ in range(5):
        await client.create(manifest)
        await reported(client, key)
        await client.delete(key)
        assert await client.get(key) is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_both_signals_are_polite(operator, number):
    process = await operator().ready()
    with contextlib.suppress(ProcessLookupError):
        process._process.send_signal(number)
    assert await asyncio.wait_for(process.exited(10), 15) == 0
