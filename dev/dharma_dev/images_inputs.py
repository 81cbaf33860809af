"""What goes into each image, and the tag that follows from it."""

import re
import shlex
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path

from dharma_dev import files, paths
from dharma_dev.run import UserError

REGISTRY = "localhost"
REPOSITORY = "iac-dharma"
IGNORE_FILE = ".dockerignore"


@dataclass(frozen=True)
class Image:
    """One image: its name and its build context, which holds its Dockerfile."""

    name: str
    context: Path

    @property
    def dockerfile(self) -> Path:
        """The recipe, the same for plain Docker."""
        return self.context / "Dockerfile"

    @property
    def repository(self) -> str:
        """The name below the registry."""
        return f"{REPOSITORY}/{self.name}"

    def reference(self, tag: str) -> str:
        """Return the full reference, as a pod names it."""
        return f"{REGISTRY}/{self.repository}:{tag}"


# Clients for the demo and the tests; the product does not use it.
TEST_IMAGE = "toolbox"
# The longest build first, so that the others fit beside it.
IMAGES = [
    Image("postgres", paths.CHECKOUT / "images/postgres"),
    Image("operator", paths.CHECKOUT),
    Image(TEST_IMAGE, paths.CHECKOUT / "images/toolbox"),
    Image("pgbouncer", paths.CHECKOUT / "images/pgbouncer"),
    Image("redis", paths.CHECKOUT / "images/redis"),
]


def select(names: list[str]) -> list[Image]:
    """Return the images of these names, all when there are none. Raises UserError for a name that is no image's."""
    known = {image.name: image for image in IMAGES}
    for name in names:
        if name not in known:
            raise UserError(f"There is no image `{name}`; the images are {', '.join(sorted(known))}.")
    return [image for image in IMAGES if not names or image.name in names]


def version() -> str:
    """Return the project's version."""
    project = tomllib.loads((paths.CHECKOUT / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def copied(dockerfile: str) -> list[str]:
    """Return the paths in the build context that a Dockerfile copies; what it copies from its own earlier stages is left out."""
    sources: list[str] = []
    for line in re.sub(r"\\\n", " ", dockerfile).splitlines():
        words = shlex.split(line, comments=True)
        if not words or words[0].upper() not in {"COPY", "ADD"}:
            continue
        options = [word for word in words[1:] if word.startswith("--")]
        if not any(option.startswith("--from=") for option in options):
            sources += [word for word in words[1:-1] if not word.startswith("--")]
    return sources


def inputs(image: Image) -> list[Path]:
    """Every file that decides what the image is, but for the base image and the packages. Raises UserError when one is missing."""
    found = [image.dockerfile]
    ignore = image.context / IGNORE_FILE
    if ignore.exists():
        found.append(ignore)
    for source in copied(image.dockerfile.read_text()):
        path = image.context / source
        if not path.exists():
            raise UserError(f"The image `{image.name}` needs {path}, which is not there: {image.dockerfile} copies it.")
        members = sorted(path.rglob("*")) if path.is_dir() else [path]
        found += [member for member in members if member.is_file() and "__pycache__" not in member.parts]
    return found


def tag_of(image: Image, release: str, base: str) -> str:
    """Return the tag `<version>-<hash>`: the hash of the image's inputs, where they lie, and the base image's reference `base`."""
    members = inputs(image)
    places = [str(member.relative_to(image.context)) for member in members]
    return f"{release}-{files.digest(members, *places, base)}"


def snapshot(image: Image, folder: Path) -> Image:
    """Copy an image's inputs to `folder` and return the image with that as its context: later edits do not reach a build that has begun."""
    for member in inputs(image):
        target = folder / member.relative_to(image.context)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(member, target)
    return Image(image.name, folder)


def values(tags: dict[str, str]) -> str:
    """Write a Helm values fragment that names the images by their tags; `tags` maps each image's name to its tag."""
    entry = {name: f"{{registry: {REGISTRY}, repository: {REPOSITORY}/{name}, tag: {tag}}}" for name, tag in tags.items()}
    lines = ["# Written by `make images`."]
    if "operator" in entry:
        lines.append(f"image: {entry['operator']}")
    lines.append("images:")
    lines += [f"  {name}: {entry[name]}" for name in sorted(entry) if name not in {"operator", TEST_IMAGE}]
    if TEST_IMAGE in entry:
        # Not the chart's; Helm lets `global` pass, so that one file serves Helm, the demo and the tests.
        lines += ["global:", f"  {TEST_IMAGE}: {entry[TEST_IMAGE]}"]
    return "\n".join(lines) + "\n"


def tags_in(fragment: str) -> dict[str, str]:
    """Read back the tags by image name that `values` wrote into a fragment."""
    return dict(re.findall(rf"repository: {REPOSITORY}/([\w-]+), tag: ([^}}\s]+)}}", fragment))
