"""What `dharma promote|abort|undo` name, and when they refuse."""

from typing import Any

import pytest

from dharma_operator.cli import rollout
from dharma_operator.cli.cluster import CliError
from dharma_operator.cli.rollout import Version


def found(phase: str, **revisions: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "web"},
        "status": {"phase": phase, "revisions": {name: {"hash": value} for name, value in revisions.items()}},
    }


def version(name: str, role: str = "") -> Version:
    return Version(name, "shop:1", "2026-11-01T00:00:00Z", 0, role)


def test_only_a_version_that_waits_can_be_promoted() -> None:
    assert rollout.to_promote(found("AwaitPromotion", active="a", target="b")) == "b"
    with pytest.raises(CliError, match="does not wait for a promotion: it is in Bake"):
        rollout.to_promote(found("Bake", active="b", target="b"))


def test_only_what_is_under_way_can_be_aborted() -> None:
    assert rollout.to_abort(found("Bake", active="b", target="b", previous="a")) == "b"
    with pytest.raises(CliError, match="dharma undo dhd/web"):
        rollout.to_abort(found("Idle", active="a", target="a"))


def test_undo_goes_back_to_the_version_before_or_to_one_that_is_named() -> None:
    versions = [version("cc1", "active"), version("bb1", "refused"), version("aa1"), version("aa2")]
    assert rollout.to_go_back_to(versions, found("Idle", active="cc1", previous="aa2"), None) == "aa2"
    assert rollout.to_go_back_to(versions, found("Degraded", active="cc1"), None) == "aa1"
    assert rollout.to_go_back_to(versions, found("Idle", active="cc1"), "bb") == "bb1"
    with pytest.raises(CliError, match="aa names 2 of the versions"):
        rollout.to_go_back_to(versions, found("Idle", active="cc1"), "aa")
    with pytest.raises(CliError, match="no older version"):
        rollout.to_go_back_to([version("cc1", "active")], found("Idle", active="cc1"), None)
