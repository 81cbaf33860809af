"""What the API server was really asked: its audit log, read by namespace. Namespaces of tests and benchmarks have names of their own."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from dharma_dev.paths import AUDIT_LOG

OPERATOR_AGENTS = ("dharma-operator/", "kopf/")
"""How the operator's own client and Kopf's watches begin to name themselves."""
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_POLICY_MARK = "validation.policy.admission.k8s.io/validation_failure"
_ROTATED = "audit-*.log"


@dataclass(frozen=True, slots=True)
class Request:
    """One answered request."""

    user: str
    verb: str
    """As RBAC names it: a server-side apply is a `patch`."""
    group: str
    """API group, empty for the core one."""
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int
    agent: str
    manager: str
    """`fieldManager` of a write, where it was said."""
    at: datetime
    """When it came in."""

    @property
    def writes(self) -> bool:
        return self.verb in WRITES

    @property
    def made(self) -> bool:
        """Whether an object came into being: also a server-side apply answers 201 then."""
        return self.writes and self.code == 201

    def __str__(self) -> str:
        resource = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return f"{self.at:%H:%M:%S.%f} {self.verb} {resource} {self.namespace}/{self.name} {self.code}"


def requests(namespaces: Collection[str], *, since: datetime | None = None, until: datetime | None = None) -> list[Request]:
    """All requests about objects in these namespaces, in order, whoever made them. The server logs before it answers: none is missing."""
    found = [request for request in map(_request, _lines(namespaces, since)) if request.namespace in namespaces]
    return [request for request in found if (since is None or request.at >= since) and (until is None or request.at < until)]


def by_operator(namespaces: Collection[str], *, since: datetime | None = None, until: datetime | None = None) -> list[Request]:
    """Those that an operator made, without its Lease."""
    asked = requests(namespaces, since=since, until=until)
    return [request for request in asked if request.agent.startswith(OPERATOR_AGENTS) and request.resource != "leases"]


def by_user(user: str, *, since: datetime) -> list[Request]:
    """All requests of one user, wherever they went."""
    found = [request for request in map(_request, _lines_with([f'"username":"{user}"'], since)) if request.user == user]
    return [request for request in found if request.at >= since]


def policy_marks(namespace: str, *, since: datetime) -> list[tuple[str, str, str]]:
    """What admission policies marked without refusing it: binding, user and the policy's sentence."""
    found: list[tuple[str, str, str]] = []
    for line in _lines([namespace], since):
        event = json.loads(line)
        marked = (event.get("annotations") or {}).get(_POLICY_MARK, "[]")
        if datetime.fromisoformat(event["requestReceivedTimestamp"]) >= since:
            user = (event.get("impersonatedUser") or event["user"]).get("username", "")
            found += [(one["binding"], user, one["message"]) for one in json.loads(marked)]
    return found


def now() -> datetime:
    """This moment, to compare with that of requests: the API server runs on this machine, by the same clock."""
    return datetime.now(UTC)


def _lines(namespaces: Collection[str], since: datetime | None) -> Iterator[str]:
    return _lines_with([f'"namespace":"{namespace}"' for namespace in namespaces], since)


def _lines_with(needles: Collection[str], since: datetime | None) -> Iterator[str]:
    rotated = sorted(AUDIT_LOG.parent.glob(_ROTATED), key=lambda path: path.stat().st_mtime)
    for path in (*rotated, AUDIT_LOG):
        if since is not None and path.stat().st_mtime < since.timestamp():
            continue
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n") and any(needle in line for needle in needles):
                    yield line


def _request(line: str) -> Request:
    event = json.loads(line)
    about = event.get("objectRef") or {}
    return Request(
        user=event["user"].get("username", ""),  # a token that is refused names nobody
        verb=event["verb"],
        group=about.get("apiGroup", ""),
        resource=about.get("resource", ""),
        subresource=about.get("subresource", ""),
        namespace=about.get("namespace", ""),
        name=about.get("name", ""),
        code=(event.get("responseStatus") or {}).get("code", 0),
        agent=event.get("userAgent", ""),
        manager=parse_qs(urlsplit(event["requestURI"]).query).get("fieldManager", [""])[0],
        at=datetime.fromisoformat(event["requestReceivedTimestamp"]),
    )
