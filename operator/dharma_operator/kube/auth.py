"""How the operator proves who it is: Kopf's own logins, and the exec plugins of a kubeconfig, which Kopf does not run."""

import asyncio
import dataclasses
import json
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import kopf
import yaml

Login = Callable[[], Awaitable[kopf.ConnectionInfo]]
"""Returns credentials that are valid now; called at the start, when a token grows old, and after a 401."""

_EXEC_SECONDS = 60.0
_NOTHING: Mapping[str, Any] = {}


async def login(settings: kopf.OperatorSettings | None = None) -> kopf.ConnectionInfo:
    """Log in by the pod's service account, or else by the kubeconfig that `KUBECONFIG` or `~/.kube/config` names.

    Raises `kopf.LoginError` with the remedy when there is neither, or when the kubeconfig cannot be used.
    """
    settings = settings or kopf.OperatorSettings()
    info = await asyncio.to_thread(kopf.login_with_service_account, settings=settings)
    if info is not None:
        return _by_address(info, os.environ)
    try:
        info = await asyncio.to_thread(kopf.login_with_kubeconfig, settings=settings)
        if info is None:
            raise kopf.LoginError("no service account and no kubeconfig: set KUBECONFIG to a kubeconfig file")
        plugin = await asyncio.to_thread(_exec_plugin)
    except (OSError, KeyError, yaml.YAMLError) as error:
        raise kopf.LoginError(f"the kubeconfig {os.environ.get('KUBECONFIG', '~/.kube/config')} cannot be used: {error!r}") from error
    return info if plugin is None else await _with_plugin(info, plugin)


def _by_address(info: kopf.ConnectionInfo, environment: Mapping[str, str]) -> kopf.ConnectionInfo:
    """Reach the API server by the address that the kubelet gives each pod, so that the cluster's DNS may be down."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        return info
    return dataclasses.replace(info, server=f"https://{f'[{host}]' if ':' in host else host}:{port}")


def _exec_plugin() -> Mapping[str, Any] | None:
    """Return the `exec` section of the current context's user. As everywhere, the first file that names a thing wins."""
    names = (os.environ.get("KUBECONFIG") or "~/.kube/config").split(os.pathsep)
    paths = [Path(name.strip()).expanduser() for name in names if name.strip()]
    files: list[Mapping[str, Any]] = [yaml.safe_load(path.read_text(encoding="utf-8")) or {} for path in paths]

    def first(section: str, name: str, member: str) -> Mapping[str, Any]:
        items: list[Mapping[str, Any]] = [item for file in files for item in file.get(section) or ()]
        return next((item.get(member) or _NOTHING for item in items if item["name"] == name), _NOTHING)

    current = next((file["current-context"] for file in files if file.get("current-context")), "")
    return first("users", first("contexts", current, "context").get("user", ""), "user").get("exec")


async def _with_plugin(info: kopf.ConnectionInfo, plugin: Mapping[str, Any]) -> kopf.ConnectionInfo:
    """Run the plugin and take over the token or the certificate that it prints."""
    command = shutil.which(str(plugin["command"]))
    if command is None:
        hint = plugin.get("installHint") or "Install it, or use a kubeconfig with a token or a certificate."
        raise kopf.LoginError(f"the kubeconfig logs in by {plugin['command']}, which is not installed. {hint}")
    request = {"apiVersion": plugin["apiVersion"], "kind": "ExecCredential", "spec": {"interactive": False}}
    environment = {item["name"]: item["value"] for item in plugin.get("env") or ()}
    process = await asyncio.create_subprocess_exec(
        command,
        *(plugin.get("args") or ()),
        env={**os.environ, **environment, "KUBERNETES_EXEC_INFO": json.dumps(request)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, complaint = await asyncio.wait_for(process.communicate(), _EXEC_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise kopf.LoginError(f"{plugin['command']} did not log in within {_EXEC_SECONDS:.0f} s") from None
    if process.returncode != 0:
        raise kopf.LoginError(f"{plugin['command']} could not log in: {complaint.decode(errors='replace').strip()}")
    try:
        status = json.loads(output)["status"]
    except (ValueError, KeyError, TypeError) as error:
        raise kopf.LoginError(f"{plugin['command']} did not print an ExecCredential with a status") from error
    return dataclasses.replace(
        info,
        token=status.get("token"),
        certificate_path=None,
        private_key_path=None,
        certificate_data=status.get("clientCertificateData"),
        private_key_data=status.get("clientKeyData"),
    )
