"""Who the operator is: in a pod, by a kubeconfig, by its exec plugin, and what is said when it is nobody."""

import json
import stat
from pathlib import Path

import kopf
import pytest
import yaml

from dharma_operator.kube import auth

PLUGIN = """#!/bin/sh
echo "$KUBERNETES_EXEC_INFO" > "$0.asked"
echo "$GREETING $1" >> "$0.asked"
cat "$0.answer"
"""


@pytest.fixture
def no_service_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth.kopf, "login_with_service_account", lambda **_: None)


def kubeconfig(path: Path, user: dict) -> Path:
    content = {
        "current-context": "dev",
        "contexts": [{"name": "dev", "context": {"cluster": "dev", "user": "me"}}],
        "clusters": [{"name": "dev", "cluster": {"server": "https://127.0.0.1:6443"}}],
        "users": [{"name": "me", "user": user}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def plugin(folder: Path, answer: object, *, status: int = 0) -> Path:
    path = folder / "plugin"
    path.write_text(PLUGIN + f"exit {status}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    (folder / "plugin.answer").write_text(answer if isinstance(answer, str) else json.dumps(answer))
    return path


def by_plugin(command: Path | str) -> dict:
    api = "client.authentication.k8s.io/v1"
    return {"exec": {"apiVersion": api, "command": str(command), "args": ["token"], "env": [{"name": "GREETING", "value": "hello"}]}}


async def test_in_a_pod_the_kubelets_address_is_used(monkeypatch: pytest.MonkeyPatch):
    info = kopf.ConnectionInfo(server="https://kubernetes.default.svc", token="t")
    monkeypatch.setattr(auth.kopf, "login_with_service_account", lambda **_: info)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    assert (await auth.login()).server == "https://10.96.0.1:443"
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    assert (await auth.login()).server == "https://[fd00::1]:443"
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    assert (await auth.login()).server == "https://kubernetes.default.svc"


async def test_by_kubeconfig(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_service_account: None):
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "config", {"token": "t"})))
    info = await auth.login()
    assert (info.server, info.token) == ("https://127.0.0.1:6443", "t")


async def test_by_exec_plugin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_service_account: None):
    command = plugin(tmp_path, {"status": {"token": "from-plugin"}})
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "config", by_plugin(command))))
    assert (await auth.login()).token == "from-plugin"
    request, greeting = (tmp_path / "plugin.asked").read_text().splitlines()
    assert json.loads(request)["kind"] == "ExecCredential"
    assert greeting == "hello token"


async def test_an_exec_plugin_may_return_a_certificate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_service_account: None):
    command = plugin(tmp_path, {"status": {"clientCertificateData": "CERT", "clientKeyData": "KEY"}})
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "config", by_plugin(command))))
    info = await auth.login()
    assert (info.token, info.certificate_data, info.private_key_data) == (None, "CERT", "KEY")


@pytest.mark.parametrize(
    ("answer", "status", "sentence"),
    [("no json", 0, "did not print an ExecCredential"), ("{}", 0, "did not print an ExecCredential"), ("", 3, "could not log in")],
)
async def test_an_exec_plugin_that_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_service_account: None, answer: str, status: int, sentence: str
):
    command = plugin(tmp_path, answer, status=status)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "config", by_plugin(command))))
    with pytest.raises(kopf.LoginError, match=sentence):
        await auth.login()


async def test_an_exec_plugin_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_service_account: None):
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "config", by_plugin("no-such-plugin"))))
    with pytest.raises(kopf.LoginError, match="logs in by no-such-plugin, which is not installed\\. Install it"):
        await auth.login()


async def test_an_exec_plugin_that_hangs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_service_account: None):
    command = tmp_path / "plugin"
    command.write_text("#!/bin/sh\nexec sleep 60\n")
    command.chmod(0o755)
    monkeypatch.setattr(auth, "_EXEC_SECONDS", 0.1)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "config", by_plugin(command))))
    with pytest.raises(kopf.LoginError, match="did not log in within"):
        await auth.login()


async def test_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_service_account: None):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    with pytest.raises(kopf.LoginError, match="set KUBECONFIG to a kubeconfig file"):
        await auth.login()
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    with pytest.raises(kopf.LoginError, match="missing cannot be used"):
        await auth.login()
