"""The Go programs' own tests, run as they are built."""

from pathlib import Path

import pytest

from dharma_dev import build, paths, wheels
from dharma_dev.run import command

# Not `./...`: the packages of the big programs are built and not tested here.
PACKAGES = ["./internal/...", "./cmd/agent", "./cmd/policy-cni", "./cmd/probe"]
ENVIRONMENT = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-mod=readonly"}
# Seconds; the packages that the agent stands on are compiled once.
TIMEOUT = 900


@pytest.fixture(scope="module")
def go() -> Path:
    return wheels.go(build.minimum_go((paths.GO_DIR / "go.mod").read_text()))


def run(go: Path, *arguments: str) -> str:
    return command([go, *arguments], cwd=paths.GO_DIR, env=ENVIRONMENT, timeout=TIMEOUT)


def test_every_file_is_formatted(go: Path):
    gofmt = Path(run(go, "env", "GOROOT").strip()) / "bin" / "gofmt"
    assert command([gofmt, "-l", "cmd", "internal", "tools.go"], cwd=paths.GO_DIR) == ""


@pytest.mark.timeout(TIMEOUT)
def test_vet_finds_nothing(go: Path):
    run(go, "vet", *build.BUILD_FLAGS, *PACKAGES)


@pytest.mark.timeout(TIMEOUT)
def test_the_packages_tests_pass(go: Path):
    assert "ok" in run(go, "test", *build.BUILD_FLAGS, *PACKAGES)
