"""Settings, logs, probes, metrics, and what is registered with Kopf."""

import io
import json
import logging
import sys

import aiohttp
import kopf
import pytest

from dharma_operator import main
from dharma_operator.controllers import KindInfo, Request
from dharma_operator.kube.resources import BLUEPRINT, DHARMA_DEPLOYMENT, OWNERS, ObjectKey
from dharma_operator.logs import JsonFormatter, Sparing, about
from dharma_operator.metrics import Metrics
from dharma_operator.placeholder import Placeholder
from dharma_operator.server import Server
from dharma_operator.settings import Settings
from dharma_operator.store import OWNER_LABELS, Store
from dharma_operator.wiring import make_registry, make_settings, register_owner


def test_settings_come_from_variables_and_flags_win(monkeypatch):
    monkeypatch.setenv("DHARMA_NAMESPACES", "a, b,")
    monkeypatch.setenv("DHARMA_CONCURRENCY", "3")
    read = main.read_settings(["--concurrency", "5", "--log-level", "DEBUG"])
    assert read.namespaces == ("a", "b")
    assert read.concurrency == 5
    assert read.log_level == "DEBUG"
    assert main.read_settings([]).concurrency == 3


def test_a_wrong_setting_is_named_with_its_value(capsys, monkeypatch):
    monkeypatch.setenv("DHARMA_CONCURRENCY", "many")
    with pytest.raises(SystemExit) as ended:
        main.read_settings([])
    assert ended.value.code == 2
    complaint = capsys.readouterr().err
    assert "DHARMA_CONCURRENCY" in complaint
    assert "'many'" in complaint


