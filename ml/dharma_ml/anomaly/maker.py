"""The detector in the form that the fleet takes: made or restored by name, fed at each tick, saved as bytes."""

from collections.abc import Sequence
from typing import Final, Self

from dharma_ml.anomaly.model import AnomalyModel
from dharma_ml.findings import Finding, Sample


class AnomalyStream:
    """One stream's detector."""

    def __init__(self, model: AnomalyModel) -> None:
        self._model = model

    @classmethod
    def restored(cls, stream: str, state: bytes) -> Self:
        """Go on from a saved state. Raises `ValueError` for anything that `save` did not give."""
        return cls(AnomalyModel.from_bytes(stream, state))

    def observe(self, samples: Sequence[Sample], moment: object) -> list[Finding]:  # noqa: ARG002 - the moment tells nothing that a sample does not
        """Take samples; tell alarms, or that the stream is being learned."""
        return self._model.update(samples)

    def save(self) -> bytes:
        """Give the whole state."""
        return self._model.to_bytes()


class AnomalyMaker:
    """Makes detectors. Give it to the fleet first, so that the others know of an open anomaly."""

    sort: Final = "anomaly-2"

    def create(self, stream: str) -> AnomalyStream:
        """Make a detector that knows nothing yet."""
        return AnomalyStream(AnomalyModel(stream))

    def restore(self, stream: str, state: bytes) -> AnomalyStream:
        """Make a detector from what `save` gave. Raises `ValueError` for anything else."""
        return AnomalyStream.restored(stream, state)
