"""A figure from Prometheus that must stay within bounds, by its HTTP API (`/api/v1/query`)."""

import asyncio
import math
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp

from dharma_crds.deployment import PrometheusCheck
from dharma_operator.deployment.checks.verdict import Verdict

_TIMEOUT_SECONDS = 5.0
_LOOK_SECONDS = 1.0
_MOST_ERRORS = 5
"""Questions in a row that may stay unanswered; then the check, which cannot tell, has failed."""


@dataclass(slots=True)
class _Samples:
    good: int = 0
    errors: int = 0
    last: str = ""
    problem: str = ""


async def run(check: PrometheusCheck, window: timedelta | None) -> Verdict:
    """Ask once, or each second of the window; return at the first figure out of bounds. Cancelled, it has no verdict.

    A query that gives nothing, or no number, decides by `noData`: Pass and Fail at once, Wait at the window's end, when it fails unless
    there was at least one good figure.
    """
    if check.address is None:
        return Verdict("Failed", "", "prometheus.address is not set, and this version knows no other Prometheus to ask; set it")
    samples = _Samples()
    until = time.monotonic() + (0.0 if window is None else window.total_seconds())
    async with aiohttp.ClientSession(trust_env=False, timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)) as session:
        while True:
            verdict = await _sample(session, check, check.address, samples)
            if verdict is not None:
                return verdict
            if time.monotonic() + _LOOK_SECONDS > until:
                return _at_the_end(samples)
            await asyncio.sleep(_LOOK_SECONDS)


async def _sample(session: aiohttp.ClientSession, check: PrometheusCheck, address: str, samples: _Samples) -> Verdict | None:
    """Take one figure in. Return the verdict when there is one already."""
    try:
        figure = await _ask(session, address, check.query)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        samples.errors += 1
        samples.problem = f"Prometheus did not answer: {str(error) or type(error).__name__}"
        return Verdict("Failed", samples.last, samples.problem) if samples.errors >= _MOST_ERRORS else None
    samples.errors = 0
    if figure is None:
        return _without_data(check, samples)
    samples.last = f"{figure:g}"
    if (check.min is not None and figure < float(check.min)) or (check.max is not None and figure > float(check.max)):
        return Verdict("Failed", samples.last, f"the query gave {figure:g}, which is not {_bounds(check)}")
    samples.good += 1
    return None


def _without_data(check: PrometheusCheck, samples: _Samples) -> Verdict | None:
    samples.problem = "the query gave no data"
    if check.no_data == "Wait":
        return None
    return Verdict("Passed" if check.no_data == "Pass" else "Failed", samples.last, f"{samples.problem}, and noData is {check.no_data}")


def _at_the_end(samples: _Samples) -> Verdict:
    if samples.good == 0 or samples.errors:
        return Verdict("Failed", samples.last, f"{samples.problem or 'there was no figure'}; nothing says that the version is good")
    return Verdict("Passed", samples.last, f"{samples.good} figures were within bounds")


def _bounds(check: PrometheusCheck) -> str:
    return " and ".join(f"{word} {bound}" for word, bound in (("at least", check.min), ("at most", check.max)) if bound is not None)


async def _ask(session: aiohttp.ClientSession, address: str, query: str) -> float | None:
    """Return the one number that the query gives; None without data. Raises ValueError for anything else that is answered."""
    async with session.post(f"{address.rstrip('/')}/api/v1/query", data={"query": query}) as answer:
        body: dict[str, Any] = await answer.json(content_type=None)
    if body.get("status") != "success":
        raise ValueError(str(body.get("error") or f"HTTP {answer.status}"))
    data: dict[str, Any] = body["data"]
    result: list[Any] = data["result"]
    figures = [float(result[1])] if data["resultType"] == "scalar" else [float(series["value"][1]) for series in result]
    if len(figures) > 1:
        raise ValueError(f"the query gives {len(figures)} figures and should give one; add sum() or max()")
    return figures[0] if figures and math.isfinite(figures[0]) else None
