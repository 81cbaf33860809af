"""What goes into an image, and that its tag follows every change of it and nothing else."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dharma_dev.images_inputs import IMAGES, Image, copied, inputs, select, snapshot, tag_of, tags_in, values
from dharma_dev.run import UserError

DOCKERFILE = """\
ARG BASE=debian:trixie-slim
FROM ${BASE} AS build
# COPY commented here
COPY requirements/a.txt requirements/b.txt \\
     requirements/
FROM ${BASE}
COPY --from=build /out /
COPY --chown=1:1 source source
"""


@pytest.fixture
def image(tmp_path: Path) -> Image:
    context = tmp_path / "context"
    for name in (
        "requirements/a.txt",
        "requirements/b.txt",
        "source/code.py",
        "source/deep/more.py",
        "source/__pycache__/code.pyc",
        "other",
    ):
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).write_text(name)
    (context / "Dockerfile").write_text(DOCKERFILE)
    return Image("example", context)


def test_copied_paths_of_a_dockerfile():
    assert copied(DOCKERFILE) == ["requirements/a.txt", "requirements/b.txt", "source"]


def test_inputs_are_the_dockerfile_and_what_it_copies(image: Image):
    names = [str(path.relative_to(image.context)) for path in inputs(image)]
    assert names == ["Dockerfile", "requirements/a.txt", "requirements/b.txt", "source/code.py", "source/deep/more.py"]


def test_a_missing_input_is_named(image: Image):
    (image.context / "requirements/b.txt").unlink()
    with pytest.raises(UserError, match=r"`example` needs .*requirements/b\.txt, which is not there"):
        inputs(image)


CHANGES: dict[str, Callable[[Path], object]] = {
    "Dockerfile": lambda context: (context / "Dockerfile").write_text(DOCKERFILE + "USER 1\n"),
    "content": lambda context: (context / "source/code.py").write_text("changed"),
    "place": lambda context: (context / "source/deep/more.py").rename(context / "source/more.py"),
    "new file": lambda context: (context / "source/new.py").write_text(""),
    "removed file": lambda context: (context / "source/code.py").unlink(),
    "ignore list": lambda context: (context / ".dockerignore").write_text("*"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_tag_follows_each_change(image: Image, change: str):
    before = tag_of(image, "1.0.0", "base:1")
    CHANGES[change](image.context)
    assert tag_of(image, "1.0.0", "base:1") != before


def test_tag_follows_version_and_base_image(image: Image):
    tag = tag_of(image, "1.0.0", "base:1")
    assert tag.startswith("1.0.0-")
    assert tag_of(image, "1.0.0", "base:2") != tag
    assert tag_of(image, "1.0.1", "base:1").startswith("1.0.1-")


def test_tag_stays_when_nothing_that_counts_changed(image: Image):
    before = tag_of(image, "1.0.0", "base:1")
    (image.context / "other").write_text("changed")
    (image.context / "source/__pycache__/code.pyc").write_text("changed")
    assert tag_of(image, "1.0.0", "base:1") == before


def test_snapshot_has_the_same_tag_and_later_edits_do_not_reach_it(image: Image, tmp_path: Path):
    before = tag_of(image, "1.0.0", "base:1")
    frozen = snapshot(image, tmp_path / "frozen")
    (image.context / "source/code.py").write_text("changed")
    assert tag_of(frozen, "1.0.0", "base:1") == before
    assert not (frozen.context / "other").exists()


def test_every_image_of_the_repository_has_its_inputs_and_plain_docker_builds_it_on_debian():
    for image in IMAGES:
        recipe = image.dockerfile.read_text()
        assert inputs(image)[0] == image.dockerfile
        assert "ARG BASE=debian:trixie-slim\n" in recipe
        assert "\nFROM ${BASE}" in recipe


def test_every_image_runs_as_a_numeric_user_that_is_not_root():
    for image in IMAGES:
        users = [line.split()[1] for line in image.dockerfile.read_text().splitlines() if line.startswith("USER ")]
        user, group = users[-1].split(":")
        assert int(user) == int(group) > 0


def test_values_name_the_images_and_are_read_back():
    fragment = values({"operator": "1-a", "redis": "1-b", "postgres": "1-c"})
    assert fragment == (
        "# Written by `make images`.\n"
        "image: {registry: localhost, repository: iac-dharma/operator, tag: 1-a}\n"
        "images:\n"
        "  postgres: {registry: localhost, repository: iac-dharma/postgres, tag: 1-c}\n"
        "  redis: {registry: localhost, repository: iac-dharma/redis, tag: 1-b}\n"
    )
    assert tags_in(fragment) == {"operator": "1-a", "redis": "1-b", "postgres": "1-c"}


def test_images_are_chosen_by_name():
    assert [image.name for image in select(["redis", "postgres"])] == ["postgres", "redis"]
    assert select([]) == IMAGES
    with pytest.raises(UserError, match="There is no image `mysql`; the images are operator, pgbouncer, postgres, redis, toolbox"):
        select(["mysql"])
