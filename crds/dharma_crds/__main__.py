"""Command `dharma-crds`: write the CRDs and reference pages from the models, or check that they are current."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dharma_crds.generator.files import outdated, write


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command in the repository's root. The exit code is 1 when `--check` finds a file not current, 2 for a wrong folder."""
    parser = argparse.ArgumentParser(prog="dharma-crds", description="CRDs and reference pages of dharma.io, from the models.")
    command = parser.add_subparsers(required=True, metavar="command").add_parser("generate", help="write the files that are not current")
    command.add_argument("--check", action="store_true", help="write nothing; fail when a file is not current")
    check = bool(parser.parse_args(arguments).check)
    root = Path.cwd()
    if not (root / "crds" / "dharma_crds").is_dir():
        sys.stderr.write(f"{root} is not the root of the repository: it has no crds/dharma_crds; change into it and run this again\n")
        return 2
    if not check:
        sys.stdout.writelines(f"written: {path}\n" for path in write(root))
        return 0
    stale = outdated(root)
    if stale:
        sys.stderr.write(f"not current: {', '.join(stale)}; run `make generate` and commit the result\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
