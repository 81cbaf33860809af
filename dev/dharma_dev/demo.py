"""`make demo`: install the operator with Helm, apply an example, use what comes of it as its app would, and show the tree."""

import argparse
import json
import subprocess
import sys
import time
from typing import Any

from dharma_dev.images_inputs import IMAGES, TEST_IMAGE, tags_in
from dharma_dev.paths import CHECKOUT, IMAGES_VALUES, LINKS_DIR
from dharma_dev.run import CommandError, UserError, command, say, step

KUBECTL = LINKS_DIR / "bin" / "kubectl"
HELM = LINKS_DIR / "bin" / "helm"
ENVIRONMENT = {"KUBECONFIG": str(LINKS_DIR / "kubeconfig")}
RELEASE, SYSTEM, NAMESPACE = "iac-dharma", "dharma-system", "demo"
EXAMPLE = CHECKOUT / "examples" / "shop.yaml"
READY_TIMEOUT = 300.0
"""Seconds until the example must be Ready; the first pull of a volume or an image can take its time."""

CLIENT_SCRIPT = """
set -eu
printf 'row|'
psql "$POOLED_URI" --quiet --no-psqlrc --no-align --tuples-only --field-separator ' | ' -v ON_ERROR_STOP=1 -v who="$HOSTNAME" <<'SQL'
set client_min_messages = warning;
create table if not exists visits (id bigserial primary key, at timestamptz not null default now(), said text not null);
insert into visits (said) values ('hello from ' || :'who');
select id, said, at from visits order by id desc limit 1;
SQL
redis-cli -u "$CACHE_URI" --no-auth-warning set greeting "hello from $HOSTNAME" > /dev/null
echo "key|$(redis-cli -u "$CACHE_URI" --no-auth-warning get greeting)"
"""


def main() -> int:
    """Run the demo, or with --clean remove what it made. A foreseen failure is one sentence and exit code 1."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--clean", action="store_true", help="remove the example and the operator; the cluster stays")
    begun = time.monotonic()
    try:
        if parser.parse_args().clean:
            clean()
        else:
            run()
            say(f"\nThe demo took {time.monotonic() - begun:.0f} s. Remove it: make demo-clean")
    except UserError as error:
        say(f"demo: {error}")
        return 1
    return 0


def run() -> None:
    """Do the whole path; every step may be done again."""
    with step("helm upgrade --install: the operator"):
        command(
            [HELM, "upgrade", "--install", RELEASE, CHECKOUT / "charts" / "iac-dharma", "--namespace", SYSTEM, "--create-namespace",
                # The kinds may be there already, from the tests or from `kubectl apply -f crds/`.
                "--take-ownership", "--force-conflicts",
             "--values", IMAGES_VALUES, "--wait", "--timeout", "3m"],
            env=ENVIRONMENT,
        )  # fmt: skip
    _apply(json.dumps(_namespace()))
    _kubectl("apply", "--namespace", NAMESPACE, "--filename", str(EXAMPLE))
    say("Blueprint shop: Postgres, PgBouncer and Redis ...")
    _wait_ready()
    _use()
    print()
    dharma = CHECKOUT / ".venv" / "bin" / "dharma"
    subprocess.run([dharma, "status", "shop", "--namespace", NAMESPACE], env=ENVIRONMENT | _colour(), check=True)
    print(
        "\nTry next (the first line once in your shell):\n"
        '  export KUBECONFIG=$PWD/.dev/kubeconfig PATH="$PWD/.venv/bin:$PWD/.dev/bin:$PATH"\n'
        "  dharma connect shop -n demo -- -c 'select * from visits'\n"
        "  kubectl -n demo delete pod shop-db-0 && dharma status shop -n demo --watch\n"
        "  dharma doctor"
    )


def clean() -> None:
    """Remove the namespace with the example and the release; the CRDs stay, as after any uninstall."""
    with step("remove the example"):
        _kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=120s")
    with step("helm uninstall"):
        command([HELM, "uninstall", RELEASE, "--namespace", SYSTEM, "--ignore-not-found", "--wait"], env=ENVIRONMENT)
        _kubectl("delete", "namespace", SYSTEM, "--ignore-not-found", "--timeout=120s")


def _namespace() -> dict[str, Any]:
    """Describe the demo's namespace: it takes only `restricted` pods, so what the operator makes must pass."""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }


