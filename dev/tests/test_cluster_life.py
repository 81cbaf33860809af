"""The life of a cluster on this machine: made, repaired, stopped. On a second cluster, so that the machine's own is left alone."""

import os
import re
import shutil
import signal
import subprocess
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from dev.tests.spare import COMPONENTS, Spare, wait

from dharma_dev.run import say

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

KEEPER = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: keeper}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 300Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: keeper}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - {name: keeper, image: IMAGE, volumeMounts: [{name: data, mountPath: /data}]}
  volumes: [{name: data, persistentVolumeClaim: {claimName: keeper}}]
"""


@pytest.fixture(scope="module")
def spare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spare]:
    """A cluster that runs, with one pod that keeps a file in a volume."""
    cluster = Spare(tmp_path_factory.mktemp("spare"))
    try:
        cluster.up()
        wait("a service account for pods", lambda: "default" in cluster.kubectl("get", "serviceaccounts", "--output=name"))
        runtime = tomllib.loads((cluster.state / "config" / "containerd-node-1.toml").read_text())
        pause = runtime["plugins"]["io.containerd.cri.v1.images"]["pinned_images"]["sandbox"]
        cluster.apply(KEEPER.replace("IMAGE", pause))
        cluster.kubectl("wait", "--for=condition=Ready", "pod/keeper", "--timeout=60s")
        (volume(cluster) / "kept").write_text("still here")
        yield cluster
    finally:
        cluster.close()


def volume(spare: Spare) -> Path:
    """The keeper's volume, seen from the test through the namespaces' root."""
    lines = spare.namespaces.check("cat", "/proc/self/mounts").splitlines()
    points = (line.split()[1] for line in lines if line.split()[2] == "xfs")
    point = next(path for path in points if path.startswith(f"{spare.state}/nodes/node-1/volumes/"))
    return Path(f"/proc/{spare.components()['agent'][0]}/root{point}")


def assert_works(spare: Spare) -> None:
    """Each part runs exactly once, `status` says that all works, and the pod runs with its file."""
    assert {name: len(pids) for name, pids in spare.components().items()} == dict.fromkeys(COMPONENTS, 1)
    status = spare.run("status")
    assert status.returncode == 0, status.stdout
    spare.kubectl("wait", "--for=condition=Ready", "pod/keeper", "--timeout=60s")
    assert (volume(spare) / "kept").read_text() == "still here"


def started_at(spare: Spare) -> str:
    """When the pod's container was started."""
    return spare.kubectl("get", "pod/keeper", "--output=jsonpath={.status.containerStatuses[0].state.running.startedAt}")


def test_a_second_up_changes_nothing(spare: Spare, capsys: pytest.CaptureFixture[str]) -> None:
    spare.up()
    before = spare.components()
    begun = time.monotonic()
    said = spare.up()
    with capsys.disabled():
        say(f"\na second up takes {time.monotonic() - begun:.2f} s")
    assert "was up already" in said
    assert spare.components() == before
    assert_works(spare)


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_killed_part_alone_is_replaced(spare: Spare, component: str) -> None:
    spare.up()
    before, container = spare.components(), started_at(spare)
    os.kill(before[component][0], signal.SIGKILL)
    wait("the process is gone", lambda: component not in spare.components())
    assert re.search(rf"{component} +broken +does not run", spare.run("status").stdout)
    said = spare.up()
    after = spare.components()
    assert re.findall(r"starting (\S+)", said) == [component]
    assert {name for name in COMPONENTS if after[name] != before[name]} == {component}
    assert started_at(spare) == container, "the pod was restarted with it"
    assert_works(spare)


def test_a_hung_part_is_replaced(spare: Spare) -> None:
    spare.up()
    before = spare.components()["kube-scheduler"]
    os.kill(before[0], signal.SIGSTOP)
    said = spare.up()
    assert "kube-scheduler runs but does not work" in said
    assert spare.components()["kube-scheduler"] != before
    assert_works(spare)


