"""The detector in the form that the fleet takes: made or restored by name, fed at each tick, saved as bytes."""

from collections.abc import Sequence

from dharma_ml.anomaly.model import AnomalyModel
from dharma_ml.anomaly.stored import StoredForests
from dharma_ml.findings import Finding, Sample
from dharma_ml.models.store import Store


class AnomalyStream:
    """One stream's detector."""

    def __init__(self, model: AnomalyModel) -> None:
        self._model = model

    def observe(self, samples: Sequence[Sample], moment: object) -> list[Finding]:  # noqa: ARG002 - the moment tells nothing that a sample does not
        """Take samples; tell alarms, or that the stream is being learned."""
        return self._model.update(samples)

    def save(self) -> bytes:
        """Give the whole state."""
        return self._model.to_bytes()


class AnomalyMaker:
    """Makes detectors. Give it to the fleet first, so that the others know of an open anomaly.

    With a store their forests are artefacts in it, under their names there; without one they live in the state alone.
    """

    def __init__(self, store: Store | None = None) -> None:
        self._store = store

    @property
    def sort(self) -> str:
        """The name under which its states are kept."""
        return "anomaly-2"

    def create(self, stream: str) -> AnomalyStream:
        """Make a detector that knows nothing yet."""
        return AnomalyStream(AnomalyModel(stream, stored=self._stored(stream)))

    def restore(self, stream: str, state: bytes) -> AnomalyStream:
        """Make a detector from what `save` gave. Raises `ValueError` for anything else."""
        return AnomalyStream(AnomalyModel.from_bytes(stream, state, stored=self._stored(stream)))

    def _stored(self, stream: str) -> StoredForests | None:
        return StoredForests(self._store, stream) if self._store is not None else None
