"""Where trained models are kept: a small interface, and a folder behind it.

`<root>/<name>/<id>/` holds `card.json` and the files it names; `<root>/<name>/roles.json` tells which is in use. An artefact never changes:
it is written beside and moved into place. What is read is checked anew each time.

The checksums find damage and mix-ups. They are no signature: whoever may write to the folder may put another model there
with its card, which still cannot run code. A caller that knows the card's digest passes it, and then that is noticed too.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Protocol

from dharma_ml.models.card import FILES, ArtefactError, Card, checksum
from dharma_ml.models.formats import LARGEST, verify

NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]|\.(?!\.)){0,198}")
ID: Final = re.compile(r"[0-9a-f]{16}")
HISTORY: Final = 20
"""How many former champions are remembered."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """What came of running the challenger beside the champion: mean losses over the same points."""

    hours: float
    points: int
    champion_loss: float
    challenger_loss: float


@dataclass(frozen=True, slots=True)
class Roles:
    """Which artefacts of a model are in use."""

    champion: str | None = None
    challenger: str | None = None
    former: tuple[str, ...] = ()
    """Champions before this one, the latest last."""
    shadow: Shadow | None = None


class Store(Protocol):
    """Keeps artefacts and who of them is in use."""

    def names(self) -> list[str]:
        """All models, sorted."""
        ...

    def cards(self, name: str) -> list[Card]:
        """All artefacts of a model that can be read, oldest data first."""
        ...

    def put(self, card: Card, files: Mapping[str, bytes]) -> None:
        """Keep an artefact; putting the same id again changes nothing. Raises ArtefactError when files and card do not fit."""
        ...

    def get(self, name: str, ident: str, digest: str | None = None) -> tuple[Card, dict[str, bytes]]:
        """Read and check an artefact. Raises ArtefactError when it is damaged, foreign, or not the one with that card's digest."""
        ...

    def roles(self, name: str) -> Roles:
        """Tell which artefacts are in use."""
        ...

    def assign(self, name: str, roles: Roles) -> None:
        """Say which artefacts are in use."""
        ...


class FolderStore:
    """A store in a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self) -> list[str]:
        """All models, sorted."""
        if not self._root.is_dir():
            return []
        return sorted(path.name for path in self._root.iterdir() if path.is_dir() and NAME.fullmatch(path.name))

    def cards(self, name: str) -> list[Card]:
        """All artefacts of a model, oldest data first; those whose card cannot be read are left out."""
        found: list[Card] = []
        for ident in self.idents(name):
            try:
                found.append(self._card(name, ident))
            except ArtefactError:
                continue
        return sorted(found, key=lambda card: (card.window.end, card.id))

    def idents(self, name: str) -> list[str]:
        """Ids of all artefacts, also of those that cannot be read, sorted."""
        folder = self._folder(name)
        return sorted(path.name for path in folder.iterdir() if ID.fullmatch(path.name)) if folder.is_dir() else []

    def put(self, card: Card, files: Mapping[str, bytes]) -> None:
        """Keep an artefact. Raises ArtefactError when files and card do not fit."""
        if {name: checksum(content) for name, content in files.items()} != dict(card.checksums):
            raise ArtefactError("the files are not those that the card names")
        Card.parse(card.text())
        for name, content in files.items():
            verify(name, content)
        place = self._folder(card.name) / _ident(card.id)
        if place.exists():
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=".new-", dir=place.parent))
        try:
            for name, content in {**files, "card.json": card.text().encode()}.items():
                _write(beside / name, content)
            beside.rename(place)
        except OSError:
            if not place.exists():  # another writer of the same id was quicker: the same content is there
                raise
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def get(self, name: str, ident: str, digest: str | None = None) -> tuple[Card, dict[str, bytes]]:
        """Read and check an artefact. Raises ArtefactError when it is damaged, foreign, or not the one with that card's digest."""
        card = self._card(name, ident)
        if digest is not None and card.digest != digest:
            raise ArtefactError(f"{name}/{ident} is not the artefact that is known by that digest")
        folder = self._folder(name) / ident
        if foreign := {path.name for path in folder.iterdir()} - set(FILES) - {"card.json"}:
            raise ArtefactError(f"{name}/{ident} holds what no artefact has: {', '.join(sorted(foreign))}")
        files: dict[str, bytes] = {}
        for file, expected in card.checksums.items():
            files[file] = _read(folder / file)
            if checksum(files[file]) != expected:
                raise ArtefactError(f"{file} of {name}/{ident} was changed: its checksum is another")
            verify(file, files[file])
        return card, files

    def roles(self, name: str) -> Roles:
        """Tell which artefacts are in use. Raises ArtefactError when that is unreadable."""
        path = self._folder(name) / "roles.json"
        if not path.exists():
            return Roles()
        try:
            content = json.loads(path.read_text())
            shadow = Shadow(**content["shadow"]) if content["shadow"] else None
            return Roles(content["champion"], content["challenger"], tuple(content["former"]), shadow)
        except (ValueError, TypeError, KeyError) as error:
            raise ArtefactError(f"roles.json of {name} cannot be read: {error}") from error

    def assign(self, name: str, roles: Roles) -> None:
        """Say which artefacts are in use: those must be there and whole. Raises ArtefactError when not."""
        for ident in {roles.champion, roles.challenger} - {None}:
            self.get(name, str(ident))
        folder = self._folder(name)
        content = {**asdict(roles), "former": list(roles.former[-HISTORY:])}
        with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as beside:
            _write(Path(beside) / "roles.json", (json.dumps(content, indent=2) + "\n").encode())
            (Path(beside) / "roles.json").rename(folder / "roles.json")

    def _folder(self, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise ArtefactError(f"{name!r} is no name of a model: lower-case letters, digits, '-' and single '.'")
        return self._root / name

    def _card(self, name: str, ident: str) -> Card:
        path = self._folder(name) / _ident(ident) / "card.json"
        try:
            card = Card.parse(_read(path).decode())
        except UnicodeDecodeError as error:
            raise ArtefactError(f"the card of {name}/{ident} is no text") from error
        if (card.name, card.id) != (name, ident):
            raise ArtefactError(f"the card in {name}/{ident} is that of {card.name}/{card.id}")
        return card


def _ident(ident: str) -> str:
    if not ID.fullmatch(ident):
        raise ArtefactError(f"{ident!r} is no id of an artefact: 16 hex digits")
    return ident


def _read(path: Path) -> bytes:
    try:
        if path.is_symlink() or not path.is_file():
            raise ArtefactError(f"{path.name} of {path.parent.parent.name}/{path.parent.name} is not there")
        if path.stat().st_size > LARGEST:
            raise ArtefactError(f"{path.name} has more than {LARGEST} bytes")
        return path.read_bytes()
    except OSError as error:
        raise ArtefactError(f"{path.name} cannot be read: {error}") from error


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
