"""The API server goes away for a while, and comes back changed."""

import asyncio
import time

from tests.cluster.test_process import backup, reported
from tests.support.cluster import KUBECONFIG, wait_until
from tests.support.tcp_proxy import Door

from dharma_operator.kube.resources import BACKUP, SERVICE, ObjectKey


def service(namespace: str, name: str, owner: str):
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "iac-dharma", "dharma.io/backup": owner},
        },
        "spec": {"ports": [{"port": 80}]},
    }


async def test_an_outage_is_survived_and_all_that_changed_meanwhile_is_seen(operator, client, namespace, tmp_path):
    async with Door(KUBECONFIG) as door:
        process = operator()
        process.close()
        process.environment["KUBECONFIG"] = str(door.kubeconfig(tmp_path / "through-the-door"))
        process.start()
        await process.ready()
        keys = {name: ObjectKey(BACKUP, namespace, name) for name in ("kept", "changed", "deleted", "made")}
        for name in ("kept", "changed", "deleted"):
            await client.create(backup(namespace, name))
            await reported(client, keys[name])
        await client.create(service(namespace, "child", "kept"))
        await wait_until(lambda: process.metric("dharma_store_objects", kind="services") == 1, "the child is seen", seconds=10)

        door.shut()
        await client.delete(keys["deleted"])
        await client.delete(ObjectKey(SERVICE, namespace, "child"))
        await client.patch(keys["changed"], {"spec": {"schedule": "0 3 * * *"}})
        await client.create(backup(namespace, "made"))
        await wait_until(lambda: process.metric("dharma_leader") == 0, "it steps down, as its lease cannot be renewed", seconds=30)
        await asyncio.sleep(10)  # long enough for retries to grow slow
        assert process.running

        door.open()
        started = time.monotonic()
        await reported(client, keys["made"])
        await reported(client, keys["changed"], generation=2)
        print(f"caught up {time.monotonic() - started:.1f} s after the API server was back")
        await wait_until(lambda: process.metric("dharma_store_objects", kind="services") == 0, "the deleted child is known", seconds=30)
        assert process.get("/healthz")[0] == 200
        assert process.metric("dharma_reconciles_total", outcome="ReconcileError") == 0
        assert await process.stop() == 0
