"""Building the cluster's programs from their Go modules, cached under a key of everything that goes into them."""

import json
import platform
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from dharma_dev import files, lock, oci, paths, wheels
from dharma_dev.run import CommandError, UserError, command, step

MODULE = "github.com/iac-dharma/iac-dharma/dev/go"
CONTAINERD = "github.com/containerd/containerd/v2/cmd"
PLUGINS = "github.com/containernetworking/plugins/plugins"
# Without the state of version control in the programs: they are the same for the same sources.
BUILD_FLAGS = ["-buildvcs=false", "-tags", "no_btrfs no_zfs no_devmapper"]
# One `go build` for all of these, so that each package they share is compiled once.
CORE_PACKAGES = [
    f"{MODULE}/cmd/kube",
    f"{MODULE}/cmd/coredns",
    f"{MODULE}/cmd/pause",
    f"{CONTAINERD}/containerd",
    f"{CONTAINERD}/containerd-shim-runc-v2",
    f"{CONTAINERD}/ctr",
    f"{PLUGINS}/ipam/host-local",
    f"{PLUGINS}/main/bridge",
    f"{PLUGINS}/main/loopback",
    "helm.sh/helm/v4/cmd/helm",
    "sigs.k8s.io/metrics-server/cmd/metrics-server",
]
CORE_SOURCES = ["cmd/kube", "cmd/coredns", "cmd/pause"]
AGENT = "dharma-agent"
POLICY_PLUGIN = "policy-cni"
# The agent, the CNI plugin through which a pod waits for its rules, and the two ends of the connections that tests make.
AGENT_PACKAGES = [f"{MODULE}/cmd/agent", f"{MODULE}/cmd/{POLICY_PLUGIN}", f"{MODULE}/cmd/probe"]
AGENT_SOURCES = ["cmd/agent", f"cmd/{POLICY_PLUGIN}", "cmd/probe", "internal"]
# Programs that run as pods: each becomes an image.
IMAGE_PROGRAMS = ["pause", "coredns", "metrics-server"]
# In each result: the hash of each program, and the name of each image.
RECORD = "result.json"
WORK_PREFIX = ".building."
# How long a result stays in the cache that nothing used.
KEPT_SECONDS = 14 * 86400


@dataclass(frozen=True)
class Programs:
    """What was built: folders with the programs, and the images by name with the archive of each."""

    core: Path
    agent: Path
    images: dict[str, str]

    def archive(self, program: str) -> Path:
        """Return the OCI archive of a program's image."""
        return self.core / "images" / f"{program}.tar"


def requirements(go_mod: str) -> list[str]:
    """Return the versions a go.mod asks for, without its comments, in a fixed order: what of it can change a program."""
    lines = (line.partition("//")[0].strip().removeprefix("require ").strip() for line in go_mod.splitlines())
    return sorted(line for line in lines if line and line not in {"require (", "replace (", "(", ")"})


def minimum_go(go_mod: str) -> tuple[int, ...]:
    """Return the Go version that a go.mod asks for."""
    found = re.search(r"^go (\d+(?:\.\d+)*)$", go_mod, re.MULTILINE)
    if found is None:
        raise UserError(f"{paths.GO_DIR / 'go.mod'} has no `go` line: restore it from version control.")
    return tuple(int(number) for number in found.group(1).split("."))


def kubernetes_version(go_mod: str) -> str:
    """Return the Kubernetes version that a go.mod asks for, as `v1.37.2`."""
    return next(line.split()[1] for line in requirements(go_mod) if line.startswith("k8s.io/kubernetes "))


def link_flags(go_mod: str) -> str:
    """Return flags that strip the programs and tell them their version, which clients would otherwise see as nonsense."""
    version = kubernetes_version(go_mod)
    major, minor, _ = version.removeprefix("v").split(".")
    base = "k8s.io/component-base/version"
    stamps = {
        f"{base}.gitVersion": version,
        f"{base}.gitMajor": major,
        f"{base}.gitMinor": minor,
        "k8s.io/client-go/pkg/version.gitVersion": version,
    }
    return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in stamps.items())])


