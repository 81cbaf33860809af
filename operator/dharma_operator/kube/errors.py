"""What the API server can answer besides yes."""
# ruff: noqa: N818 (Kubernetes' own words for its answers)

from collections.abc import Mapping, Sequence
from typing import Any

from dharma_operator.kube.wire import Json, is_map


class ApiError(Exception):
    """The API server refused, or did not answer.

    `status` is the HTTP code (0: no answer), `reason` Kubernetes' CamelCase word, `message` its sentence,
    `causes` the reasons of its details, `retry_after` the seconds that it asks to wait (None: it does not say).
    """

    def __init__(self, status: int, reason: str, message: str, *, causes: tuple[str, ...] = (), retry_after: float | None = None) -> None:
        super().__init__(status, reason, message)
        self.status = status
        self.reason = reason
        self.message = message
        self.causes = causes
        self.retry_after = retry_after
        self.context = ""
        """What was asked: `apply StatefulSet acme/shop-db`."""

    @property
    def namespace_terminating(self) -> bool:
        """Whether the refusal is due to the namespace being deleted: nothing can, or need, be made there any more."""
        return "NamespaceTerminating" in self.causes

    def __str__(self) -> str:
        answer = f"{self.message} ({self.reason})" if self.status == 0 else f"{self.message} ({self.status} {self.reason})"
        return f"{self.context}: {answer}" if self.context else answer


class ApiUnavailable(ApiError):
    """No answer, 429 or 5xx, after all retries: nothing is wrong with what was asked."""


class Unauthorized(ApiError):
    """The credentials are not accepted, not even after a new login."""


class Forbidden(ApiError):
    """A right is missing, a quota is used up, or admission said no."""


class NotFound(ApiError):
    """The object, or its kind, does not exist."""


class Conflict(ApiError):
    """The object has changed since it was read, or another field manager owns a field."""


class AlreadyExists(ApiError):
    """An object of that name is there."""


class Gone(ApiError):
    """The resource version is too old to watch or to continue from: list again."""


class Invalid(ApiError):
    """The object breaks a rule of its schema or of the server (400, 422)."""


_BY_REASON: Mapping[str, type[ApiError]] = {"AlreadyExists": AlreadyExists, "Expired": Gone, "Gone": Gone}
_BY_STATUS: Mapping[int, type[ApiError]] = {
    400: Invalid, 401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Conflict, 410: Gone, 422: Invalid, 429: ApiUnavailable,
}  # fmt: skip


def error_of(status: int, body: Json, retry_after: str | None = None) -> ApiError:
    """Make the typed error of an answer. `body` is the decoded `Status` object, or text of whatever stands in between.

    `retry_after` is the header of that name; only its form in seconds is used by API servers.
    """
    answer: Mapping[str, Any] = body if is_map(body) else {}
    details: dict[str, Any] = answer.get("details") or {}
    reason = str(answer.get("reason") or "Unknown")
    message = str(answer.get("message") or (body if isinstance(body, str) else "")).strip() or f"the API server answered {status}"
    causes: Sequence[Mapping[str, Any]] = details.get("causes") or ()
    kind = _BY_REASON.get(reason) or (ApiUnavailable if status >= 500 else _BY_STATUS.get(status, ApiError))
    if kind is Invalid and any(cause.get("field") == "metadata.uid" for cause in causes):
        kind = Conflict  # how a patch that is meant for another object of the same name is refused
    wait = retry_after if retry_after is not None and retry_after.isdigit() else details.get("retryAfterSeconds")
    reasons = tuple(str(cause.get("reason", "")) for cause in causes)
    return kind(status, reason, message, causes=reasons, retry_after=None if wait is None else float(wait))
