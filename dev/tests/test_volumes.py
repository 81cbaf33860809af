"""Volumes of the default storage class: of an enforced size, growing while in use, removed or kept as their reclaim policy says."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from dev.tests.lab import Namespace, eventually, namespace, pod, probe_image

from dharma_dev import mounts
from dharma_dev.api import Api
from dharma_dev.node import NODES
from dharma_dev.run import command

pytestmark = pytest.mark.cluster

MEBIBYTE = 1 << 20
VOLUMES = NODES[0].volumes
GROUP = 2000


@pytest.fixture(scope="module")
def image() -> str:
    return probe_image()


@pytest.fixture
def space() -> Iterator[Namespace]:
    with Api() as api, namespace(api, "volumes") as own:
        yield own


def claim(space: Namespace, name: str, size: str, **spec: Any) -> None:
    """Create a claim of the default class."""
    content = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}
    manifest = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": content}
    space.create(space.path("persistentvolumeclaims"), manifest)


def get_claim(space: Namespace, name: str) -> dict[str, Any]:
    found = space.api.get(space.path("persistentvolumeclaims", name))
    assert found is not None
    return found


def bound(space: Namespace, name: str) -> str:
    """Wait until a claim has its volume and return the volume's name."""
    eventually(f"claim {name} is bound", lambda: get_claim(space, name)["status"].get("phase") == "Bound")
    volume: str = get_claim(space, name)["spec"]["volumeName"]
    return volume


def shows(space: Namespace, name: str, mebibytes: int) -> bool:
    """Whether a claim's status has a capacity."""
    return bool(get_claim(space, name)["status"]["capacity"]["storage"] == f"{mebibytes}Mi")


def start(space: Namespace, image: str, name: str, claims: list[str]) -> None:
    """Start a pod with claims mounted at /<claim>, as a user who owns nothing but is in the volumes' group."""
    manifest = pod(name, image, ["serve", "tcp:8080"], volumeMounts=[{"name": one, "mountPath": f"/{one}"} for one in claims])
    manifest["spec"]["securityContext"]["fsGroup"] = GROUP
    manifest["spec"]["volumes"] = [{"name": one, "persistentVolumeClaim": {"claimName": one}} for one in claims]
    space.start_pod(manifest)
    space.ready_pod(name)


def write(space: Namespace, name: str, path: str, mebibytes: int) -> str:
    """Write a file in a pod; return "written", or what the system said instead."""
    return space.exec(name, "/probe", "write", path, str(mebibytes)).strip()


def volume_size(space: Namespace, name: str, path: str) -> int:
    """The size in MiB of the file system that a pod has at a path."""
    return int(space.exec(name, "/probe", "size", path)) // MEBIBYTE


def test_past_its_size_a_volume_is_full(space: Namespace, image: str):
    claim(space, "data", "300Mi")
    start(space, image, "user", ["data"])
    volume = space.api.get(f"/api/v1/persistentvolumes/{bound(space, 'data')}")
    assert volume is not None
    assert volume["spec"]["capacity"]["storage"] == "300Mi"
    assert volume_size(space, "user", "/data") == 300
    assert write(space, "user", "/data/small", 200) == "written"
    assert write(space, "user", "/data/large", 150) == "no space left on device"


def test_a_raised_claim_grows_the_file_system_of_the_running_pod(space: Namespace, image: str):
    claim(space, "data", "300Mi")
    start(space, image, "user", ["data"])
    assert write(space, "user", "/data/large", 350) == "no space left on device"
    for size in (400, 600):
        space.merge(space.path("persistentvolumeclaims", "data"), {"spec": {"resources": {"requests": {"storage": f"{size}Mi"}}}})
        eventually(f"the claim shows {size} MiB", partial(shows, space, "data", size))
        assert volume_size(space, "user", "/data") == size
    assert write(space, "user", "/data/large", 350) == "written"
    status = space.ready_pod("user")["status"]["containerStatuses"][0]
    assert status["restartCount"] == 0
    conditions = {condition["type"] for condition in get_claim(space, "data")["status"].get("conditions", [])}
    assert not conditions & {"Resizing", "FileSystemResizePending"}


