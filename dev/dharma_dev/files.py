"""Writing files so that a reader never sees half of one."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path


def write(path: Path, content: str | bytes, mode: int = 0o644) -> bool:
    """Put `content` at `path` at once; return whether that changed it."""
    data = content.encode() if isinstance(content, str) else content
    if path.is_file() and path.read_bytes() == data and path.stat().st_mode & 0o777 == mode:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "wb") as sink:
        sink.write(data)
    Path(temporary).chmod(mode)
    Path(temporary).replace(path)
    return True


def link(path: Path, target: Path) -> None:
    """Make `path` a symbolic link to `target`, whatever was there as a link or a file."""
    if path.is_symlink() and path.readlink() == target:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.symlink_to(target)
    temporary.replace(path)


def digest(paths: list[Path], *words: str) -> str:
    """Return a short hash of files (by name and content) and words; a folder counts with all that is in it, a missing file as empty."""
    total = hashlib.sha256()
    for path in paths:
        for member in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if member.is_file():
                content = hashlib.sha256(member.read_bytes()).hexdigest()
                total.update(f"{member.relative_to(path.parent)}={content}\n".encode())
    for word in words:
        total.update(f"{word}\n".encode())
    return total.hexdigest()[:16]


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all in it; no error when it is not there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def replace_folder(path: Path, complete: Path) -> None:
    """Put a complete folder in the place of another one; the old one is removed after that."""
    old = path.with_name(f".{path.name}.old.{os.getpid()}")
    if path.exists():
        path.replace(old)
    complete.replace(path)
    remove(old)
