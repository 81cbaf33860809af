"""`dharma`: the commands, their options and their help."""

import json
import sys
import time
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.live import Live

from dharma_operator.cli import connect as connecting
from dharma_operator.cli import doctor as doctoring
from dharma_operator.cli import rollout_commands
from dharma_operator.cli.cluster import CliError, Cluster
from dharma_operator.cli.options import REFRESH, Context, Namespace
from dharma_operator.cli.target import blueprint, blueprints
from dharma_operator.cli.tree import blueprint_tree, children

app = typer.Typer(
    name="dharma",
    help="See and use what IaC Dharma runs: Blueprints of Postgres, PgBouncer and Redis.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for command in (
    rollout_commands.promote,
    rollout_commands.abort,
    rollout_commands.undo,
    rollout_commands.restart,
    rollout_commands.history,
):
    app.command()(command)


@app.command()
def status(
    target: Annotated[str | None, typer.Argument(help="A Blueprint, as dhb/shop or shop; default: all of the namespace.")] = None,
    namespace: Namespace = None,
    context: Context = None,
    all_namespaces: Annotated[bool, typer.Option("-A", "--all-namespaces", help="Blueprints of all namespaces.")] = False,
    watch: Annotated[bool, typer.Option("-w", "--watch", help="Draw the tree again as it changes, until Ctrl-C.")] = False,
    output: Annotated[str, typer.Option("-o", "--output", help="tree or json.")] = "tree",
) -> None:
    """Show Blueprints as a tree: components, pods, services, volumes, secrets, and their health.

    Exit code 1 when a Blueprint is not Ready.
    """
    cluster = Cluster(context, namespace)
    if output not in {"tree", "json"}:
        raise CliError(f'There is no output "{output}"; use tree or json.')

    def look() -> tuple[Group, list[dict[str, object]]]:
        found = [blueprint(cluster, target)] if target else blueprints(cluster, None if all_namespaces else cluster.namespace)
        if not found:
            raise CliError(
                f"There is no Blueprint in {'the cluster' if all_namespaces else 'namespace ' + cluster.namespace}; all: dharma status -A"
            )
        if output == "json":
            return Group(), found
        return Group(
            *(blueprint_tree(one, children(cluster, one["metadata"]["namespace"], one["metadata"]["name"])) for one in found)
        ), found

    drawn, found = look()
    if output == "json":
        print(json.dumps([{"metadata": one["metadata"], "status": one.get("status", {})} for one in found], indent=2))
    elif watch:
        with Live(drawn, console=Console(), refresh_per_second=4) as live:
            while True:
                time.sleep(REFRESH)
                drawn, found = look()
                live.update(drawn)
    else:
        Console().print(drawn)
    if not all(doctoring.is_ready(one) for one in found):
        raise typer.Exit(1)


@app.command()
def doctor(namespace: Namespace = None, context: Context = None) -> None:
    """Say what the cluster lacks, with the remedy: API version, CRDs, operator, storage, metrics, rights.

    Exit code 1 when something needed is missing.
    """
    console = Console()
    cluster = Cluster(context, namespace)
    findings = doctoring.examine(cluster)
    for finding in findings:
        console.print(doctoring.line(finding))
    if any(finding.level is doctoring.Level.FAIL for finding in findings):
        raise typer.Exit(1)


@app.command()
def connect(
    target: Annotated[str, typer.Argument(help="A Blueprint, as dhb/shop or shop.")],
    arguments: Annotated[list[str] | None, typer.Argument(help="After --: arguments for psql or redis-cli.")] = None,
    component: Annotated[str | None, typer.Option("-c", "--component", help="A component; default: the first Postgres.")] = None,
    user: Annotated[str | None, typer.Option("-u", "--user", help="The user; default: the component's first.")] = None,
    namespace: Namespace = None,
    context: Context = None,
) -> None:
    """Open psql or redis-cli, as the app's user, on the primary (or through the pooler, when that is the component).

    Examples: dharma connect shop · dharma connect shop -c cache -- PING · dharma connect shop -- -c 'select version()'
    """
    cluster = Cluster(context, namespace)
    raise typer.Exit(connecting.connect(cluster, blueprint(cluster, target), component, user, arguments or []))


def main() -> None:
    """Run the command line; a foreseen failure is one sentence on stderr and exit code 1."""
    try:
        app()
    except CliError as error:
        print(f"dharma: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
