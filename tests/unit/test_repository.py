"""Rules about the repository itself that no other tool checks."""

import operator
import re
import subprocess
import sysconfig
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE_ROOTS = ("crds", "handlers", "ml", "operator", "dev")


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "--", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


@pytest.mark.parametrize("name", SOURCE_ROOTS)
def test_source_roots_are_no_packages(name: str) -> None:
    assert (ROOT / name).is_dir()
    assert not (ROOT / name / "__init__.py").exists(), f"{name}/__init__.py would shadow another module of that name"


def test_operator_is_the_standard_librarys() -> None:
    assert Path(operator.__file__).parent == Path(sysconfig.get_path("stdlib"))


def test_all_tools_know_the_same_source_roots() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert set(project["mypy"]["mypy_path"]) == set(SOURCE_ROOTS)
    assert set(project["pyright"]["extraPaths"]) == set(SOURCE_ROOTS)
    assert set(project["hatch"]["build"]["dev-mode-dirs"]) == set(SOURCE_ROOTS)
    assert set(SOURCE_ROOTS) <= set(project["ruff"]["src"])
    shipped = {Path(package).parts[0] for package in project["hatch"]["build"]["targets"]["wheel"]["packages"]}
    assert shipped == set(SOURCE_ROOTS) - {"dev"}, "the development cluster is no part of the wheel"


def test_no_file_names_a_package_index() -> None:
    index = re.compile(
        r"--(extra-)?index-url\s*=?\s*http|GOPROXY\s*=\s*http|registry = \"http|\"resolved\": *\"http|" + "files.python" + "hosted"
    )
    found = [str(path.relative_to(ROOT)) for path in tracked() if index.search(path.read_text(errors="ignore"))]
    assert not found, f"an index address ties the build to one place: {found}"


def test_locked_requirements_are_hashed() -> None:
    for path in tracked("requirements/*.txt"):
        text = path.read_text()
        pinned = re.findall(r"^[a-z0-9][^\s=]*==", text, re.MULTILINE | re.IGNORECASE)
        assert pinned, path
        entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE | re.IGNORECASE)[1:]
        assert all("--hash=sha256:" in entry for entry in entries), path


def test_every_make_target_is_in_the_help() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = set(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split())
    described = set(re.findall(r"^([a-z][a-z-]*):.*## ", makefile, re.MULTILINE))
    assert phony == described


def test_selectors_of_our_kinds_name_their_group() -> None:
    """`deployments` is also a kind of apps/v1: commands in documents and scripts name the group or the short name."""
    bare = re.compile(r"kubectl (get|describe|delete|wait|edit) (-n \S+ )?(backups?|tenants?)\b(?!\.dharma)")
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}" for path in tracked("*.md", "*.py", "*.txt") for match in bare.finditer(path.read_text())
    ]
    assert not found
