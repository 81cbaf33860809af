"""The tree that people see."""

from typing import Any

from rich.console import Console

from dharma_operator.cli.tree import Children, blueprint_tree

LABELS = {"labels": {"dharma.io/component": "db"}}


def blueprint(ready: str, reason: str, message: str = "", **status: Any) -> dict[str, Any]:
    conditions = [
        {"type": "Ready", "status": ready, "reason": reason, "message": message},
        {"type": "Stalled", "status": str(reason == "InvalidSpec"), "reason": reason},
    ]
    return {"metadata": {"name": "shop", "namespace": "acme"}, "status": {"conditions": conditions, **status}}


def drawn(manifest: dict[str, Any], made: Children | None = None) -> str:
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        console.print(blueprint_tree(manifest, made or Children()))
    return capture.get()


def pod(name: str, *, ready: bool, **status: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {"metadata": {"name": name, **LABELS}, "status": {"phase": "Running", "conditions": conditions, **status}}


def test_a_blueprint_that_nobody_has_seen_says_so() -> None:
    assert "◐ dhb/shop in acme not seen by an operator yet" in drawn({"metadata": {"name": "shop", "namespace": "acme"}})


def test_children_stand_under_their_component_and_the_primary_is_named() -> None:
    component = {
        "name": "db",
        "type": "postgres",
        "ready": "1/2",
        "primary": "shop-db-1",
        "version": "17.11",
        "message": "waits for shop-db-0",
    }
    made = Children(
        pods=[
            pod("shop-db-1", ready=True),
            pod("shop-db-0", ready=False, containerStatuses=[{"state": {"waiting": {"reason": "ErrImagePull"}}}]),
        ],
        services=[{"metadata": {"name": "shop-db-rw", **LABELS}, "spec": {"ports": [{"port": 5432}]}}],
        secrets=[{"metadata": {"name": "shop-db-app", **LABELS}}],
        volumes=[{"metadata": {"name": "data-shop-db-0", **LABELS}, "status": {"capacity": {"storage": "1Gi"}}}],
    )
    lines = drawn(blueprint("False", "Progressing", "waits for db", components=[component]), made).splitlines()
    assert "◐ dhb/shop" in lines[0]
    assert "waits for db" in lines[0]
    assert "◐ db postgres 17.11 ready 1/2" in lines[1]
    assert "waits for shop-db-0" in lines[2]
    assert "◐ pod shop-db-0 ErrImagePull" in lines[3]
    assert "● pod shop-db-1 primary Running" in lines[4]
    assert "shop-db-rw:5432" in lines[5]
    assert "data-shop-db-0 1Gi" in lines[6]
    assert "shop-db-app" in lines[7]


def test_restarts_are_told() -> None:
    made = Children(pods=[pod("shop-db-0", ready=True, containerStatuses=[{"state": {}, "restartCount": 3}])])
    assert "Running, 3 restarts" in drawn(blueprint("True", "Ready", components=[{"name": "db", "type": "postgres", "ready": "1/1"}]), made)


def test_text_of_others_is_no_markup() -> None:
    assert "[red]boo" in drawn(blueprint("False", "InvalidSpec", "field [red]boo"))
    assert "✖" in drawn(blueprint("False", "InvalidSpec"))