def test_the_help_names_every_setting(capsys):
    with pytest.raises(SystemExit) as ended:
        main.read_settings(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert all(f"--{name.replace('_', '-')}" in text for name in Settings.model_fields)
    assert "DHARMA_LOG_LEVEL" in text


def test_every_setting_is_described():
    assert all(field.description for field in Settings.model_fields.values())


def line_of(record: logging.LogRecord):
    return json.loads(JsonFormatter().format(record))


def record(message: str, *arguments, **extra) -> logging.LogRecord:
    made = logging.LogRecord("dharma_operator.test", logging.INFO, __file__, 1, message, arguments, None)
    made.__dict__.update(extra)
    return made


def test_a_log_line_is_json_and_knows_what_it_is_about():
    with about(kind="Blueprint", name="shop", reconcile_id="ab12"):
        line = line_of(record("applied %d", 3, changed=["Service/x"]))
    assert line["message"] == "applied 3"
    assert (line["kind"], line["name"], line["reconcile_id"]) == ("Blueprint", "shop", "ab12")
    assert line["changed"] == ["Service/x"]
    assert line["level"] == "INFO"
    assert "kind" not in line_of(record("elsewhere"))


def test_a_log_line_stays_one_line_whatever_is_in_it():
    try:
        raise ValueError("one\ntwo")  # noqa: TRY301 (this is the case)
    except ValueError:
        failed = logging.LogRecord("x", logging.ERROR, __file__, 1, "broke\nit", (), sys.exc_info())
    text = JsonFormatter().format(failed)
    assert "\n" not in text
    assert "ValueError" in json.loads(text)["error"]


def test_who_repeats_himself_is_heard_twice_a_minute():
    now = 100.0
    sparing = Sparing(lambda: now)
    talker = logging.LogRecord("kopf._cogs.clients.watching", logging.ERROR, __file__, 1, "will retry", (), None)
    assert [sparing.filter(talker) for _ in range(4)] == [True, False, False, False]
    assert sparing.filter(record("something else"))
    now = 131.0
    assert sparing.filter(talker)
    assert line_of(talker)["held_back"] == 3


def test_what_cannot_be_json_is_text():
    assert line_of(record("x", thing=io.StringIO))["thing"].startswith("<class")


async def test_probes_say_what_is_wrong():
    wrong: list[str] = ["waiting for the lease"]
    server = Server(lambda: b"metric 1\n", list, lambda: wrong)
    await server.start("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
            async with session.get("/healthz") as answer:
                assert (answer.status, await answer.text()) == (200, "ok\n")
            async with session.get("/readyz") as answer:
                assert (answer.status, await answer.text()) == (503, "waiting for the lease\n")
            wrong.clear()
            async with session.get("/readyz") as answer:
                assert answer.status == 200
            async with session.get("/metrics") as answer:
                assert answer.headers["Content-Type"].startswith("text/plain")
                assert await answer.text() == "metric 1\n"
    finally:
        await server.stop()


def test_metrics_follow_the_conventions():
    metrics = Metrics()
    metrics.request("apply", 200, 0.01)
    metrics.leader(leads=True)
    metrics.queued(3)
    metrics.waited("Blueprint", 0.2)
    metrics.changed("Service", "Apply")
    text = metrics.render({BLUEPRINT: 7}).decode()
    assert 'dharma_api_requests_total{code="200",verb="apply"} 1.0' in text
    assert "dharma_leader 1.0" in text
    assert "dharma_queue_depth 3.0" in text
    assert 'dharma_children_changed_total{action="Apply",kind="Service"} 1.0' in text
    assert 'dharma_store_objects{kind="blueprints.dharma.io"} 7.0' in text
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert all(name.startswith(("dharma_", "process_")) for name in names)
    assert "_created" not in text


async def nothing() -> None:
    return


def test_kopf_gets_event_handlers_only_so_it_writes_nothing():
    registry = make_registry(Store(lambda *_: None), nothing)
    assert registry._changing.get_all_handlers() == []
    assert registry._spawning.get_all_handlers() == []
    assert registry._indexing.get_all_handlers() == []
    assert len(registry._watching.get_all_handlers()) == len(OWNERS)


def test_every_kind_is_named_by_its_group_and_version():
    registry = make_registry(Store(lambda *_: None), nothing)
    selectors = {handler.selector for handler in registry._watching.get_all_handlers()}
    assert {(selector.group, selector.version, selector.any_name) for selector in selectors} == {
        ("dharma.io", "v1alpha1", resource.plural) for resource in OWNERS
    }


def test_kopf_does_nothing_but_watch():
    settings = make_settings()
    assert not settings.posting.enabled
    assert settings.scanning.disabled
    assert settings.peering.standalone


async def test_what_kopf_tells_reaches_the_store():
    store = Store(lambda *_: None)
    registry = kopf.OperatorRegistry()
    register_owner(registry, store, BLUEPRINT)
    (handler,) = registry._watching.get_all_handlers()
    manifest = {
        "apiVersion": "dharma.io/v1alpha1",
        "kind": "Blueprint",
        "metadata": {"name": "shop", "namespace": "acme", "uid": "u", "resourceVersion": "1"},
    }
    key = ObjectKey(BLUEPRINT, "acme", "shop")
    await handler.fn(event={"type": None, "object": manifest})
    assert store.get(key) is not None
    await handler.fn(event={"type": "DELETED", "object": manifest})
    assert store.get(key) is None


async def test_a_kind_without_a_controller_says_so():
    placeholder = Placeholder(KindInfo(DHARMA_DEPLOYMENT, OWNER_LABELS[DHARMA_DEPLOYMENT]))
    outcome = await placeholder.reconcile(Request(*[None] * 7, suspended=False))
    assert {condition.type: (condition.status, condition.reason) for condition in outcome.conditions} == {
        "Ready": ("Unknown", "NotImplemented"),
        "Reconciling": ("False", "NotImplemented"),
        "Stalled": ("False", "NotImplemented"),
    }
    assert outcome.objects is None
    assert "Deployment" in outcome.conditions[0].message


def test_all_kinds_have_a_controller():
    kinds = {controller.kind.resource for controller in main.make_controllers(Settings())}
    assert kinds == set(OWNERS)
