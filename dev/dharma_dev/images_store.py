"""The images' own store on this machine: layers and build containers of buildah, apart from any container engine of the user's."""

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from dharma_dev import files
from dharma_dev.images_inputs import Image
from dharma_dev.run import command

# Where a build finds the machine's certificates, when its Dockerfile asks for them by `ARG PIP_CERT`: a folder that every Debian has
# and that is empty, as the mount point would stay in the image otherwise; over /etc/ssl no package with certificates could be installed.
CERTIFICATES_IN_BUILD = Path("/mnt")
CERTIFICATE_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE")
CERTIFICATE_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
# A store of an older base image is deleted when no build used it for so long (seconds).
KEEP_UNUSED = 14 * 24 * 3600


def machine_certificates() -> Path | None:
    """Find the machine's bundle of certificate authorities, if it has one."""
    named = [Path(os.environ[name]) for name in CERTIFICATE_VARIABLES if os.environ.get(name)]
    return next((path for path in [*named, CERTIFICATE_BUNDLE] if path.is_file()), None)


@dataclass(frozen=True)
class Store:
    """Everything that was built on one base image, in `folder`."""

    folder: Path
    # Gone with a reboot, as the mounts are that it tells of.
    run_folder: Path

    @property
    def config(self) -> Path:
        """What makes buildah use this store and no other."""
        return self.folder / "storage.conf"

    def prepare(self) -> None:
        """Write the configuration, mark the store as used, and clear away what a build left that was killed."""
        files.write(
            self.config,
            "[storage]\n"
            'driver = "overlay"\n'
            f'graphroot = "{self.folder / "storage"}"\n'
            f'runroot = "{self.run_folder}"\n'
            "[storage.options.overlay]\n"
            "# or a mount of the folder onto itself stays behind\n"
            'skip_mount_home = "true"\n',
        )
        os.utime(self.config)
        if self.buildah("containers", "--quiet").strip():
            self.buildah("rm", "--all")

    def buildah(self, *arguments: str | Path, log: Path | None = None) -> str:
        """Run buildah on this store. Raises CommandError."""
        return command(["buildah", *arguments], env={"CONTAINERS_STORAGE_CONF": str(self.config)}, log=log)

    def references(self) -> set[str]:
        """Return the full references of all images that are here."""
        if not self.config.exists():
            return set()
        return set(self.buildah("images", "--format", "{{.Name}}:{{.Tag}}").split())

    def build(self, image: Image, reference: str, base: str, log: Path) -> None:
        """Build an image on the base image `base`. Raises CommandError with the end of the log."""
        arguments = ["--layers", "--pull-never", "--network", "host", "--isolation", "chroot", "--build-arg", f"BASE={base}"]
        certificates = machine_certificates()
        if certificates and "ARG PIP_CERT" in image.dockerfile.read_text():
            arguments += ["--volume", f"{certificates.parent}:{CERTIFICATES_IN_BUILD}:ro"]
            arguments += ["--build-arg", f"PIP_CERT={CERTIFICATES_IN_BUILD / certificates.name}"]
        self.buildah("bud", *arguments, "--tag", reference, "--file", image.dockerfile, image.context, log=log)

    def export(self, reference: str, archive: Path) -> None:
        """Write an image as a docker archive; its layers are not compressed, which is seven times faster to write here."""
        self.buildah("push", "--quiet", reference, f"docker-archive:{archive}:{reference}")


def remove_unused(parent: Path, current: Path) -> None:
    """Delete the stores in `parent` but `current` that were not used for a fortnight."""
    for config in parent.glob("*/storage.conf"):
        if config.parent == current or time.time() - config.stat().st_mtime < KEEP_UNUSED:
            continue
        shutil.rmtree(config.parent)
