"""The operator's own count: `/metrics`, read as numbers."""

import urllib.request
from collections import Counter
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

_WRITES = ("apply", "create", "delete", "patch")


class Metrics:
    """All samples of one moment."""

    def __init__(self, text: str) -> None:
        self._samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    @classmethod
    def of(cls, port: int) -> "Metrics":
        """Ask the operator that serves at this port of this machine. Raises OSError when it does not answer."""
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return cls(answer.read().decode())

    def sum(self, name: str, **labels: str) -> float:
        """Add up the samples of that name which carry these labels."""
        return sum(sample.value for sample in self._samples if sample.name == name and labels.items() <= sample.labels.items())

    def requests(self) -> Counter[str]:
        """Requests to the API by verb, answered or not."""
        counted: Counter[str] = Counter()
        for sample in self._samples:
            if sample.name == "dharma_api_requests_total":
                counted[sample.labels["verb"]] += int(sample.value)
        return counted


def writes(counted: Mapping[str, int]) -> int:
    """How many of these requests were writes; renewals of the Lease are among them."""
    return sum(counted.get(verb, 0) for verb in _WRITES)
