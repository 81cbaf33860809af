"""`make bench-ml`: all benchmarks, on the public sets beside the checkout or else on small generated ones."""

import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console

from dharma_ml.bench import generated, main

CHECKOUT: Final = Path(__file__).resolve().parents[3]
DATA: Final = CHECKOUT.parent / "shared" / "data"


def everything(data: Path, console: Console) -> int:
    """Run all benchmarks; results of public data go to benchmarks/results/ and docs/ml/. Returns 1 when one could not run."""
    if data.is_dir():
        return _each(data, CHECKOUT / "benchmarks" / "results", CHECKOUT / "docs" / "ml", console)
    console.print(f"{data} is not there: small generated sets are used instead, and no result is written.", style="yellow", markup=False)
    with tempfile.TemporaryDirectory() as folder:
        generated.write(Path(folder))
        return _each(Path(folder), None, None, console)


def _each(data: Path, results: Path | None, pictures: Path | None, console: Console) -> int:
    failed = 0
    for name in main.BENCHMARKS:
        out = results / f"ml-{name}.json" if results is not None else None
        try:
            main.run(name, data, out=out, pictures=pictures, console=console)
        except main.BenchmarkError as error:
            console.print(str(error), style="red", markup=False)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(everything(DATA, Console()))
