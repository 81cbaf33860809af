"""The Python environment of a checkout: `.venv` from hash-locked dependencies, made anew only when those changed."""

import hashlib
import shutil
import sys
from pathlib import Path

from dharma_dev.paths import CHECKOUT
from dharma_dev.run import CommandError, UserError, command, step, succeeds

ENVIRONMENT = CHECKOUT / ".venv"
READY = ENVIRONMENT / "ready"
LOCKS = (CHECKOUT / "requirements" / "build.txt", CHECKOUT / "requirements" / "dev.txt")
LOG = CHECKOUT / ".dev" / "venv.log"


def ensure() -> None:
    """Make `.venv` fit the locked dependencies. Raises UserError when Python is too old or the package index is out of reach."""
    key = hashlib.sha256(b"".join(path.read_bytes() for path in (*LOCKS, CHECKOUT / "pyproject.toml"))).hexdigest()
    if READY.exists() and READY.read_text() == key:
        READY.touch()  # newer than the files that make compares it with
        return
    _ensure_python()
    if ENVIRONMENT.exists() and not succeeds([ENVIRONMENT / "bin" / "python", "-m", "pip", "--version"]):
        shutil.rmtree(ENVIRONMENT)
    with step("Python environment in .venv", log=LOG):
        if not ENVIRONMENT.exists():
            command([sys.executable, "-m", "venv", ENVIRONMENT], log=LOG)
        pip: list[str | Path] = [ENVIRONMENT / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        try:
            command([*pip, "--require-hashes", *(part for lock in LOCKS for part in ("-r", lock))], log=LOG)
        except CommandError as error:
            raise UserError(
                f"The Python dependencies could not be installed; is the package index reachable and the disk not full? {error}"
            ) from error
        command([*pip, "--no-deps", "--no-build-isolation", "--editable", CHECKOUT], log=LOG)
    READY.write_text(key)


def _ensure_python() -> None:
    if succeeds([sys.executable, "-c", "import ensurepip, venv"]):
        return
    with step("apt: python3-venv"):
        command(["apt-get", "update", "--quiet"], log=LOG)
        command(
            ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "python3-venv"],
            env={"DEBIAN_FRONTEND": "noninteractive"},
            log=LOG,
        )


if __name__ == "__main__":
    try:
        ensure()
    except UserError as failure:
        sys.exit(f"venv: {failure}")
