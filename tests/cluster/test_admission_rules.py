"""Every rule that looks at more than one field: an object that the real API server takes and one that it refuses, in which words."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.admission_rules import RuleCase
from tests.cluster.admission_rules_backup import BACKUP
from tests.cluster.admission_rules_blueprint import BLUEPRINT
from tests.cluster.admission_rules_deployment import DEPLOYMENT
from tests.cluster.admission_rules_tenant import TENANT
from tests.cluster.admission_support import Answer, ApiServer, api_server
from tests.unit.crds.budget_cases import CASES, BudgetCase
from tests.unit.crds.documents import Changes, changed, walk
from tests.unit.crds.samples_support import load

from dharma_crds.cel import RULE_NAME, VALIDATIONS
from dharma_crds.generator.schema import structural_schema
from dharma_crds.kinds import KINDS

ALL_CASES = (*TENANT, *BLUEPRINT, *DEPLOYMENT, *BACKUP)


BASE = {kind: f"{kind.lower()}-full" for kind in KINDS}


@pytest.fixture(scope="module")
def api(crds: None, kubeconfig: Path) -> Iterator[ApiServer]:
    with api_server(kubeconfig) as server:
        yield server


def ask(api: ApiServer, case: RuleCase, changes: Changes) -> Answer:
    sample = changed(load(BASE[case.kind]), case.before)
    after = changed(sample, changes)
    return api.would_change(sample, after) if case.update else api.would_create(after)


@pytest.mark.parametrize("case", ALL_CASES, ids=str)
def test_an_object_that_breaks_the_rule_is_refused_in_plain_words(api: ApiServer, case: RuleCase) -> None:
    answer = ask(api, case, case.refused)
    assert not answer.accepted
    heard = [(field, message) for field, message in answer.causes if message.endswith(case.sentence)]
    assert heard, answer.said()
    assert case.field in {field.removeprefix("<nil>") for field, _ in heard}
    assert len(answer.causes) == 1, f"something else is wrong with it too:\n{answer.said()}"


@pytest.mark.parametrize("case", ALL_CASES, ids=str)
def test_an_object_that_keeps_the_rule_is_accepted(api: ApiServer, case: RuleCase) -> None:
    answer = ask(api, case, case.accepted)
    assert answer.accepted, answer.said()


def test_each_rule_has_its_case() -> None:
    """A rule that is added without one fails here."""
    wanted = {
        (kind.kind, path, rule[RULE_NAME])
        for kind in KINDS.values()
        for path, node, _ in [("", structural_schema(kind.model), True), *walk(structural_schema(kind.model), "")]
        for rule in node.get(VALIDATIONS, [])
        if "properties" in node
    }
    tried = {(case.kind, case.path, case.rule) for case in ALL_CASES}
    assert {(kind, path.removeprefix("."), rule) for kind, path, rule in wanted} == tried
    print(f"{len(wanted)} rules, {len(ALL_CASES)} refused and as many accepted objects")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_connection_budget_is_the_one_of_the_handlers(api: ApiServer, case: BudgetCase) -> None:
    """`budget.py` is held to the same table by the unit tests: the two spellings of the rule agree, word for word."""
    document = changed(load("blueprint-minimal"), {"spec.components": case.components()})
    answer = api.would_create(document)
    if case.sentence:
        assert answer.causes == [("spec.components", f"Invalid value: {case.sentence}")]
    else:
        assert answer.accepted, answer.said()
