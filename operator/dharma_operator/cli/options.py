"""Options that several commands have."""

from typing import Annotated

import typer

Namespace = Annotated[str | None, typer.Option("-n", "--namespace", help="Namespace; default: the kubeconfig context's.")]
Context = Annotated[str | None, typer.Option("--context", help="Context of the kubeconfig; default: the current one.")]

REFRESH = 1.0
"""Seconds between two looks with --watch."""
