"""Where each part of a component is asked, and as whom: addresses from the pods, passwords from the Secrets."""

from collections.abc import Mapping

from dharma_handlers.blueprint.credentials import ADMIN, OPERATOR, OPERATOR_ROLE, PATRONI, POOLER_ADMIN, REDIS_OPERATOR
from dharma_handlers.blueprint.names import PGBOUNCER_PORT, POSTGRES_PORT, REDIS_PORT
from dharma_handlers.blueprint.scope import Scope
from dharma_operator.blueprint.sql import Login


def postgres_login(scope: Scope, address: str) -> Login:
    """Log in to Postgres itself."""
    return Login(address, POSTGRES_PORT, OPERATOR_ROLE, _internal(scope)[OPERATOR])


def pooled_login(target: Scope, address: str) -> Login:
    """Log in to Postgres `target` through a pooler."""
    return Login(address, PGBOUNCER_PORT, OPERATOR_ROLE, _internal(target)[OPERATOR])


def console_login(scope: Scope, address: str) -> Login:
    """Log in to the console of the pooler."""
    return Login(address, PGBOUNCER_PORT, POOLER_ADMIN, _internal(scope)[ADMIN])


def redis_login(scope: Scope, address: str) -> Login:
    """Log in to Redis."""
    return Login(address, REDIS_PORT, REDIS_OPERATOR, _internal(scope)[OPERATOR])


def patroni_password(scope: Scope) -> str:
    """Return the password of Patroni's REST API."""
    return _internal(scope)[PATRONI]


def _internal(scope: Scope) -> Mapping[str, str]:
    return scope.observed.secrets[scope.names.internal]
