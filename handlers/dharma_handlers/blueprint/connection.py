"""What a connection Secret says: fixed keys, usable as they are."""

from urllib.parse import quote

from dharma_handlers.blueprint.names import PGBOUNCER_PORT, POSTGRES_PORT, REDIS_PORT
from dharma_handlers.blueprint.scope import Scope


def postgres_connection(scope: Scope, user: str, password: str) -> dict[str, str]:
    """Build `host port dbname user password uri jdbc-uri pgpass`, and `pooled-host pooled-uri` when a pooler stands before it."""
    host, database = service_host(scope, scope.names.read_write), database_of(scope, user)
    texts = {
        "host": host,
        "port": str(POSTGRES_PORT),
        "dbname": database,
        "user": user,
        "password": password,
        "uri": _uri("postgresql", user, password, host, POSTGRES_PORT, database),
        "jdbc-uri": f"jdbc:postgresql://{host}:{POSTGRES_PORT}/{_quoted(database)}?user={_quoted(user)}&password={_quoted(password)}",
        "pgpass": ":".join(_escaped(part) for part in (host, str(POSTGRES_PORT), database, user, password)) + "\n",
    }
    if scope.poolers:
        pooled = service_host(scope, scope.sibling(scope.poolers[0].name).names.base)
        texts["pooled-host"] = pooled
        texts["pooled-uri"] = _uri("postgresql", user, password, pooled, PGBOUNCER_PORT, database)
    return texts


def redis_connection(scope: Scope, user: str, password: str) -> dict[str, str]:
    """Build `host port password uri`. `sentinel-hosts` and `master-name` are there when Sentinel is."""
    host = service_host(scope, scope.names.base)
    return {"host": host, "port": str(REDIS_PORT), "password": password, "uri": _uri("redis", user, password, host, REDIS_PORT, "0")}


def database_of(scope: Scope, user: str) -> str:
    """Name the database that a user's connection leads to: the first it owns, else the first there is, else `postgres`."""
    databases = scope.component.postgres.databases if scope.component.postgres is not None else ()
    owned = [database.name for database in databases if database.owner == user]
    return (owned or [database.name for database in databases] or ["postgres"])[0]


def service_host(scope: Scope, service: str) -> str:
    """Name a Service so that pods of every namespace find it."""
    return f"{service}.{scope.namespace}.svc"


def _uri(scheme: str, user: str, password: str, host: str, port: int, path: str) -> str:
    return f"{scheme}://{_quoted(user)}:{_quoted(password)}@{host}:{port}/{_quoted(path)}"


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _escaped(text: str) -> str:
    """`.pgpass` has its own way: a backslash before colon and backslash."""
    return text.replace("\\", "\\\\").replace(":", "\\:")
