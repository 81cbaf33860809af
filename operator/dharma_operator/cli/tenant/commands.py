"""`dharma tenant`: the commands, their options and their help."""

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from dharma_operator.cli.cluster import CliError, Cluster
from dharma_operator.cli.doctor import is_ready
from dharma_operator.cli.options import REFRESH, Context
from dharma_operator.cli.tenant import usage as counting
from dharma_operator.cli.tenant.bundle import parse, render
from dharma_operator.cli.tenant.importing import Importer
from dharma_operator.cli.tenant.listing import table
from dharma_operator.cli.tenant.plan import OnConflict, possible, summary, writes
from dharma_operator.cli.tenant.read import contents, model, own_namespaces, quotas, tenant, tenants
from dharma_operator.cli.tenant.tree import tenant_tree

app = typer.Typer(help="Tenants: see them, what they use, and carry them to another cluster.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A Tenant, as dht/acme or acme.")]


_PIPED_WIDTH = 200
"""Characters of a line that no terminal shows: what reads it must not meet a name that was cut."""


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)


def _output(output: str, drawn: str) -> bool:
    """Tell whether JSON is wanted. Raises CliError for a word that is neither."""
    if output not in {drawn, "json"}:
        raise CliError(f'There is no output "{output}"; use {drawn} or json.')
    return output == "json"


@app.command("list")
def list_tenants(
    context: Context = None,
    output: Annotated[str, typer.Option("-o", "--output", help="table or json.")] = "table",
) -> None:
    """List all Tenants: plan, used and allowed projects, Blueprints, Deployments and storage, readiness, age."""
    as_json = _output(output, "table")
    found = tenants(Cluster(context))
    if as_json:
        print(json.dumps([{name: one.get(name, {}) for name in ("metadata", "spec", "status")} for one in found], indent=2))
    else:
        _console().print(table(found, datetime.now(UTC)) if found else "There is no Tenant in this cluster.")


@app.command()
def show(
    name: Name,
    context: Context = None,
    output: Annotated[str, typer.Option("-o", "--output", help="tree or json.")] = "tree",
) -> None:
    """Show a Tenant as a tree: projects, members and when their rights end, quota, network, conditions.

    Exit code 1 when it is not Ready.
    """
    as_json = _output(output, "tree")
    found = tenant(Cluster(context), name)
    if as_json:
        print(json.dumps({name: found.get(name, {}) for name in ("metadata", "spec", "status")}, indent=2))
    else:
        _console().print(tenant_tree(found, model(found), datetime.now(UTC)))
    if not is_ready(found):
        raise typer.Exit(1)


@app.command()
def usage(
    name: Name,
    context: Context = None,
    watch: Annotated[bool, typer.Option("-w", "--watch", help="Count again every second, until Ctrl-C.")] = False,
    output: Annotated[str, typer.Option("-o", "--output", help="table or json.")] = "table",
) -> None:
    """Show what a Tenant uses of what it may use, in all and by namespace, and what would run out next."""
    as_json = _output(output, "table")
    cluster = Cluster(context)

    def look() -> tuple[str, list[counting.Row], list[str]]:
        found = tenant(cluster, name)
        title = found["metadata"]["name"]
        own, _ = own_namespaces(cluster, found)
        counted = quotas(cluster, own)
        return title, counting.rows(model(found), counted), [one for one in own if one not in counted]

    seen = look()
    if as_json:
        print(json.dumps({row.name: row.as_json() for row in seen[1]}, indent=2))
    elif watch:
        with Live(counting.drawn(*seen, datetime.now(UTC)), console=_console(), refresh_per_second=4) as live:
            while True:
                time.sleep(REFRESH)
                live.update(counting.drawn(*look(), datetime.now(UTC)))
    else:
        _console().print(counting.drawn(*seen, datetime.now(UTC)))


@app.command("export")
def export_tenant(
    name: Name,
    context: Context = None,
    file: Annotated[Path | None, typer.Option("-f", "--file", help="Where to write it; default: standard output.")] = None,
) -> None:
    """Write a bundle of a Tenant with its Blueprints, Deployments and Backups: the same bytes for the same content, and no Secrets.

    Example: dharma tenant export acme -f acme.json
    """
    cluster = Cluster(context)
    found = tenant(cluster, name)
    own, missing = own_namespaces(cluster, found)
    objects = contents(cluster, own)
    text = render(found, objects)
    for sentence in missing:
        print(f"dharma: left out: {sentence}", file=sys.stderr)
    if file is None:
        sys.stdout.write(text)
        return
    try:
        file.write_bytes(text.encode())
    except OSError as error:
        raise CliError(f"The bundle could not be written: {error}.") from error
    print(f"{file}: Tenant {found['metadata']['name']} and {len(objects)} objects from {len(own)} namespaces", file=sys.stderr)


@app.command("import")
def import_tenant(
    file: Annotated[str, typer.Argument(help="A bundle that dharma tenant export wrote; - is standard input.")],
    context: Context = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and write nothing.")] = False,
    on_conflict: Annotated[
        OnConflict, typer.Option("--on-conflict", help="What is there and differs: fail (write nothing at all), skip it, or overwrite it.")
    ] = OnConflict.FAIL,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask before writing.")] = False,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds until the Tenant's namespaces must be ready.")] = 120.0,
) -> None:
    """Bring a bundle into this cluster: verify it, ask the API server about each object, print the plan, then write.

    Exit code 1 when the plan cannot be carried out. An import that was interrupted can be run again.
    """
    importer = Importer(Cluster(context), parse(_read(file)), on_conflict, timeout)
    plan = importer.plan()
    for entry in plan:
        print(entry.line())
    print(f"Plan: {summary(plan)}.")
    if not possible(plan):
        raise CliError("Nothing was written. Settle what is refused; for conflicts choose --on-conflict skip or overwrite.")
    if dry_run or not writes(plan):
        return
    if not yes and not _agreed(file):
        raise CliError("Nothing was written.")
    importer.carry_out(plan, print)
    print(f"Done: {len(writes(plan))} objects written.")


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise CliError(f"The bundle cannot be read: {error}.") from error


def _agreed(file: str) -> bool:
    """Ask the person. Raises CliError when there is nobody to ask."""
    if file == "-" or not sys.stdin.isatty():
        raise CliError("Nothing was written: nobody can be asked here; give --yes.")
    return typer.confirm("Write it?")
