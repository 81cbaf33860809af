"""Errors become words that say what, why, and what to do."""

import pytest

from dharma_operator.failures import conditions_after, failure_of
from dharma_operator.kube.errors import ApiError, ApiUnavailable, Conflict, Forbidden, Invalid, Unauthorized


@pytest.mark.parametrize(
    ("error", "reason", "passing"),
    [
        (Conflict(409, "Conflict", "m"), "Conflict", True),
        (ApiUnavailable(503, "ServiceUnavailable", "m"), "ApiUnavailable", True),
        (Unauthorized(401, "Unauthorized", "m"), "Unauthorized", True),
        (Forbidden(403, "Forbidden", "m"), "Forbidden", False),
        (Forbidden(403, "Forbidden", "m", causes=("NamespaceTerminating",)), "Forbidden", True),
        (Invalid(422, "Invalid", "m"), "Refused", False),
        (ApiError(418, "Teapot", "m"), "ApiError", False),
        (TimeoutError(), "Timeout", True),
        (KeyError("x"), "ReconcileError", False),
    ],
)
def test_each_error_has_a_reason(error, reason, passing):
    failure = failure_of(error)
    assert (failure.reason, failure.passing) == (reason, passing)


def test_the_text_of_an_unforeseen_error_stays_in_the_log():
    failure = failure_of(ValueError("password=hunter2"))
    assert "hunter2" not in failure.message
    assert "ValueError" in failure.message


def test_the_server_is_quoted_and_the_remedy_named():
    error = Forbidden(403, "Forbidden", 'cannot create resource "roles"')
    error.context = "apply Role acme/shop-db"
    message = failure_of(error).message
    assert 'apply Role acme/shop-db: cannot create resource "roles"' in message
    assert "Check its roles" in message


def test_the_wait_that_the_server_asks_for_is_kept():
    assert failure_of(ApiUnavailable(429, "TooManyRequests", "m", retry_after=7)).retry_after == 7


def test_what_mostly_passes_by_itself_is_told_only_when_it_does_not():
    passing, lasting = failure_of(Conflict(409, "Conflict", "m")), failure_of(Invalid(422, "Invalid", "m"))
    assert [passing.worth_telling(count) for count in (0, 1, 2, 3)] == [False, False, False, True]
    assert lasting.worth_telling(0)


def test_what_is_known_of_readiness_stays():
    failure = failure_of(Invalid(422, "Invalid", "m"))
    assert {condition.type: condition.status for condition in conditions_after(failure, ready_known=True)} == {
        "Reconciling": "True",
        "Stalled": "True",
    }
    assert {condition.type: condition.status for condition in conditions_after(failure, ready_known=False)}["Ready"] == "False"
    assert all(condition.reason == "Refused" for condition in conditions_after(failure, ready_known=False))


def test_what_passes_by_itself_is_not_stalled():
    conditions = conditions_after(failure_of(ApiUnavailable(503, "x", "m")), ready_known=True)
    assert {condition.type: condition.status for condition in conditions}["Stalled"] == "False"
