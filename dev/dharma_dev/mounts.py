"""Mounts and loop devices that stand on the cluster's state folder."""

import os
from pathlib import Path

from dharma_dev.run import command, succeeds


def below(folder: Path) -> list[Path]:
    """Return the mounts in a folder, the last made first; a path that is mounted over n times appears n times."""
    points: list[Path] = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        # Blanks in a path are written as octal escapes.
        point = line.split()[4].encode().decode("unicode_escape")
        if point.startswith(f"{folder}{os.sep}"):
            points.append(Path(point))
    return points[::-1]


def unmount_below(folder: Path) -> None:
    """Unmount everything in a folder; what is busy is detached lazily, as nothing of ours may use it any more."""
    for point in below(folder):
        if not succeeds(["umount", point]):
            command(["umount", "--lazy", point])


def loops_below(folder: Path) -> dict[str, str]:
    """Return the loop devices whose file is in a folder: device to file."""
    listing = command(["losetup", "--list", "--noheadings", "--raw", "--output", "NAME,BACK-FILE"])
    pairs = (line.split(maxsplit=1) for line in listing.splitlines())
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2 and pair[1].startswith(f"{folder}{os.sep}")}


def detach_loops_below(folder: Path) -> None:
    """Detach the loop devices whose file is in a folder."""
    for device in loops_below(folder):
        command(["losetup", "--detach", device])
