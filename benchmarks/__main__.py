"""`python -m benchmarks [--only NAME] [--quick]`: run from the repository's root, with the development cluster up and the images built."""

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable

from benchmarks import api_requests, drift, idle, quota_burst, ready, restart, tenants
from benchmarks.bed import Bed, opened
from benchmarks.report import Report, machine

BENCHMARKS: dict[str, Callable[[Bed], Awaitable[Report]]] = {
    "ready": ready.run,
    "requests": api_requests.run,
    "idle": idle.run,
    "restart": restart.run,
    "drift": drift.run,
    "tenants": tenants.run,
    "quota-burst": quota_burst.run,
}


async def run(names: list[str], *, quick: bool) -> int:
    """Run these, in order. Return the exit code: one that fails does not keep the others from running."""
    here = asyncio.current_task()
    assert here is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, here.cancel)  # so that no namespace and no process is left behind
    failed: list[str] = []
    async with opened(quick=quick) as bed:
        kubernetes = await bed.client.version()
        for name in names:
            print(f"── {name} ", flush=True)
            about, begun = machine(kubernetes), time.monotonic()
            if os.getloadavg()[0] > (os.cpu_count() or 1):
                print(f"   the machine has other work (load {os.getloadavg()[0]:.1f}): compare ratios, not seconds", flush=True)
            try:
                report = await BENCHMARKS[name](bed)
            except (AssertionError, OSError, TimeoutError) as error:
                failed.append(name)
                print(f"benchmark {name} failed: {error or type(error).__name__}\n", file=sys.stderr, flush=True)
                continue
            print(f"\n{report.text()}")
            if not quick:
                report.save(about)
            print(f"   took {time.monotonic() - begun:.0f} s\n", flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Benchmarks of the operator on the development cluster.")
    parser.add_argument("--only", action="append", choices=list(BENCHMARKS), help="run this one; may be given several times")
    parser.add_argument("--quick", action="store_true", help="fewer and smaller runs, to see that all of it works; writes no results")
    arguments = parser.parse_args()
    raise SystemExit(asyncio.run(run(arguments.only or list(BENCHMARKS), quick=arguments.quick)))


if __name__ == "__main__":
    main()
