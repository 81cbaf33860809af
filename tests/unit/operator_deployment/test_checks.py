"""Checks against real servers on this machine: what passes, what fails, and that nothing passes by not being known."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from dharma_crds.deployment import Check, CheckStatus, HttpCheck, Port, PrometheusCheck
from dharma_operator.deployment.checks import http, prometheus
from dharma_operator.deployment.checks.board import Board

PORTS = (Port(name="http", port=80, target_port="web"), Port(name="admin", port=81, target_port=9000))


@asynccontextmanager
async def serving(answer: Callable[[int], web.Response]) -> AsyncIterator[int]:
    """A server on a free port; `answer` gets the number of the request, from 1."""
    count = 0

    async def handle(_: web.Request) -> web.Response:
        nonlocal count
        count += 1
        return answer(count)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def pod(port: int, name: str = "web-1") -> dict[str, Any]:
    return {
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "app", "ports": [{"name": "web", "containerPort": port}]}]},
        "status": {"podIP": "127.0.0.1"},
    }


def http_check(**fields: Any) -> HttpCheck:
    return HttpCheck.model_validate({"count": 3, "interval": "1s", **fields})


async def test_http_passes_when_all_requests_are_answered() -> None:
    async with serving(lambda _: web.Response(text="ok")) as port:
        verdict = await http.run(http_check(count=2), PORTS, lambda: [pod(port)], None)
    assert (verdict.result, verdict.value) == ("Passed", "2 of 2")


async def test_http_fails_at_the_first_bad_answer() -> None:
    async with serving(lambda number: web.Response(status=200 if number == 1 else 503)) as port:
        verdict = await http.run(http_check(), PORTS, lambda: [pod(port)], None)
    assert (verdict.result, verdict.value, verdict.message) == ("Failed", "1 of 3", "pod web-1 answered 503 to /, not 200")


async def test_http_fails_when_nobody_listens_and_when_no_pod_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = await http.run(http_check(), PORTS, lambda: [pod(1)], None)
    assert verdict.result == "Failed"
    assert "did not answer" in verdict.message
    monkeypatch.setattr(http, "_PATIENCE_SECONDS", 0.1)
    verdict = await http.run(http_check(), PORTS, list, None)
    assert (verdict.result, verdict.message) == ("Failed", "no pod of the version was ready for 0.1 s")


def test_http_finds_the_port_of_the_pod() -> None:
    assert [http.port_of(wanted, PORTS, pod(8080)) for wanted in (None, "http", 80, "admin", 81, "other", 8080)] == [
        8080, 8080, 8080, 9000, 9000, None, None,
    ]  # fmt: skip


def vector(*figures: str) -> web.Response:
    result = [{"metric": {}, "value": [0, figure]} for figure in figures]
    return web.json_response({"status": "success", "data": {"resultType": "vector", "result": result}})


def prometheus_check(port: int, **fields: Any) -> PrometheusCheck:
    return PrometheusCheck.model_validate({"query": "errors", "max": "0.5", "address": f"http://127.0.0.1:{port}", **fields})


@pytest.mark.parametrize(
    ("figures", "fields", "result"),
    [
        (["0.1"], {}, "Passed"),
        (["0.9"], {}, "Failed"),
        (["0.1"], {"min": "0.2"}, "Failed"),
        ([], {}, "Failed"),
        (["NaN"], {}, "Failed"),
        ([], {"noData": "Pass"}, "Passed"),
        (["NaN"], {"noData": "Fail"}, "Failed"),
    ],
)
async def test_prometheus_judges_a_figure_and_its_absence(figures: list[str], fields: dict[str, Any], result: str) -> None:
    async with serving(lambda _: vector(*figures)) as port:
        verdict = await prometheus.run(prometheus_check(port, **fields), None)
    assert verdict.result == result, verdict


async def test_prometheus_that_comes_to_have_data_within_the_window_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "_LOOK_SECONDS", 0.05)
    async with serving(lambda number: vector() if number < 3 else vector("0.1")) as port:
        verdict = await prometheus.run(prometheus_check(port), timedelta(seconds=0.5))
    assert verdict.result == "Passed"
    async with serving(lambda number: vector("0.1") if number < 3 else vector("7")) as port:
        verdict = await prometheus.run(prometheus_check(port), timedelta(seconds=60))
    assert (verdict.result, verdict.value) == ("Failed", "7")


async def test_prometheus_that_errs_has_not_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "_LOOK_SECONDS", 0.01)
    async with serving(lambda _: web.json_response({"status": "error", "error": "parse error"}, status=400)) as port:
        verdict = await prometheus.run(prometheus_check(port), timedelta(seconds=60))
    assert verdict.result == "Failed"
    assert "parse error" in verdict.message
    async with serving(lambda number: vector("0.1") if number == 1 else web.Response(status=502, text="bad gateway")) as port:
        verdict = await prometheus.run(prometheus_check(port), timedelta(seconds=0.1))
    assert verdict.result == "Failed"
    async with serving(lambda _: vector("0.1", "0.2")) as port:
        verdict = await prometheus.run(prometheus_check(port), None)
    assert verdict.result == "Failed"


async def test_the_board_runs_what_is_due_and_forgets_what_was_about_another_version() -> None:
    board, owner, check = Board(), ("acme", "web"), Check(name="smoke", http=http_check(count=1))
    async with serving(lambda _: web.Response(text="ok")) as port:
        assert board.run(owner, ("a", "Before"), [check], PORTS, lambda: [pod(port)])
        assert not board.run(owner, ("a", "Before"), [check], PORTS, lambda: [pod(port)])
        assert board.results(owner, ("a", "Before")) == (CheckStatus(name="smoke", stage="Before", result="Running"),)
        async with asyncio.timeout(5):
            while board.results(owner, ("a", "Before"))[0].result == "Running":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert board.results(owner, ("a", "Before"))[0].result == "Passed"
    assert board.results(owner, ("b", "Before")) == ()
    board.run(owner, ("b", "Before"), [], PORTS, list)
    assert board.results(owner, ("a", "Before")) == ()
