"""The tutorial, as it stands: each command is run, and what it is said to show is shown."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(console|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]


@pytest.mark.parametrize("page", ["two-teams"])
def test_every_command_does_what_the_page_says(page: str, installed: None) -> None:
    text = (ROOT / "docs" / "tutorials" / f"{page}.md").read_text()
    blocks = BLOCK.findall(text)
    assert len(blocks) > 6
    shown = ""
    for kind, body in blocks:
        if kind == "console":
            done = subprocess.run(["bash", "-ec", body], cwd=ROOT, capture_output=True, text=True, check=False, timeout=200)
            shown = done.stdout + done.stderr
            assert done.returncode == 0, f"{body}\n{shown}"
        else:
            missing = [line for line in body.splitlines() if line not in shown]
            assert not missing, f"{missing} is not in:\n{shown}"
