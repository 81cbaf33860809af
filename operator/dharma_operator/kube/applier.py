"""Brings a set of children about: applies what differs, prunes what nothing wants, counts drift."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dharma_handlers.outcome import Manifest, Outcome, Wanted
from dharma_operator.kube.client import Client
from dharma_operator.kube.resources import ObjectKey


@dataclass(frozen=True, slots=True)
class DriftItem:
    """One child that somebody else changed, deleted, or made anew."""

    object: str
    """`StatefulSet/shop-db`."""
    action: Literal["Create", "Update"]
    """What puts it back."""
    fields: tuple[str, ...]
    """Paths of the fields; empty for Create."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What one apply did."""

    changed: tuple[ObjectKey, ...] = ()
    """Made or made equal."""
    pruned: tuple[ObjectKey, ...] = ()
    drift: tuple[DriftItem, ...] = ()
    """What was found different although the wanted set has not changed: put back, or left if the outcome says so."""
    terminating: tuple[ObjectKey, ...] = ()
    """Wanted, but being deleted: made again once they are gone, which is an event of their own."""


class Applier:
    """Applies outcomes. One for the whole process: it bounds the writes in flight and remembers what the cache does not show.

    `absorb(key, manifest)` is told of every object written, as the server returned it, trimmed. It must put it into the cache that `children`
    of the next call come from, unless the watch has already told of a later state (then the watch's resource version is not lower): else the next
    reconcile, started by the event of the first write, would not see the others and take them for drift.
    """

    def __init__(self, client: Client, absorb: Callable[[ObjectKey, Manifest], None], *, concurrency: int = 16) -> None: ...

    async def apply(self, owner: Manifest, outcome: Outcome, children: Mapping[ObjectKey, Manifest], *, settled: bool) -> Applied:
        """Make `outcome.objects` exist. With objects None: do nothing.

        `children` are all objects that carry the owner's label (also those which others made from a template: only objects that our field
        manager wrote are ever pruned, and none with the retain annotation). `settled`: this very set of objects (`revision_hash`) has been applied
        before, so that every difference is drift; with `outcome.correct_drift` False it is then only reported, and nothing is written.

        Objects are applied in ranks, namespaces first, workloads last; after an error the rank is finished, then the first error is raised,
        and nothing is pruned.
        """

    def forget(self, owner_uid: str) -> None:
        """The owner is gone: forget what is remembered about its children."""


def revision_hash(objects: Sequence[Wanted]) -> str:
    """Hash of a wanted set, for `status.revision.hash`. Independent of the order of objects and of fields."""
