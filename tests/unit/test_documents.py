"""What the documents promise, held against the code."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [path for root in ("handlers", "operator") for path in (ROOT / root).rglob("*.py")]


def reasons() -> set[str]:
    """Reasons of conditions, events and failures: CamelCase words in the places where the code makes them."""
    found: set[str] = set()
    for path in SOURCES:
        text = path.read_text()
        found |= set(re.findall(r'Condition\(\s*[^,]+,\s*[^,]+,\s*"([A-Z]\w+)"', text))
        found |= set(re.findall(r'(?:Event|Failure)\(\s*(?:"(?:Normal|Warning)",\s*)?"([A-Z]\w+)"', text))
    return found - {"Normal", "Warning"}


def test_the_search_finds_reasons() -> None:
    assert {"ComponentsReady", "InvalidSpec", "DriftCorrected", "ApiUnavailable"} <= reasons()


def test_every_reason_is_explained() -> None:
    explained = set(re.findall(r"`([A-Z]\w+)`", (ROOT / "docs" / "troubleshooting.md").read_text()))
    assert reasons() <= explained


@pytest.mark.parametrize(
    "document", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)", document.read_text()):
        assert (document.parent / target).exists(), f"{document.name} links to {target}"