def test_a_lost_certificate_is_made_anew_and_its_user_restarted(spare: Spare) -> None:
    spare.up()
    before = spare.components()
    (spare.state / "pki" / "kube-scheduler.key").unlink()
    (spare.state / "pki" / "kube-apiserver.crt").write_text("cut off")
    said = spare.up()
    assert re.findall(r"starting (\S+)", said) == ["kube-apiserver", "kube-scheduler"]
    assert spare.components()["etcd"] == before["etcd"]
    assert_works(spare)


def test_after_a_lost_authority_everything_works_with_a_new_one(spare: Spare) -> None:
    spare.up()
    before = spare.components()
    (spare.state / "pki" / "ca.key").unlink()
    assert "certificate authority is damaged" in spare.up()
    assert all(spare.components()[name] != before[name] for name in COMPONENTS)
    assert_works(spare)


def test_all_processes_killed_at_once(spare: Spare) -> None:
    spare.up()
    spare.kill_everything()
    left = spare.namespaces.check("sh", "-c", "cat /proc/self/mounts; ip -brief link")
    assert f"{spare.state}/nodes" in left, "mounts should have stayed for `up` to find"
    assert "cni0" in left
    spare.up()
    assert_works(spare)


def test_two_at_once_make_one_cluster(spare: Spare) -> None:
    spare.up()
    os.kill(spare.components()["kube-apiserver"][0], signal.SIGKILL)
    both = [spare.start("up"), spare.start("up")]
    said = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("starting kube-apiserver" in text for text in said) == 1
    assert_works(spare)


def test_an_interrupted_up_is_gone_on_with(spare: Spare) -> None:
    assert spare.run("down").returncode == 0
    process = spare.start("up")
    assert process.stderr is not None
    for line in process.stderr:
        if "starting kube-apiserver" in line:
            break
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Interrupted" in said
    assert "kubelet" not in spare.components()
    spare.up()
    assert_works(spare)


def test_down_leaves_nothing_of_its_own_and_all_of_others(spare: Spare, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spare.up()
    namespaces = spare.namespaces
    impostor = tmp_path / "kubelet"
    shutil.copy2("/usr/bin/sleep", impostor)
    namespaces.check("nft", "add table inet others; add chain inet others forward { type filter hook forward priority 0; }")
    other = subprocess.Popen(namespaces.argv(str(impostor), "infinity"))
    try:
        done = spare.run("down")
        assert done.returncode == 0, done.stderr
        assert other.poll() is None, "a process of the same name was ended"
    finally:
        other.kill()
        other.wait()
    assert spare.processes() == []
    assert str(spare.state) not in namespaces.check("cat", "/proc/self/mounts")
    assert str(spare.state) not in namespaces.check("losetup", "--list", "--output=BACK-FILE")
    assert namespaces.check("nft", "list", "tables").split("\n")[:-1] == ["table inet others"]
    links = namespaces.check("ip", "-brief", "link").splitlines()
    assert [line.split()[0] for line in links] == ["lo"]
    assert namespaces.check("ip", "route", "show", "table", "main") == ""
    group = str(spare.state).strip("/").replace("/", "-")
    assert not list(Path("/sys/fs/cgroup").glob(f"**/{group}*"))
    assert spare.run("down").returncode == 0, "a second down finds nothing to do"
    namespaces.check("nft", "delete", "table", "inet", "others")
    said = spare.up()
    with capsys.disabled():
        say(f"\n{said.splitlines()[-1]}")
    assert_works(spare)


def test_a_bridge_of_another_program_is_left_alone(spare: Spare) -> None:
    assert spare.run("down").returncode == 0
    spare.namespaces.check("ip", "link", "add", "cni0", "type", "bridge")
    try:
        done = spare.run("up")
        assert done.returncode == 1
        assert "The network device `cni0` exists and another program made it: stop that program" in done.stderr
        assert spare.components() == {}
        assert spare.run("down").returncode == 0
        assert "cni0" in spare.namespaces.check("ip", "-brief", "link")
    finally:
        spare.namespaces.check("ip", "link", "delete", "cni0")
