"""What a kind's controller is, and the registry of all of them: an explicit mapping, filled by functions."""

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from dharma_handlers.outcome import Manifest, Outcome
from dharma_operator.engine import Cause
from dharma_operator.kube.client import Client
from dharma_operator.kube.resources import ObjectKey, Resource
from dharma_operator.settings import Settings
from dharma_operator.store import Store
from dharma_operator.workqueue import OwnerKey


@dataclass(frozen=True, slots=True)
class KindInfo:
    """One of our kinds, as the engine sees it."""

    resource: Resource
    owner_label: str
    """Label by which its children name it: `dharma.io/blueprint`."""

    @property
    def name(self) -> str:
        """The kind's name, `Blueprint`."""
        return self.resource.kind


@dataclass(frozen=True, slots=True)
class Request:
    """One reconcile: what is wanted, what is there, and the means to look further."""

    owner: Manifest
    """The custom resource as last seen. Shared with the store: read it, do not change it."""
    children: Mapping[ObjectKey, Manifest]
    """All objects that name the owner by its label, as last seen, also those that others made from its templates (pods). Read only."""
    client: Client
    store: Store
    settings: Settings
    now: datetime
    """Time of the reconcile, UTC."""
    reconcile_id: str
    """Stands in all log lines of this reconcile."""
    suspended: bool
    """`spec.suspend` is set: look and report, write nothing and send nothing to a data plane. Returned objects are not applied either."""


class UnfinishedError(Exception):
    """A reconcile met an error in one place and knows what is to be done in the others."""

    def __init__(self, outcome: Outcome, error: Exception) -> None:
        super().__init__(str(error))
        self.outcome = outcome
        """To be brought about and told, as far as it goes."""
        self.error = error
        """To be told as the run's failure then."""


Wake = Callable[[OwnerKey, Cause], None]
"""Asks for a run of an object."""


class Controller(Protocol):
    """Decides, for one kind, what should exist and how it stands. What most kinds do not need has a default."""

    @property
    def kind(self) -> KindInfo:
        """The kind it is for."""
        ...

    async def reconcile(self, request: Request) -> Outcome:
        """Look, act on data planes where needed, and return all that should exist and what to tell.

        Called again and again with the same object, after crashes in any place, with views that may be some milliseconds old; never
        twice at a time for the same object. May raise: the object gets a condition that names the error and is tried again, ever
        more slowly. With UnfinishedError what is known is brought about first.
        """
        ...

    def forget(self, namespace: str, name: str) -> None:
        """Drop what is kept about the object in memory: it is gone. The namespace is empty for a kind of cluster scope."""
        ...

    def serves(self, owner: Manifest, settings: Settings) -> bool:
        """Tell whether this operator acts for the object. One that is limited to namespaces sees all objects of cluster scope."""
        del owner, settings
        return True

    async def leaving(self, request: Request) -> Outcome | None:
        """Say what to tell of an object that is being deleted; None: nothing. The garbage collector takes its children along."""
        del request
        return None

    async def gone(self, client: Client, store: Store, settings: Settings, key: OwnerKey) -> None:
        """See to what an object left behind that does not exist any more, and that the garbage collector does not take. Raises ApiError."""
        del client, store, settings, key

    def background(self, client: Client, store: Store, wake: Wake) -> Iterable[Coroutine[None, None, None]]:
        """Return what is to run beside the reconciles, as long as the process does."""
        del client, store, wake
        return ()


class Controllers:
    """The controllers of the process, one a kind."""

    def __init__(self, controllers: Iterable[Controller]) -> None:
        """Raise ValueError when two are for the same kind."""
        self._by_kind: dict[str, Controller] = {}
        for controller in controllers:
            if controller.kind.name in self._by_kind:
                raise ValueError(f"two controllers for kind {controller.kind.name}")
            self._by_kind[controller.kind.name] = controller

    def __getitem__(self, kind: str) -> Controller:
        return self._by_kind[kind]

    def __iter__(self) -> Iterator[Controller]:
        return iter(self._by_kind.values())

    @property
    def kinds(self) -> tuple[KindInfo, ...]:
        """The kinds in the order of registration."""
        return tuple(controller.kind for controller in self)
