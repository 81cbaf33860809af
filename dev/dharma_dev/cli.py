"""The commands of the development cluster: `python3 -m dharma_dev COMMAND`."""

import argparse
import sys

from dharma_dev import build, checks, down, images, lock, report, up, venv
from dharma_dev.run import UserError, say


def parser() -> argparse.ArgumentParser:
    """The command line."""
    root = argparse.ArgumentParser(prog="python3 -m dharma_dev", description="The development cluster: a real Kubernetes on this machine.")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("up", help="build what is missing, start what does not run, repair what is broken; safe and quick to run again")
    down = commands.add_parser("down", help="stop everything; data (objects, volumes, images) stay for the next `up`")
    down.add_argument("--delete", action="store_true", help="delete the data too; what was built stays in the cache")
    commands.add_parser("status", help="each part of the cluster: health, pid, memory, version")
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
        run(arguments)
    except UserError as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("Interrupted; running the command again goes on from here.")
        return 130
    return 0


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line asks."""
    if arguments.command == "status":
        report.status()
    elif arguments.command == "logs":
        report.logs(arguments.component, follow=arguments.follow)
    elif arguments.command == "venv":
        venv.ensure()
    elif arguments.command == "images":
        checks.platform_and_rights()
        images.ensure(arguments.only)
    else:
        checks.platform_and_rights()
        with lock.locked():
            if arguments.command == "up":
                up.up()
            elif arguments.command == "down":
                down.down(delete=arguments.delete)
            else:
                build.ensure()