def test_a_deleted_claim_takes_its_volume_with_it(space: Namespace, image: str):
    claim(space, "data", "1Gi")
    start(space, image, "user", ["data"])
    volume = bound(space, "data")
    assert write(space, "user", "/data/file", 10) == "written"
    assert (VOLUMES / f"{volume}.img").exists()
    space.delete(space.path("persistentvolumeclaims", "data"))
    assert get_claim(space, "data")["metadata"]["deletionTimestamp"], "the claim goes only when no pod uses it"
    assert write(space, "user", "/data/file", 11) == "written"
    space.delete(space.path("pods", "user"))
    eventually("the volume's object is gone", lambda: space.api.get(f"/api/v1/persistentvolumes/{volume}") is None)
    assert of_volume(volume) == []


def of_volume(name: str) -> list[str]:
    """What the machine still has of a volume."""
    files = [str(path) for path in (*VOLUMES.glob(f"{name}*"), *(VOLUMES / "mounts").glob(name))]
    loops = [file for file in mounts.loops_below(VOLUMES).values() if name in file]
    return files + loops + [str(point) for point in mounts.below(VOLUMES) if name in str(point)]


@pytest.fixture
def retaining(space: Namespace) -> Iterator[str]:
    """A storage class that keeps its volumes."""
    path = "/apis/storage.k8s.io/v1/storageclasses"
    manifest = {"metadata": {"name": space.name}, "provisioner": "dev.dharma.io/xfs", "reclaimPolicy": "Retain"}
    space.create(path, {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", **manifest})
    yield space.name
    space.delete(f"{path}/{space.name}")


def test_retain_keeps_the_data(space: Namespace, image: str, retaining: str):
    """A claim by name gets them back; when the object is deleted too, the file is left to the administrator."""
    claim(space, "data", "300Mi", storageClassName=retaining)
    volume = bound(space, "data")
    path = f"/api/v1/persistentvolumes/{volume}"
    start(space, image, "first", ["data"])
    assert write(space, "first", "/data/kept", 7) == "written"
    space.delete(space.path("pods", "first"))
    space.delete(space.path("persistentvolumeclaims", "data"))
    eventually("the volume is released", lambda: (space.api.get(path) or {})["status"]["phase"] == "Released")
    space.merge(path, {"spec": {"claimRef": None}})
    claim(space, "again", "300Mi", storageClassName=retaining, volumeName=volume)
    start(space, image, "second", ["again"])
    assert space.exec("second", "/probe", "size", "/again/kept").strip() == str(7 * MEBIBYTE)
    space.delete(space.path("pods", "second"))
    space.delete(space.path("persistentvolumeclaims", "again"))
    eventually("the volume is released", lambda: (space.api.get(path) or {})["status"]["phase"] == "Released")
    space.delete(path)
    space.gone(path)
    file = VOLUMES / f"{volume}.img"
    assert of_volume(volume) == [str(file)]
    file.unlink()


def test_what_cannot_be_made_says_why(space: Namespace):
    claim(space, "shared", "300Mi", accessModes=["ReadWriteMany"])

    def reason() -> str | None:
        events = space.api.get(space.path("events")) or {}
        return next((event["message"] for event in events["items"] if event["reason"] == "ProvisioningFailed"), None)

    assert "set accessModes to ReadWriteOnce" in eventually("an event says why", reason)
    assert get_claim(space, "shared")["status"]["phase"] == "Pending"


def test_a_mount_that_was_lost_comes_back_with_its_data(space: Namespace, image: str):
    """As after a reboot: file there, mount and loop device gone, and the pod must not get an empty folder instead."""
    claim(space, "data", "300Mi")
    volume = bound(space, "data")
    start(space, image, "before", ["data"])
    assert write(space, "before", "/data/kept", 3) == "written"
    space.delete(space.path("pods", "before"))
    point = VOLUMES / "mounts" / volume
    eventually("no pod has the volume", lambda: [one for one in mounts.below(NODES[0].folder) if one.name == volume] == [point])
    command(["umount", point])
    assert not (point / "data").exists()
    # Any event of the volume makes the agent look at it.
    space.merge(f"/api/v1/persistentvolumes/{volume}", {"metadata": {"annotations": {"tests.dharma.io/looked": str(time.time())}}})
    start(space, image, "after", ["data"])
    assert space.exec("after", "/probe", "size", "/data/kept").strip() == str(3 * MEBIBYTE)
