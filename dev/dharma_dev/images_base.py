"""The base image: what `debian:trixie-slim` is elsewhere, made here from Debian's packages, anew each week for their security fixes."""

import datetime as dt
import platform
import shutil
from pathlib import Path

from dharma_dev import files, paths
from dharma_dev.images_apt import Mirrors, machine_mirrors
from dharma_dev.images_inputs import REGISTRY, REPOSITORY
from dharma_dev.images_store import Store
from dharma_dev.run import command, step

SUITE = "trixie"
# Changes when what is done to the base image changes.
RECIPE = "1"
IMAGES_CACHE = paths.CACHE / "images"
RUN_FOLDER = Path("/run/iac-dharma-images")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
BUILD_CONTAINER = "base-build"

DPKG_SETTINGS = """\
force-unsafe-io
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/info/*
path-exclude /usr/share/lintian/*
path-exclude /usr/share/linda/*
path-exclude /usr/share/locale/*
path-include /usr/share/locale/locale.alias
path-exclude /usr/share/man/*
"""
APT_SETTINGS = """\
Acquire::Languages "none";
APT::Keep-Downloaded-Packages "false";
"""
# No package starts a service while it is installed.
POLICY = "#!/bin/sh\nexit 101\n"


def base_key(mirrors: Mirrors, today: dt.date) -> str:
    """Tell one base image from another by suite, architecture, ISO week, mirrors, recipe."""
    year, week, _ = today.isocalendar()
    words = (SUITE, platform.machine(), mirrors.sources_list(SUITE), RECIPE, DPKG_SETTINGS, APT_SETTINGS)
    return f"{SUITE}-{year}w{week:02}-{files.digest([], *words)}"


class Base:
    """The base image of this week and the store that holds what is built on it."""

    def __init__(self) -> None:
        """Look up the machine's mirrors and the week; nothing is made yet."""
        self.mirrors = machine_mirrors()
        self.key = base_key(self.mirrors, dt.datetime.now(dt.UTC).date())
        self.reference = f"{REGISTRY}/{REPOSITORY}/base:{self.key}"
        folder = IMAGES_CACHE / self.key
        self.store = Store(folder=folder, run_folder=RUN_FOLDER / files.digest([], str(folder)))

    def ensure(self, log: Path) -> None:
        """Make the base image if the store has none. Raises CommandError."""
        if self.reference in self.store.references():
            return
        with step(f"image base (Debian {SUITE})", log=log):
            log.unlink(missing_ok=True)
            self.store.buildah("from", "--quiet", "--name", BUILD_CONTAINER, "scratch")
            root = Path(self.store.buildah("mount", BUILD_CONTAINER).strip())
            self._bootstrap(root, log)
            configure(root, self.mirrors)
            strip(root)
            self.store.buildah("umount", BUILD_CONTAINER)
            self.store.buildah("commit", "--quiet", "--rm", BUILD_CONTAINER, self.reference)

    def _bootstrap(self, root: Path, log: Path) -> None:
        options = [f"--keyring={KEYRING}"] if KEYRING.exists() else []
        if self.mirrors.archive and self.mirrors.archive.startswith("https:"):
            options.append("--include=ca-certificates")
        mirror = [self.mirrors.archive] if self.mirrors.archive else []
        command(["debootstrap", "--variant=minbase", *options, SUITE, root, *mirror], log=log)


def configure(root: Path, mirrors: Mirrors) -> None:
    """Give it the published image's settings (no documentation, no service started, no package files kept) and the machine's mirrors."""
    files.write(root / "etc/dpkg/dpkg.cfg.d/docker", DPKG_SETTINGS)
    files.write(root / "etc/apt/apt.conf.d/docker-clean", APT_SETTINGS)
    files.write(root / "etc/apt/apt.conf.d/10-check", release_checks())
    files.write(root / "usr/sbin/policy-rc.d", POLICY, mode=0o755)
    if mirrors.archive:
        files.write(root / "etc/apt/sources.list", mirrors.sources_list(SUITE))


def release_checks() -> str:
    """Return the machine's own settings on dates of release files: a mirror may serve an older snapshot."""
    dump = command(["apt-config", "dump"])
    return "".join(f"{line}\n" for line in dump.splitlines() if line.startswith(("Acquire::Check-Valid-Until ", "Acquire::Check-Date ")))


def strip(root: Path) -> None:
    """Remove package files, lists, logs, device nodes and documentation but for the licences."""
    for folder in ("var/cache/apt", "var/lib/apt/lists", "var/log", "usr/share/man", "usr/share/info", "usr/share/locale", "dev"):
        for member in (root / folder).iterdir() if (root / folder).is_dir() else ():
            files.remove(member)
    documentation = root / "usr/share/doc"
    for package in documentation.iterdir():
        if package.is_symlink() or not (package / "copyright").exists():
            files.remove(package)
            continue
        for member in package.iterdir():
            if member.name != "copyright":
                files.remove(member)
    for name in ("etc/resolv.conf", "etc/hostname"):
        files.remove(root / name)
    shutil.rmtree(root / "debootstrap", ignore_errors=True)
