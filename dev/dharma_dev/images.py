"""`make images`: build the images whose inputs changed and load them into the development cluster's node.

A tag is the hash of what went into its image, so that an image which the node already has under that tag costs nothing.
"""

import contextlib
import fcntl
import tempfile
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from dharma_dev import files, images_node, packages, paths
from dharma_dev.images_base import IMAGES_CACHE, Base
from dharma_dev.images_inputs import IMAGES, Image, select, snapshot, tag_of, tags_in, values, version
from dharma_dev.images_store import remove_unused
from dharma_dev.run import UserError, say, step

# Builds wait for the network and for dpkg by turns: two at a time keep two cores busy.
PARALLEL = 2


@dataclass(frozen=True)
class Wanted:
    """An image as it should be now."""

    image: Image
    tag: str

    @property
    def reference(self) -> str:
        """The full reference, as a pod names it."""
        return self.image.reference(self.tag)

    @property
    def log(self) -> Path:
        """What its last build wrote."""
        return paths.LOGS / f"image-{self.image.name}.log"


def ensure(names: list[str]) -> None:
    """Build, load and name in `.dev/images.yaml` the images of these names, all of them when there are none. Raises UserError."""
    begun = time.monotonic()
    base = Base()
    release = version()
    wanted = [Wanted(image, tag_of(image, release, base.reference)) for image in select(names)]
    present = images_node.loaded()
    missing = [one for one in wanted if one.reference not in (present or set())]
    if missing:
        _make(missing, base, load=present is not None)
    write_values({one.image.name: one.tag for one in wanted})
    place = "in the cluster" if present is not None else "built; the cluster does not run, so `make images` loads them later"
    names_made = ", ".join(sorted(one.image.name for one in wanted))
    say(f"images: {names_made}: {place} ({len(missing)} changed, {time.monotonic() - begun:.1f} s)")


def write_values(tags: dict[str, str]) -> None:
    """Write the Helm values fragment; an image that was not asked for keeps the tag that the file names."""
    known = {image.name for image in IMAGES}
    before = tags_in(paths.IMAGES_VALUES.read_text()) if paths.IMAGES_VALUES.exists() else {}
    files.write(paths.IMAGES_VALUES, values({name: tag for name, tag in {**before, **tags}.items() if name in known}))


def _make(missing: list[Wanted], base: Base, *, load: bool) -> None:
    packages.ensure()
    with _alone():
        base.store.prepare()
        base.ensure(paths.LOGS / "image-base.log")
        built = base.store.references()
        with ThreadPoolExecutor(PARALLEL) as pool:
            jobs = [
                pool.submit(_make_one, one, base, place=f"{number} of {len(missing)}", build=one.reference not in built, load=load)
                for number, one in enumerate(missing, 1)
            ]
        _raise_all([failure for job in jobs if (failure := job.exception()) is not None])
        remove_unused(IMAGES_CACHE, base.store.folder)


def _make_one(one: Wanted, base: Base, *, place: str, build: bool, load: bool) -> None:
    title = f"image {one.image.name} ({place})"
    if build:
        with step(f"{title}: building", log=one.log):
            one.log.unlink(missing_ok=True)
            _build(one, base)
    if load:
        with step(f"{title}: loading into the cluster"), tempfile.TemporaryDirectory(dir=IMAGES_CACHE) as folder:
            archive = Path(folder) / "image.tar"
            base.store.export(one.reference, archive)
            images_node.load(archive, one.reference)


def _build(one: Wanted, base: Base) -> None:
    """Build from a copy of the inputs whose hash is the tag. Raises UserError when they were edited since the tag was computed."""
    with tempfile.TemporaryDirectory(dir=IMAGES_CACHE) as folder:
        frozen = snapshot(one.image, Path(folder))
        if tag_of(frozen, version(), base.reference) != one.tag:
            raise UserError(f"Files of the image `{one.image.name}` were edited just as its build began: run the command again.")
        base.store.build(frozen, one.reference, base.reference, one.log)


def _raise_all(failures: list[BaseException]) -> None:
    """Raise what a person is to be told of all failed images; a mistake of the program itself goes first, with its traceback."""
    for failure in failures:
        if not isinstance(failure, UserError):
            raise failure
    if failures:
        raise UserError("\n".join(str(failure) for failure in failures))


@contextlib.contextmanager
def _alone() -> Generator[None]:
    """Hold the store's lock; another build on this machine is waited for."""
    IMAGES_CACHE.mkdir(parents=True, exist_ok=True)
    with (IMAGES_CACHE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with step("waiting for another build of images on this machine"):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield
