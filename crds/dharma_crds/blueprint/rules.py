"""Rules of a Blueprint that look at several components at once, in CEL."""

from __future__ import annotations

from typing import Final

from dharma_crds.blueprint.budget import RESERVED
from dharma_crds.cel import Rule, says
from dharma_crds.names import BLUEPRINT_AND_COMPONENT_LENGTH

MEMBERS: Final = ("postgres", "pgbouncer", "redis")

_MEMBER_COUNT: Final = "[" + ", ".join(f"has(self.{member})" for member in MEMBERS) + "].filter(set, set).size()"

COMPONENT_RULES: Final = (
    Rule(
        "component-one-member",
        f"{_MEMBER_COUNT} == 1",
        "a component holds exactly one of postgres, pgbouncer and redis",
        message_expression=says(
            "component %s must hold exactly one of postgres, pgbouncer and redis, and holds %s", "self.name", _MEMBER_COUNT
        ),
    ),
    Rule(
        "component-type-immutable",
        " && ".join(f"has(self.{member}) == has(oldSelf.{member})" for member in MEMBERS),
        "a component cannot change its type; give the new one another name",
        message_expression=says("component %s cannot change its type; give the new one another name", "self.name"),
        reason="FieldValueForbidden",
    ),
    Rule(
        "depends-on-itself",
        "!has(self.dependsOn) || !(self.name in self.dependsOn)",
        "dependsOn names the component itself; remove that entry",
        message_expression=says("dependsOn of component %s names the component itself; remove that entry", "self.name"),
        field_path=".dependsOn",
    ),
)

_UNKNOWN_DEPENDENCY: Final = (
    "self.components.filter(c, has(c.dependsOn) && c.dependsOn.exists(d, !self.components.exists(other, other.name == d)))"
)
_LOST_POOLER: Final = (
    "self.components.filter(c, has(c.pgbouncer) && !self.components.exists(other, other.name == c.pgbouncer.target && has(other.postgres)))"
)
_LIMITED: Final = "has(c.postgres) && has(c.postgres.parameters) && 'max_connections' in c.postgres.parameters"
_LIMIT: Final = "c.postgres.parameters['max_connections']"
_WHOLE: Final = f"string({_LIMIT}).matches(r'^[0-9]{{1,6}}$')"
_POOLERS: Final = "self.components.filter(p, has(p.pgbouncer) && p.pgbouncer.target == c.name)"
_NEEDED: Final = f"({_POOLERS}.map(p, p.pgbouncer.replicas * p.pgbouncer.maxServerConnections).sum() + {RESERVED})"
_OVERDRAWN: Final = f"self.components.filter(c, {_LIMITED} && {_WHOLE} && {_NEEDED} > int(string({_LIMIT})))"
_UNCOUNTABLE: Final = f"self.components.filter(c, {_LIMITED} && !{_WHOLE})"
_ARITHMETIC: Final = says(
    "parameters.max_connections %s of component %s is too small for its poolers %s and %s reserved, which need %s; "
    "raise it to %s or lower replicas or maxServerConnections",
    _LIMIT,
    "c.name",
    f"{_POOLERS}.map(p, {says('%s x %s (%s)', 'p.pgbouncer.replicas', 'p.pgbouncer.maxServerConnections', 'p.name')})",
    str(RESERVED),
    _NEEDED,
    _NEEDED,
)

SPEC_RULES: Final = (
    Rule(
        "unknown-dependency",
        f"{_UNKNOWN_DEPENDENCY}.size() == 0",
        "dependsOn names a component that this Blueprint does not have; correct the name or add the component",
        message_expression=says(
            "dependsOn of component %s names a component that this Blueprint does not have; correct the name or add the component",
            f"{_UNKNOWN_DEPENDENCY}[0].name",
        ),
        field_path=".components",
    ),
    Rule(
        "pooler-target",
        f"{_LOST_POOLER}.size() == 0",
        "pgbouncer.target must name a component of this Blueprint that is a postgres; correct the name or add the component",
        message_expression=says(
            "pgbouncer.target of component %s is %s, which is no postgres component of this Blueprint; "
            "correct the name or add the component",
            f"{_LOST_POOLER}[0].name",
            f"{_LOST_POOLER}[0].pgbouncer.target",
        ),
        field_path=".components",
    ),
    Rule(
        "max-connections-number",
        f"{_UNCOUNTABLE}.size() == 0",
        "parameters.max_connections must be a whole number such as 200",
        message_expression=says("parameters.max_connections of component %s must be a whole number such as 200", f"{_UNCOUNTABLE}[0].name"),
        field_path=".components",
    ),
    Rule(
        "connection-budget",
        f"{_OVERDRAWN}.size() == 0",
        "parameters.max_connections of a postgres is too small for its poolers; raise it or lower replicas or maxServerConnections",
        message_expression=f"{_OVERDRAWN}.map(c, {_ARITHMETIC})[0]",
        field_path=".components",
    ),
)

_TOO_LONG: Final = f"self.spec.components.filter(c, size(self.metadata.name) + size(c.name) > {BLUEPRINT_AND_COMPONENT_LENGTH})"
ROOT_RULES: Final = (
    Rule(
        "names-fit",
        f"{_TOO_LONG}.size() == 0",
        f"the names of Blueprint and component together are longer than {BLUEPRINT_AND_COMPONENT_LENGTH} characters; shorten one",
        message_expression=says(
            f"the names %s and %s together are longer than {BLUEPRINT_AND_COMPONENT_LENGTH} characters, more than fits into names of pods; "
            "shorten one",
            "self.metadata.name",
            f"{_TOO_LONG}[0].name",
        ),
        field_path=".spec.components",
    ),
    Rule(
        "name-no-dots",
        "self.metadata.name.matches(r'^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        "the name of a Blueprint must be lower-case letters, digits and hyphens, beginning with a letter, as Services are named after it",
    ),
)