def _wait_ready() -> None:
    """Follow the status until Ready, telling each change. Raises UserError with what it waited for when that takes too long."""
    begun = time.monotonic()
    told: dict[str, str] = {}
    while True:
        blueprint: dict[str, Any] = json.loads(
            _kubectl("get", "blueprints.dharma.io", "shop", "--namespace", NAMESPACE, "--output", "json")
        )
        status = blueprint.get("status", {})
        for part in status.get("components", []):
            news = f"{part.get('ready', '')} {part.get('message', '')}".strip()
            if told.get(part["name"]) != news:
                told[part["name"]] = news
                say(f"  {time.monotonic() - begun:5.1f} s  {part['name']:<6} {news}")
        conditions: list[dict[str, str]] = status.get("conditions", [])
        ready = next((one for one in conditions if one["type"] == "Ready"), dict[str, str]())
        if ready.get("status") == "True" and status.get("observedGeneration") == blueprint["metadata"]["generation"]:
            say(f"  {time.monotonic() - begun:5.1f} s  Ready")
            return
        if time.monotonic() - begun > READY_TIMEOUT:
            raise UserError(
                f"The Blueprint is not Ready after {READY_TIMEOUT:.0f} s: {ready.get('message', 'no operator has looked at it')} "
                f"See: kubectl -n {NAMESPACE} get pods,events; kubectl -n {SYSTEM} logs deployment/{RELEASE}"
            )
        time.sleep(0.3)


def _use() -> None:
    """Write and read back a row through PgBouncer and a key in Redis, from a pod, with nothing but the connection Secrets."""
    say("As the app, from a pod, with the connection Secrets:")
    _kubectl("delete", "pod", "shop-client", "--namespace", NAMESPACE, "--ignore-not-found", "--wait", "--grace-period=1")
    _apply(json.dumps(_client_pod()))
    try:
        _kubectl("wait", "pod/shop-client", "--namespace", NAMESPACE, "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
    except CommandError as error:
        logs = _kubectl("logs", "shop-client", "--namespace", NAMESPACE)
        raise UserError(f"The client pod did not succeed: {logs.strip() or error}") from error
    for line in _kubectl("logs", "shop-client", "--namespace", NAMESPACE).splitlines():
        what, _, value = line.partition("|")
        label = {"row": "row through PgBouncer into Postgres", "key": "key in Redis"}.get(what, what)
        say(f"  {label}: {value}")


def _client_pod() -> dict[str, Any]:
    def variable(name: str, secret: str, key: str) -> dict[str, Any]:
        return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}

    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "shop-client", "namespace": NAMESPACE, "labels": {"app": "shop-client"}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "client",
                    "image": _toolbox(),
                    "command": ["sh", "-c", CLIENT_SCRIPT],
                    "env": [variable("POOLED_URI", "shop-db-shop", "pooled-uri"), variable("CACHE_URI", "shop-cache-default", "uri")],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }


def _toolbox() -> str:
    """Return the client image that `make images` built."""
    tags = tags_in(IMAGES_VALUES.read_text())
    return next(image.reference(tags[TEST_IMAGE]) for image in IMAGES if image.name == TEST_IMAGE)


def _kubectl(*arguments: str, stdin: str | None = None) -> str:
    return command([KUBECTL, *arguments], env=ENVIRONMENT, stdin=stdin)


def _apply(manifest: str) -> None:
    _kubectl("apply", "--server-side", "--filename", "-", stdin=manifest)


def _colour() -> dict[str, str]:
    return {"FORCE_COLOR": "1"} if sys.stdout.isatty() else {}


if __name__ == "__main__":
    sys.exit(main())
