"""`dharma promote|abort|undo|restart|history`: what a person decides about a Deployment."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dharma_operator.cli import rollout
from dharma_operator.cli.cluster import Cluster
from dharma_operator.cli.options import Context, Namespace

Target = Annotated[str, typer.Argument(help="A Deployment of dharma.io, as dhd/web or web.")]


def promote(target: Target, namespace: Namespace = None, context: Context = None) -> None:
    """Say yes to the version that waits for it: it takes over."""
    cluster = Cluster(context, namespace)
    found = rollout.deployment(cluster, target)
    version = rollout.to_promote(found)
    rollout.decide(cluster, found, rollout.PROMOTE, version)
    print(f"version {version} of {found['metadata']['name']} may take over")


def abort(target: Target, namespace: Namespace = None, context: Context = None) -> None:
    """Leave the version under way, also when it has just taken over: the one before serves again."""
    cluster = Cluster(context, namespace)
    found = rollout.deployment(cluster, target)
    version = rollout.to_abort(found)
    rollout.decide(cluster, found, rollout.ABORT, version)
    print(f"version {version} of {found['metadata']['name']} is left")


def undo(
    target: Target,
    to: Annotated[str | None, typer.Option("--to", help="Hash of a version, or its beginning; default: the one before.")] = None,
    namespace: Namespace = None,
    context: Context = None,
) -> None:
    """Go back to an older version, by a rollout of its own. It stays until the spec asks for another one."""
    cluster = Cluster(context, namespace)
    found = rollout.deployment(cluster, target)
    version = rollout.to_go_back_to(rollout.history(cluster, found), found, to)
    rollout.decide(cluster, found, rollout.ROLLBACK_TO, version)
    print(f"{found['metadata']['name']} goes back to version {version}")


def restart(target: Target, namespace: Namespace = None, context: Context = None) -> None:
    """Replace all pods, by a rollout to the same spec; also tries a version again that was refused."""
    cluster = Cluster(context, namespace)
    found = rollout.deployment(cluster, target)
    rollout.decide(cluster, found, rollout.RESTART, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    print(f"{found['metadata']['name']} gets new pods")


def history(target: Target, namespace: Namespace = None, context: Context = None) -> None:
    """List the versions that can be gone back to."""
    cluster = Cluster(context, namespace)
    table = Table("Version", "Image", "Made", "Pods", "Now", box=None)
    for version in rollout.history(cluster, rollout.deployment(cluster, target)):
        table.add_row(version.hash, version.image, version.made, str(version.pods), version.role)
    Console().print(table)
