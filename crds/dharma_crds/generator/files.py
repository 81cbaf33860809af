"""The generated files: what each holds, writing them, and telling which are not current."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dharma_crds import GROUP
from dharma_crds.generator.crd import custom_resource_definition, to_yaml
from dharma_crds.generator.reference import INDEX, index_page, kind_page, page_name
from dharma_crds.kinds import KINDS

CRD_FOLDERS: Final = ("crds", "charts/iac-dharma/files/crds")
"""For `kubectl apply -f crds/`, and for the chart; the same files."""
REFERENCE_FOLDER: Final = "docs/reference"


def generated_files() -> Mapping[str, str]:
    """Make all generated files: text by path below the repository's root."""
    models = [kind.model for kind in KINDS.values()]
    files: dict[str, str] = {}
    for model in models:
        text = to_yaml(custom_resource_definition(model))
        files |= {f"{folder}/{GROUP}_{model.crd.plural}.yaml": text for folder in CRD_FOLDERS}
        files[f"{REFERENCE_FOLDER}/{page_name(model)}"] = kind_page(model)
    files[f"{REFERENCE_FOLDER}/{INDEX}"] = index_page(models)
    return files


def outdated(root: Path) -> list[str]:
    """List what differs from the models: files that are missing or other than generated, and generated ones that no kind has any more."""
    files = generated_files()
    wrong = [path for path, text in files.items() if not (root / path).is_file() or (root / path).read_bytes() != text.encode()]
    return sorted([*wrong, *_leftovers(root, files)])


def write(root: Path) -> list[str]:
    """Bring all generated files up to date and list those that changed."""
    files, changed = generated_files(), outdated(root)
    for path in changed:
        target = root / path
        if path in files:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(files[path].encode())
        else:
            target.unlink()
    return changed


def _leftovers(root: Path, files: Mapping[str, str]) -> list[str]:
    """Paths of CRDs and pages that were generated once and are no longer."""
    found = [path for folder in CRD_FOLDERS for path in (root / folder).glob(f"{GROUP}_*.yaml")]
    found += (root / REFERENCE_FOLDER).glob("*.md")
    return [path for path in (str(path.relative_to(root)) for path in found) if path not in files]
