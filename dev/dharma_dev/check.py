"""The fast part of what CI checks: formats, lint, types, the direction of imports, generated files; two at a time."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from dharma_dev.paths import CHECKOUT

BIN = CHECKOUT / ".venv" / "bin"
WORKERS = 2


@dataclass(frozen=True)
class Check:
    """One checker: a name for people, what to run from the checkout's root."""

    name: str
    argv: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """How a check ended; `seconds` of wall time."""

    check: Check
    passed: bool
    seconds: float
    output: str


def _tool(name: str, *arguments: str) -> tuple[str, ...]:
    return (str(BIN / name), *arguments)


def _tracked(*patterns: str) -> tuple[str, ...]:
    """Files that git knows, or would if they were added."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(name for name in listed.stdout.splitlines() if (CHECKOUT / name).exists())


def checks() -> list[Check]:
    """All checks, the longest first."""
    markdown = _tracked("*.md")
    yaml = tuple(name for name in _tracked("*.yaml", "*.yml") if "/templates/" not in name and "/golden/" not in name)
    go = _tracked("dev/go/*.go")
    found = [
        Check("types (pyright)", _tool("pyright")),
        Check("types (mypy)", _tool("mypy")),
        Check("lint (ruff)", _tool("ruff", "check", ".")),
        Check("format (ruff)", _tool("ruff", "format", "--check", ".")),
        Check("imports (import-linter)", _tool("lint-imports")),
        Check("generated files", _tool("python", "-m", "dharma_crds", "generate", "--check")),
    ]
    if markdown:
        found.append(Check("markdown (pymarkdown)", _tool("pymarkdown", "--config", ".pymarkdown.yaml", "scan", *markdown)))
    if yaml:
        found.append(Check("YAML (yamllint)", _tool("yamllint", "--strict", *yaml)))
    if go:
        found.append(
            Check("format (gofmt)", ("bash", "-c", 'bad=$(gofmt -l "$@") && [ -z "$bad" ] || { echo "$bad"; exit 1; }', "gofmt", *go))
        )
    return found


def _run(check: Check) -> Verdict:
    begun = time.monotonic()
    done = subprocess.run(check.argv, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return Verdict(check, done.returncode == 0, time.monotonic() - begun, done.stdout + done.stderr)


def main() -> int:
    """Run all checks; exit code 1 when one failed."""
    begun = time.monotonic()
    failed: list[Verdict] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for future in as_completed([pool.submit(_run, check) for check in checks()]):
            verdict = future.result()
            print(f"{'ok    ' if verdict.passed else 'FAILED'} {verdict.seconds:5.1f} s  {verdict.check.name}", flush=True)
            if not verdict.passed:
                failed.append(verdict)
    for verdict in failed:
        print(f"\n── {verdict.check.name}\n{verdict.output.rstrip()}")
    print(f"\n{'FAILED: ' + ', '.join(v.check.name for v in failed) if failed else 'all checks passed'} ({time.monotonic() - begun:.0f} s)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
