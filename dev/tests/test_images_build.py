"""Building: the base image's settings, the store, what a failed build tells, and the values fragment."""

import datetime as dt
import os
from pathlib import Path

import pytest

from dharma_dev import images, images_base, images_node, images_store, paths
from dharma_dev.images import Wanted, write_values
from dharma_dev.images_apt import Mirrors
from dharma_dev.images_base import Base, base_key, configure, strip
from dharma_dev.images_inputs import Image, tag_of, tags_in, version
from dharma_dev.images_store import Store, remove_unused
from dharma_dev.run import UserError

MIRRORS = Mirrors(archive="http://mirror.example/debian", security=None)


def test_base_image_is_made_anew_each_week_and_for_other_mirrors():
    monday, sunday = dt.date(2026, 11, 23), dt.date(2026, 11, 29)
    assert base_key(MIRRORS, monday) == base_key(MIRRORS, sunday)
    assert base_key(MIRRORS, monday).startswith("trixie-2026w48-")
    assert base_key(MIRRORS, monday) != base_key(MIRRORS, sunday + dt.timedelta(days=1))
    assert base_key(MIRRORS, monday) != base_key(Mirrors(archive=None, security=None), monday)


def test_base_image_starts_no_service_and_keeps_licences_but_no_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(images_base, "release_checks", lambda: 'Acquire::Check-Date "false";\n')
    kept = ["usr/share/doc/tar/copyright", "usr/bin/tar"]
    gone = [
        "usr/share/doc/tar/changelog.gz",
        "usr/share/doc/bare/README",
        "usr/share/man/man1/tar.1",
        "var/log/dpkg.log",
        "etc/resolv.conf",
    ]
    for name in [*kept, *gone]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    configure(tmp_path, MIRRORS)
    strip(tmp_path)
    assert (tmp_path / "usr/sbin/policy-rc.d").read_text().endswith("exit 101\n")
    assert (tmp_path / "usr/sbin/policy-rc.d").stat().st_mode & 0o777 == 0o755
    assert "http://mirror.example/debian trixie main" in (tmp_path / "etc/apt/sources.list").read_text()
    assert [name for name in kept if not (tmp_path / name).exists()] == []
    assert [name for name in gone if (tmp_path / name).exists()] == []
    assert (tmp_path / "var/log").is_dir()


def test_stores_unused_for_a_fortnight_are_deleted(tmp_path: Path):
    stores = {name: Store(tmp_path / name, tmp_path / "run") for name in ("current", "recent", "old")}
    for store in stores.values():
        store.folder.mkdir()
        store.config.write_text("")
    os.utime(stores["old"].config, (0, 0))
    os.utime(stores["current"].config, (0, 0))
    remove_unused(tmp_path, stores["current"].folder)
    assert {name for name, store in stores.items() if store.folder.exists()} == {"current", "recent"}


def test_machine_certificates_are_those_named_for_pip_then_the_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    own, system = tmp_path / "own.pem", tmp_path / "system.pem"
    system.write_text("")
    monkeypatch.setattr(images_store, "CERTIFICATE_BUNDLE", system)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("PIP_CERT", str(own))
    assert images_store.machine_certificates() == system
    own.write_text("")
    assert images_store.machine_certificates() == own
    own.unlink()
    system.unlink()
    assert images_store.machine_certificates() is None


def test_an_image_that_was_not_built_keeps_its_tag_in_the_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(paths, "IMAGES_VALUES", tmp_path / "images.yaml")
    write_values({"postgres": "1-a", "redis": "1-b"})
    write_values({"redis": "1-c"})
    assert tags_in(paths.IMAGES_VALUES.read_text()) == {"postgres": "1-a", "redis": "1-c"}


def test_node_without_containerd_is_told_from_one_without_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(paths, "CONTAINERD_SOCKET", tmp_path / "absent.sock")
    assert images_node.loaded() is None
    monkeypatch.setattr(paths, "CONTAINERD_SOCKET", tmp_path)
    assert images_node.loaded() is None


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Wanted]:
    """Two images of which one cannot be built, as the only images there are; logs and values go to a folder of the test."""
    monkeypatch.setattr(paths, "LOGS", tmp_path / "logs")
    monkeypatch.setattr(paths, "IMAGES_VALUES", tmp_path / "images.yaml")
    monkeypatch.setattr(images_node, "loaded", lambda: None)
    wanted: list[Wanted] = []
    base = Base().reference
    for name, command in (("test-broken", "echo the reason is this && exit 3"), ("test-sound", "true")):
        context = tmp_path / name
        context.mkdir()
        (context / "Dockerfile").write_text(f"ARG BASE\nFROM ${{BASE}}\nRUN {command} # {tmp_path}\n")
        image = Image(name, context)
        wanted.append(Wanted(image, tag_of(image, version(), base)))
    monkeypatch.setattr(images, "select", lambda names: [one.image for one in wanted if not names or one.image.name in names])
    return wanted


@pytest.mark.cluster
def test_failed_build_shows_the_end_of_its_log_and_where_it_is_and_the_others_are_built(
    broken: list[Wanted], capsys: pytest.CaptureFixture[str]
):
    store = Base().store
    try:
        with pytest.raises(UserError) as failure:
            images.ensure([])
        told = str(failure.value)
        assert "the reason is this" in told
        assert str(broken[0].log) in told
        assert not paths.IMAGES_VALUES.exists(), "values that name an image which was not built"
        assert broken[0].reference not in store.references()
        assert broken[1].reference in store.references()
        images.ensure(["test-sound"])
        assert "the cluster does not run" in capsys.readouterr().err
    finally:
        store.buildah("rmi", broken[1].reference)


@pytest.mark.cluster
def test_files_edited_while_images_are_made_end_under_the_tag_of_what_was_built(broken: list[Wanted], monkeypatch: pytest.MonkeyPatch):
    sound = broken[1]

    def edit(base: Base, log: Path) -> None:
        sound.image.dockerfile.write_text(f"{sound.image.dockerfile.read_text()}LABEL edited=yes\n")

    monkeypatch.setattr(Base, "ensure", edit)
    store = Base().store
    monkeypatch.setattr(images, "IMAGES", [sound.image])
    images.ensure(["test-sound"])
    edited = tag_of(sound.image, version(), Base().reference)
    try:
        assert edited != sound.tag
        assert tags_in(paths.IMAGES_VALUES.read_text()) == {"test-sound": edited}
        assert sound.reference not in store.references()
        assert store.buildah("inspect", "--format", "{{.OCIv1.Config.Labels.edited}}", sound.image.reference(edited)).strip() == "yes"
    finally:
        store.buildah("rmi", sound.image.reference(edited))
