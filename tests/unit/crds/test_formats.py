"""The models' half of the formats. The API server's half takes and refuses the same values in tests/cluster/test_admission_fields.py."""

import pytest
from pydantic import ValidationError
from tests.unit.crds.documents import changed, places
from tests.unit.crds.format_cases import FORMATS, Example
from tests.unit.crds.samples_support import load, names

from dharma_crds.kinds import KINDS

CHECKED = [name for name, example in FORMATS.items() if example.read_twice]


def sample_with(example: Example) -> tuple[dict, str]:
    samples = (sample for sample in map(load, names()) if sample["kind"] == example.kind)
    return next((sample, place) for sample in samples for place in places(sample, example.path))


@pytest.mark.parametrize("name", CHECKED)
def test_takes_what_the_api_server_takes(name: str) -> None:
    sample, place = sample_with(FORMATS[name])
    for value in FORMATS[name].accepted:
        KINDS[sample["kind"]].model.model_validate(changed(sample, {place: value}))


@pytest.mark.parametrize("name", CHECKED)
def test_refuses_what_the_api_server_refuses(name: str) -> None:
    sample, place = sample_with(FORMATS[name])
    for value in FORMATS[name].refused:
        with pytest.raises(ValidationError, match="must be"):
            KINDS[sample["kind"]].model.model_validate(changed(sample, {place: value}))
