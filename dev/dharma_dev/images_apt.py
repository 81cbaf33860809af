"""Where this machine takes Debian's packages from, so that the base image takes them from the same place."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path("/etc/apt")
OS_RELEASE = Path("/etc/os-release")
_ONE_LINE = re.compile(r"^deb\s+(?:\[[^\]]*\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)$")


@dataclass(frozen=True)
class Source:
    """One archive address with one of its suites."""

    uri: str
    suite: str
    components: tuple[str, ...]


@dataclass(frozen=True)
class Mirrors:
    """The addresses of Debian's archive and of its security updates; None where the machine names none."""

    archive: str | None
    security: str | None

    def sources_list(self, suite: str) -> str:
        """Return the one-line apt sources of `suite`; empty when the archive's address is not known."""
        lines: list[str] = []
        if self.archive:
            lines += [f"deb {self.archive} {suite} main", f"deb {self.archive} {suite}-updates main"]
        if self.security:
            lines.append(f"deb {self.security} {suite}-security main")
        return "".join(f"{line}\n" for line in lines)


def parse_one_line(text: str) -> Iterator[Source]:
    """Yield the binary sources of a `sources.list`."""
    for line in text.splitlines():
        found = _ONE_LINE.match(line.partition("#")[0].strip())
        if found:
            yield Source(uri=found["uri"].rstrip("/"), suite=found["suite"], components=tuple(found["components"].split()))


def parse_stanzas(text: str) -> Iterator[Source]:
    """Yield the enabled binary sources of a deb822 `*.sources` file."""
    without_comments = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", without_comments):
        fields = _fields(stanza)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").strip() == "no":
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield Source(uri=uri.rstrip("/"), suite=suite, components=tuple(fields.get("components", "").split()))


def _fields(stanza: str) -> Mapping[str, str]:
    """Return the fields of one stanza by lower-case name; an indented line continues the field before it."""
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line[:1].isspace():
            fields[name] = f"{fields.get(name, '')} {line.strip()}"
        else:
            key, _, value = line.partition(":")
            name = key.strip().lower()
            fields[name] = value.strip()
    return fields


def choose_mirrors(sources: list[Source], codename: str) -> Mirrors:
    """Pick the mirrors of the machine's own Debian release; only http and https ones, as debootstrap reads no others."""
    usable = [source for source in sources if "main" in source.components and re.match(r"https?://", source.uri)]
    archive = next((source.uri for source in usable if source.suite in {codename, "stable"}), None)
    security = next((source.uri for source in usable if source.suite in {f"{codename}-security", "stable-security"}), None)
    return Mirrors(archive=archive, security=security)


def machine_mirrors() -> Mirrors:
    """Read the mirrors of this machine; none on another distribution than Debian, where debootstrap's own default serves."""
    release = dict(line.split("=", 1) for line in OS_RELEASE.read_text().splitlines() if "=" in line) if OS_RELEASE.exists() else {}
    if release.get("ID", "").strip('"') != "debian":
        return Mirrors(archive=None, security=None)
    sources: list[Source] = []
    for path in [SOURCES / "sources.list", *sorted((SOURCES / "sources.list.d").glob("*.list"))]:
        if path.is_file():
            sources += parse_one_line(path.read_text())
    for path in sorted((SOURCES / "sources.list.d").glob("*.sources")):
        sources += parse_stanzas(path.read_text())
    return choose_mirrors(sources, release.get("VERSION_CODENAME", "").strip('"'))
