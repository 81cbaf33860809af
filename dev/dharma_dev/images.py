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
    made = _make([one.image for one in missing], base, load=present is not None) if missing else []
    write_values({one.image.name: one.tag for one in [*wanted, *made]})
    place = "in the cluster" if present is not None else "built; the cluster does not run, so `make images` loads them later"
    names_made = ", ".join(sorted(one.image.name for one in wanted))
    say(f"images: {names_made}: {place} ({len(missing)} changed, {time.monotonic() - begun:.1f} s)")


def write_values(tags: dict[str, str]) -> None:
    """Write the Helm values fragment; an image that was not asked for keeps the tag that the file names."""
    known = {image.name for image in IMAGES}
    before = tags_in(paths.IMAGES_VALUES.read_text()) if paths.IMAGES_VALUES.exists() else {}
    files.write(paths.IMAGES_VALUES, values({name: tag for name, tag in {**before, **tags}.items() if name in known}))


def _make(missing: list[Image], base: Base, *, load: bool) -> list[Wanted]:
    packages.ensure()
    with _alone():
        base.store.prepare()
        base.ensure(paths.LOGS / "image-base.log")
        with ThreadPoolExecutor(PARALLEL) as pool:
            jobs = [
                pool.submit(_make_one, image, base, place=f"{number} of {len(missing)}", load=load)
                for number, image in enumerate(missing, 1)
            ]
        _raise_all([failure for job in jobs if (failure := job.exception()) is not None])
        remove_unused(IMAGES_CACHE, base.store.folder)
    return [job.result() for job in jobs]


def _make_one(image: Image, base: Base, *, place: str, load: bool) -> Wanted:
    """Build an image from a copy of its inputs, and load it; return it with that copy's tag, as files may be edited all the while."""
    title = f"image {image.name} ({place})"
    with tempfile.TemporaryDirectory(dir=IMAGES_CACHE) as folder:
        frozen = snapshot(image, Path(folder) / "context")
        made = Wanted(image, tag_of(frozen, version(), base.reference))
        if made.reference not in base.store.references():
            with step(f"{title}: building", log=made.log):
                made.log.unlink(missing_ok=True)
                base.store.build(frozen, made.reference, base.reference, made.log)
        if load:
            with step(f"{title}: loading into the cluster"):
                archive = Path(folder) / "image.tar"
                base.store.export(made.reference, archive)
                images_node.load(archive, made.reference)
    return made


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
