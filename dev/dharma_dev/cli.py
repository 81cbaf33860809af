"""The commands of the development cluster: `python3 -m dharma_dev COMMAND`."""

import argparse

from dharma_dev import build, checks, down, images, lock, paths, report, up, venv
from dharma_dev.run import UserError, say


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    root = argparse.ArgumentParser(prog="python3 -m dharma_dev", description="The development cluster: a real Kubernetes on this machine.")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("up", help="build what is missing, start what does not run, repair what is broken; safe and quick to run again")
    stop = commands.add_parser("down", help="stop everything; data (objects, volumes, images) stay for the next `up`")
    stop.add_argument("--delete", action="store_true", help="delete the data too; what was built stays in the cache")
    commands.add_parser("status", help="each part of the cluster: does it work, pid, memory, age; exit code 1 when one does not")
    logs = commands.add_parser("logs", help="the end of the logs of all parts, or of one")
    logs.add_argument("component", nargs="?", help="a part, as `status` names it; `audit` for the API server's audit log")
    logs.add_argument("-f", "--follow", action="store_true", help="go on showing what comes")
    commands.add_parser("build", help="build the cluster's programs, start nothing")
    commands.add_parser("venv", help="make this checkout's Python environment fit its locked dependencies")
    build_images = commands.add_parser("images", help="build the images that changed and load them into the cluster")
    build_images.add_argument("--only", action="append", default=[], metavar="NAME", help="only this image; may be given several times")
    return root


def main(argv: list[str] | None = None) -> int:
    """Run one command; return the exit code."""
    arguments = parser().parse_args(argv)
    try:
        return run(arguments)
    except UserError as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("Interrupted; running the command again goes on from here.")
        return 130


def run(arguments: argparse.Namespace) -> int:
    """Do what the command line asks; return the exit code."""
    if arguments.command == "venv":
        venv.ensure()
        return 0
    checks.platform_and_rights()
    match arguments.command:
        case "status":
            return report.status()
        case "logs":
            report.logs(arguments.component, follow=arguments.follow)
        case "images":
            images.ensure(arguments.only)
        case "up":
            with lock.locked(paths.LOCK):
                up.up()
        case "down":
            with lock.locked(paths.LOCK):
                down.down(delete=arguments.delete)
        case _:
            build.ensure()
    return 0
