"""`dharma-ml models`: look into a store of trained models, promote a challenger, take a promotion back."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dharma_ml.models.card import ArtefactError, Card
from dharma_ml.models.challenge import objection
from dharma_ml.models.challenge import promote as promote_challenger
from dharma_ml.models.challenge import rollback as roll_back
from dharma_ml.models.store import FolderStore, Roles

models = typer.Typer(no_args_is_help=True, help="The store of trained models.")

Folder = Annotated[Path, typer.Option("--store", help="folder of the store")]


@models.command("list")
def list_models(store: Folder) -> None:
    """List all artefacts: who is in use, on what they were trained, whether they are whole."""
    kept = FolderStore(store)
    table = Table("model", "artefact", "role", "kind", "trained until", "rows", "state")
    for name in kept.names():
        roles = _roles(kept, name)
        for ident in kept.idents(name):
            try:
                card, _ = kept.get(name, ident)
                row = (card.kind, _until(card), str(card.window.rows), "whole")
            except ArtefactError as error:
                row = ("", "", "", f"refused: {error}")
            table.add_row(name, ident, _role(roles, ident), *row)
    Console().print(table)


@models.command()
def show(
    store: Folder, name: str, artefact: Annotated[str | None, typer.Argument(help="its id; the champion's when left out")] = None
) -> None:
    """Show an artefact's card and whether its challenger may take over."""
    kept = FolderStore(store)
    try:
        roles = kept.roles(name)
        ident = artefact or roles.champion or "none"
        card, files = kept.get(name, ident)
    except ArtefactError as error:
        raise _refused(error) from error
    console = Console()
    console.print_json(card.text())
    console.print(f"role: {_role(roles, ident) or 'none'}   digest of the card: {card.digest}", highlight=False)
    console.print(", ".join(f"{file}: {len(content)} bytes" for file, content in files.items()), highlight=False)
    if roles.challenger is not None:
        console.print(objection(roles) or f"The challenger {roles.challenger} may take over.", markup=False)


@models.command()
def promote(
    store: Folder, name: str, force: Annotated[bool, typer.Option("--force", help="also when it is worse or was not compared")] = False
) -> None:
    """Make the challenger champion, if it is not worse."""
    try:
        roles = promote_challenger(FolderStore(store), name, force=force)
    except ArtefactError as error:
        raise _refused(error) from error
    Console().print(f"{name}: {roles.champion} is champion; before: {roles.former[-1] if roles.former else 'none'}", markup=False)


@models.command()
def rollback(store: Folder, name: str) -> None:
    """Make the champion before this one champion again."""
    try:
        roles = roll_back(FolderStore(store), name)
    except ArtefactError as error:
        raise _refused(error) from error
    Console().print(f"{name}: {roles.champion} is champion again", markup=False)


def _roles(store: FolderStore, name: str) -> Roles:
    try:
        return store.roles(name)
    except ArtefactError:
        return Roles()


def _role(roles: Roles, ident: str) -> str:
    named = {roles.champion: "champion", roles.challenger: "challenger"}
    return named.get(ident, "former champion" if ident in roles.former else "")


def _until(card: Card) -> str:
    return datetime.fromtimestamp(card.window.end, UTC).strftime("%Y-%m-%d %H:%M")


def _refused(error: ArtefactError) -> typer.Exit:
    Console(stderr=True).print(str(error), style="red", markup=False)
    return typer.Exit(1)
