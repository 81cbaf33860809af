"""`bind`: a component's connection Secret as variables. Only names are looked at, never what stands in the Secret."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from dharma_crds.blueprint import Blueprint, Component
from dharma_crds.deployment import Binding, DharmaDeployment, EnvironmentSource, EnvironmentVariable, KeyReference
from dharma_handlers.blueprint.names import PGBOUNCER_PORT, Names

_POSTGRES: Final = {"HOST": "host", "PORT": "port", "DBNAME": "dbname", "USER": "user", "PASSWORD": "password", "URI": "uri"}
_POOLED: Final = {"HOST": "pooled-host", "DBNAME": "dbname", "USER": "user", "PASSWORD": "password", "URI": "pooled-uri"}
_REDIS: Final = {"HOST": "host", "PORT": "port", "PASSWORD": "password", "URI": "uri"}
_REDIS_USER: Final = "default"


@dataclass(frozen=True, slots=True)
class Unbound:
    """A binding that cannot be made yet."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def bound(deployment: DharmaDeployment, blueprints: Mapping[str, Blueprint]) -> tuple[EnvironmentVariable, ...] | Unbound:
    """Return the variables of all bindings, or the first one that cannot be made."""
    variables: list[EnvironmentVariable] = []
    for binding in deployment.spec.bind:
        found = _bound(binding, blueprints)
        if isinstance(found, str):
            return Unbound(f"spec.bind[{binding.as_}]", found)
        variables += found
    return tuple(variables)


def _bound(binding: Binding, blueprints: Mapping[str, Blueprint]) -> list[EnvironmentVariable] | str:
    blueprint = blueprints.get(binding.blueprint)
    if blueprint is None:
        return f"there is no Blueprint {binding.blueprint} in this namespace yet"
    component = _component(blueprint, binding.component)
    if component is None:
        return f"Blueprint {binding.blueprint} has no component {binding.component}; name one of {_names(blueprint)}"
    if component.redis is not None:
        return list(_variables(binding, Names(blueprint.name, component.name).connection(binding.user or _REDIS_USER), _REDIS))
    pooled = component.pgbouncer is not None
    database = component if component.pgbouncer is None else _component(blueprint, component.pgbouncer.target)
    user = binding.user or (None if database is None else _first_user(database))
    if database is None or user is None:
        return f"component {component.name} of Blueprint {binding.blueprint} has no database and no user to connect as; set user"
    found = list(_variables(binding, Names(blueprint.name, database.name).connection(user), _POOLED if pooled else _POSTGRES))
    return [*found, EnvironmentVariable(name=f"{binding.as_}_PORT", value=str(PGBOUNCER_PORT))] if pooled else found


def _component(blueprint: Blueprint, name: str) -> Component | None:
    return next((component for component in blueprint.spec.components if component.name == name), None)


def _names(blueprint: Blueprint) -> str:
    return ", ".join(component.name for component in blueprint.spec.components)


def _first_user(database: Component) -> str | None:
    """Name the owner of the first database, else the first user."""
    postgres = database.postgres
    if postgres is None:
        return None
    named = [one.owner for one in postgres.databases] or [one.name for one in postgres.users]
    return named[0] if named else None


def _variables(binding: Binding, secret: str, keys: Mapping[str, str]) -> Iterator[EnvironmentVariable]:
    for suffix, key in keys.items():
        source = EnvironmentSource(secret_key_ref=KeyReference(name=secret, key=key))
        yield EnvironmentVariable(name=f"{binding.as_}_{suffix}", value_from=source)
