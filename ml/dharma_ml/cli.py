"""`dharma-ml`: benchmarks of the models, and the store of trained ones."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dharma_ml.bench import main as bench
from dharma_ml.cli_models import models

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Benchmarks of the models, and the store of trained ones.")
app.add_typer(models, name="models")


class Benchmark(StrEnum):
    """What can be measured."""

    ANOMALY = "anomaly"
    RIGHTSIZING = "rightsizing"
    COST = "cost"
    DRIFT = "drift"
    LIFECYCLE = "lifecycle"


@app.command("bench")
def measure(
    what: Benchmark,
    data: Annotated[Path, typer.Option(help="folder with sets in the formats of the data's README")],
    json: Annotated[Path | None, typer.Option(help="write the tables there too")] = None,
    scores: Annotated[Path | None, typer.Option(help="anomaly: write a CSV a stream there, timestamp and score in 0..1")] = None,
    pictures: Annotated[Path | None, typer.Option(help="draw pictures there")] = None,
) -> None:
    """Measure a model beside its baselines: tables, the same seeds and parameters for all streams."""
    console = Console()
    try:
        bench.run(what.value, data, out=json, scores=scores, pictures=pictures, console=console)
    except bench.BenchmarkError as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from error


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