def ensure() -> Programs:
    """Build what is not in the cache. Raises UserError when modules cannot be fetched or something does not compile."""
    go_mod = (paths.GO_DIR / "go.mod").read_text()
    go = wheels.go(minimum_go(go_mod))
    version = ".".join(map(str, wheels.go_version(go)))
    flags = link_flags(go_mod)
    versions = files.digest([paths.GO_DIR / "go.sum"], *requirements(go_mod), version, flags, *BUILD_FLAGS, platform.machine())
    core = paths.BUILD_CACHE / f"core-{files.digest([paths.GO_DIR / source for source in CORE_SOURCES], versions, *CORE_PACKAGES)}"
    agent = paths.BUILD_CACHE / f"agent-{files.digest([paths.GO_DIR / source for source in AGENT_SOURCES], versions)}"
    if not (core.is_dir() and agent.is_dir()):
        with lock.locked(paths.BUILD_CACHE / "lock"):
            _clear_away()
            if not core.is_dir():
                _build(
                    go, flags, CORE_PACKAGES, core, "Kubernetes, containerd, CoreDNS, Helm and metrics-server from source (once; minutes)"
                )
            if not agent.is_dir():
                _build(go, flags, AGENT_PACKAGES, agent, "the network policy and volume agent")
    for result in (core, agent):
        (result / RECORD).touch()
    return Programs(core, agent, json.loads((core / RECORD).read_text())["images"])


def _clear_away() -> None:
    """Remove what builds that were killed left behind, and results that no cluster of late was brought up with."""
    for folder in paths.BUILD_CACHE.glob(f"{WORK_PREFIX}*"):
        files.remove(folder)
    linked = {link.resolve().parents[1] for link in paths.BIN.glob("*")}
    for record in paths.BUILD_CACHE.glob(f"*/{RECORD}"):
        if record.stat().st_mtime < time.time() - KEPT_SECONDS and record.parent not in linked:
            files.remove(record.parent)
    for log in paths.BUILD_CACHE.glob("*.log"):
        if log.stat().st_mtime < time.time() - KEPT_SECONDS:
            files.remove(log)


def version_of(program: Path) -> str:
    """Return what tells two versions of a program apart: its hash, as its build recorded it."""
    built = program.resolve()
    record = json.loads((built.parents[1] / RECORD).read_text())
    version: str = record["programs"][built.name]
    return version


def _build(go: Path, flags: str, packages: list[str], target: Path, title: str) -> None:
    """Build packages into `target`, which appears only when complete."""
    paths.BUILD_CACHE.mkdir(parents=True, exist_ok=True)
    log = paths.BUILD_CACHE / f"{target.name}.log"
    log.unlink(missing_ok=True)
    environment = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-mod=readonly"}
    total = _package_count(go, packages, environment)

    def progress() -> str:
        done = len(log.read_text(errors="replace").splitlines()) if log.exists() else 0
        return f"{done} packages compiled, of {total} at most"

    with tempfile.TemporaryDirectory(dir=paths.BUILD_CACHE, prefix=WORK_PREFIX) as folder:
        work = Path(folder) / "result"
        (work / "bin").mkdir(parents=True)
        argv = [str(go), "build", "-v", *BUILD_FLAGS, "-ldflags", flags, "-o", f"{work / 'bin'}/", *packages]
        with step(f"Building {title}", log=log, progress=progress):
            command(argv, cwd=paths.GO_DIR, env=environment, log=log)
        finish(work)
        work.replace(target)


def _package_count(go: Path, packages: list[str], environment: dict[str, str]) -> int:
    """How many packages a build consists of; asking fetches the modules, so that a missing network shows here."""
    with step("Fetching Go modules"):
        try:
            listing = command([go, "list", "-deps", *BUILD_FLAGS, *packages], cwd=paths.GO_DIR, env=environment)
        except CommandError as error:
            raise UserError(
                "The Go modules could not be fetched: no module proxy is reachable, or go.mod and go.sum do not fit the sources; "
                f"check the network and `go env GOPROXY`, then run the command again.\n{error.output}"
            ) from error
    return len(listing.splitlines())


def finish(work: Path) -> None:
    """Make of a folder with built programs a complete result: images of those that run as pods, and the record of it all."""
    names: dict[str, str] = {}
    (work / "images").mkdir()
    built = sorted((work / "bin").iterdir())
    for program in built:
        if program.name in IMAGE_PROGRAMS:
            names[program.name] = oci.write_image(program, work / "images" / f"{program.name}.tar", platform.machine())
    (work / RECORD).write_text(json.dumps({"programs": {program.name: files.digest([program]) for program in built}, "images": names}))
