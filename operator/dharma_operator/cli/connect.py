"""`dharma connect`: psql or redis-cli on the right endpoint, with the password from the connection Secret and in no command line."""

import base64
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass

from dharma_operator.cli.cluster import CliError, Cluster, Manifest
from dharma_operator.cli.execute import execute
from dharma_operator.cli.forward import Forward


@dataclass(frozen=True)
class Endpoint:
    """Where to connect and as whom."""

    component: str
    type: str
    pod: str
    values: dict[str, str]
    """The connection Secret, decoded."""


def connect(cluster: Cluster, blueprint: Manifest, component: str | None, user: str | None, arguments: list[str]) -> int:
    """Run the client and return its exit code. Raises CliError when there is nothing to connect to."""
    endpoint = _endpoint(cluster, blueprint, component, user)
    namespace = blueprint["metadata"]["namespace"]
    if endpoint.type == "pgbouncer":
        return _through_pooler(cluster, namespace, endpoint, arguments)
    values = endpoint.values
    if endpoint.type == "redis":
        client, secret = ["redis-cli", "--user", values.get("user", "default"), "--no-auth-warning"], "REDISCLI_AUTH"
    else:
        client, secret = ["psql", "-h", "127.0.0.1", "-p", "5432", "-U", values["user"], "-d", values["dbname"]], "PGPASSWORD"
    return execute(cluster, namespace, endpoint.pod, endpoint.type, [*client, *arguments], (secret, values["password"]))


def _endpoint(cluster: Cluster, blueprint: Manifest, component: str | None, user: str | None) -> Endpoint:
    name, namespace = blueprint["metadata"]["name"], blueprint["metadata"]["namespace"]
    components = {one["name"]: one for one in blueprint.get("status", {}).get("components", [])}
    if not components:
        raise CliError(f"Blueprint {name} runs nothing yet; see: dharma status {name} -n {namespace}")
    chosen = component or next((one for one in components if components[one].get("type") == "postgres"), next(iter(components)))
    if chosen not in components:
        raise CliError(f'Blueprint {name} has no component "{chosen}"; it has: {", ".join(components)}')
    kind = components[chosen]["type"]
    pods = cluster.list(f"/api/v1/namespaces/{namespace}/pods", f"dharma.io/blueprint={name},dharma.io/component={chosen}")
    running = [pod["metadata"]["name"] for pod in pods if pod.get("status", {}).get("phase") == "Running"]
    pod = next((one for one in running if one == components[chosen].get("primary")), next(iter(sorted(running)), None))
    if pod is None:
        raise CliError(f"No pod of {name}/{chosen} runs; see: dharma status {name} -n {namespace}")
    spec = next(one for one in blueprint["spec"]["components"] if one["name"] == chosen)
    source = spec["pgbouncer"]["target"] if kind == "pgbouncer" else chosen
    return Endpoint(chosen, kind, pod, _secret(cluster, namespace, f"{name}-{source}", blueprint, source, user))


def _secret(cluster: Cluster, namespace: str, prefix: str, blueprint: Manifest, source: str, user: str | None) -> dict[str, str]:
    """Read the connection Secret of a user by its fixed name, `<blueprint>-<component>-<user>`."""
    if not user:
        spec = next(one for one in blueprint["spec"]["components"] if one["name"] == source)
        users = [one["name"] for one in spec.get("postgres", {}).get("users", [])]
        owners = [one["owner"] for one in spec.get("postgres", {}).get("databases", []) if one.get("owner")]
        user = str(next(iter([*users, *owners]), "default"))
    secret = cluster.get(f"/api/v1/namespaces/{namespace}/secrets/{prefix}-{user.replace('_', '-')}")
    if secret is None:
        raise CliError(
            f"There is no Secret {prefix}-{user} in {namespace}; which users there are: dharma status {blueprint['metadata']['name']}"
        )
    return {key: base64.b64decode(value).decode() for key, value in secret.get("data", {}).items()}


def _through_pooler(cluster: Cluster, namespace: str, endpoint: Endpoint, arguments: list[str]) -> int:
    """Run the local psql through a forwarded port: the pooler's image has no client."""
    psql = shutil.which("psql")
    if psql is None:
        raise CliError(
            "psql is not on this machine and the pooler has none; install postgresql-client, or connect to the database component."
        )
    values = endpoint.values
    with Forward(cluster, namespace, endpoint.pod, 6432) as port:
        environment = os.environ | {
            "PGHOST": "127.0.0.1", "PGPORT": str(port),
            "PGUSER": values["user"], "PGDATABASE": values["dbname"], "PGPASSWORD": values["password"],
        }  # fmt: skip
        return subprocess.run([psql, *arguments], env=environment, stdin=sys.stdin, check=False).returncode  # noqa: S603 (the user's own arguments)
