import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from tests.unit.crds.budget_cases import CASES, BudgetCase

from dharma_crds.blueprint import Component
from dharma_crds.blueprint.budget import RESERVED, connection_budgets


def read(case: BudgetCase) -> list[Component]:
    return TypeAdapter(list[Component]).validate_python(case.components())


def verdict(case: BudgetCase) -> str:
    """The refusal, empty for none."""
    try:
        budget = connection_budgets(read(case))[0]
    except ValueError as error:
        return str(error)
    return "" if budget.fits else budget.sentence()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_says_what_the_api_server_says(case: BudgetCase) -> None:
    assert verdict(case) == case.sentence


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(1, 5000)), min_size=1, max_size=5), st.integers(1, 999_999))
def test_fits_exactly_from_the_needed_number_on(pools: list[tuple[int, int]], limit: int) -> None:
    case = BudgetCase("any", limit, tuple((f"p{index}", "db", *pool) for index, pool in enumerate(pools)), "")
    budget = connection_budgets(read(case))[0]
    assert budget.needed == sum(replicas * most for replicas, most in pools) + RESERVED
    assert budget.fits == (limit >= budget.needed)


def test_each_postgres_has_its_own() -> None:
    budgets = connection_budgets(read(CASES[6]))
    assert [(budget.component, [pool.name for pool in budget.pools]) for budget in budgets] == [("db", ["pool"]), ("other", ["far"])]
