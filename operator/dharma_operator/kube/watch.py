"""List, then follow every change, for ever: what becomes of lost connections, silent streams and versions that are too old."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Literal

from dharma_handlers.outcome import Manifest
from dharma_operator.kube.errors import ApiError, Forbidden, Gone, Invalid, NotFound, error_of
from dharma_operator.kube.resources import Resource
from dharma_operator.kube.session import Call, Session, backoff
from dharma_operator.kube.wire import Json

logger = logging.getLogger(__name__)

Trim = Callable[[Manifest], Manifest]

_STREAM_SECONDS = (240, 300)
"""The server ends a stream after so long; a range, so that not all of them end at once."""
_SHORTEST_GOOD_STREAM = 1.0
_HOPELESS = (Forbidden, NotFound, Invalid)


@dataclass(frozen=True, slots=True)
class Listing:
    """All objects of one kind at one moment."""

    items: list[Manifest]
    resource_version: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A watch's first word, and its word after it fell too far behind: these objects are there, and no others."""

    items: list[Manifest]
    resource_version: str


@dataclass(frozen=True, slots=True)
class Changed:
    """One object was added, modified or deleted."""

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    object: Manifest
    """For DELETED: its last state, with the resourceVersion of the deletion."""


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Nothing changed, and everything up to this resource version has been told."""

    resource_version: str


WatchItem = Listed | Changed | Bookmark


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a kind: of all namespaces when none is given."""

    resource: Resource
    namespace: str | None = None
    label_selector: str = ""
    field_selector: str = ""
    trim: Trim | None = None

    @property
    def path(self) -> str:
        """URL path of the collection."""
        return self.resource.path(self.namespace)

    @property
    def params(self) -> dict[str, str]:
        """Selectors as query parameters."""
        selectors = {"labelSelector": self.label_selector, "fieldSelector": self.field_selector}
        return {name: text for name, text in selectors.items() if text}

    def __str__(self) -> str:
        return f"{self.resource}{f' in {self.namespace}' if self.namespace else ''}"


async def list_all(session: Session, selection: Selection, limit: int) -> Listing:
    """List in pages. A list that grew too old between two pages begins anew."""
    while True:
        items: list[Manifest] = []
        params = {**selection.params, "limit": str(limit)}
        try:
            while True:
                page = await session.ask(Call("list", "GET", selection.path, params, subject=str(selection)))
                items.extend(_complete(item, selection) for item in page.get("items") or ())
                following = page["metadata"].get("continue")
                if not following:
                    return Listing(items, page["metadata"]["resourceVersion"])
                params["continue"] = following
        except Gone:
            if "continue" not in params:
                raise


async def follow(session: Session, selection: Selection, limit: int) -> AsyncIterator[WatchItem]:
    """Yield `Listed`, then every change; see `Client.watch`."""
    version = ""
    failures = 0
    while True:
        started = time.monotonic()
        try:
            if not version:
                listing = await list_all(session, selection, limit)
                version = listing.resource_version
                yield Listed(listing.items, version)
            async for event in session.stream(_watch_call(selection, version)):
                item = _item(event, selection)
                version = item.resource_version if isinstance(item, Bookmark) else item.object["metadata"]["resourceVersion"]
                failures = 0
                yield item
            if time.monotonic() - started < _SHORTEST_GOOD_STREAM:
                failures += 1
        except Gone:
            logger.info("watch of %s is too far behind: listing again", selection)
            version = ""
            failures += 1
        except _HOPELESS:
            raise
        except ApiError as error:
            failures += 1
            logger.log(logging.DEBUG if failures == 1 else logging.WARNING, "watch of %s is interrupted: %s", selection, error)
        if failures:
            await asyncio.sleep(backoff(failures))


def _watch_call(selection: Selection, version: str) -> Call:
    seconds = random.randint(*_STREAM_SECONDS)  # noqa: S311 (spreads load, guards nothing)
    params = {
        **selection.params, "watch": "true", "allowWatchBookmarks": "true", "resourceVersion": version, "timeoutSeconds": str(seconds),
    }  # fmt: skip
    return Call("watch", "GET", selection.path, params, subject=str(selection))


def _item(event: Json, selection: Selection) -> Changed | Bookmark:
    if event["type"] == "ERROR":
        status = event["object"]
        raise error_of(status.get("code", 500), status)
    if event["type"] == "BOOKMARK":
        return Bookmark(event["object"]["metadata"]["resourceVersion"])
    return Changed(event["type"], _complete(event["object"], selection))


def _complete(item: Manifest, selection: Selection) -> Manifest:
    """Give an item its kind, which items of a list lack, and trim it at once, so that the whole of a large list is never in memory."""
    item.setdefault("apiVersion", selection.resource.api_version)
    item.setdefault("kind", selection.resource.kind)
    return selection.trim(item) if selection.trim is not None else item
