"""Rules of a Tenant that look at more than one field, in CEL. `namespace` is a word of CEL itself and is written `__namespace__` there."""

from __future__ import annotations

from typing import Final

from dharma_crds.cel import Rule, says
from dharma_crds.common import quantity_at_least
from dharma_crds.tenant.plans import PLANS

_UNKNOWN_PROJECT: Final = (
    "self.members.filter(m, has(m.projects) && m.projects.exists(p, !has(self.projects) || !self.projects.exists(known, known.name == p)))"
)
_STATIC: Final = "has(self.quota) && self.quota.distribution == 'Static' && has(self.projects)"
_SHARES: Final = "self.projects.map(p, has(p.share) ? p.share : 0).sum()"


def _within_quota(name: str, items: str, figure: str) -> Rule:
    """Hold the number of `self.<items>` to `quota.<figure>`, or else to the plan's, which the message names."""
    figures = ", ".join(f"'{plan}': {allowed}" for plan, quota in PLANS.items() if (allowed := getattr(quota, figure)) is not None)
    own, plans = f"has(self.quota) && has(self.quota.{figure})", f"{{{figures}}}"
    count = f"self.{items}.size()"
    within = f"({own} ? {count} <= self.quota.{figure} : !(self.plan in {plans}) || {count} <= {plans}[self.plan])"
    told = says(f"there are %s {items} and quota.{figure} allows %s; raise it or remove some", count, f"self.quota.{figure}")
    planned = says(
        f"there are %s {items} and plan %s allows %s; set quota.{figure}, choose another plan or remove some",
        count,
        "self.plan",
        f"{plans}[self.plan]",
    )
    return Rule(
        name,
        f"!has(self.{items}) || {within}",
        f"there are more {items} than quota.{figure}, or else the plan, allows; raise it or remove some",
        message_expression=f"{own} ? {told} : {planned}",
        field_path=f".{items}",
    )


SPEC_RULES: Final = (
    Rule(
        "member-projects-exist",
        f"!has(self.members) || {_UNKNOWN_PROJECT}.size() == 0",
        "members[].projects names a project that this Tenant does not have; correct the name or add the project",
        message_expression=says(
            "projects of member %s has a name that is no project of this Tenant; correct the name or add the project",
            f"{_UNKNOWN_PROJECT}[0].name",
        ),
        field_path=".members",
    ),
    Rule(
        "static-shares",
        f"!({_STATIC}) || (self.projects.all(p, has(p.share)) && {_SHARES} <= 100)",
        "with quota.distribution Static each project needs a share, and together they must not be more than 100 percent",
        message_expression=says(
            "quota.distribution Static needs a share for each project, together at most 100 percent; %s have none and the sum is %s",
            "self.projects.filter(p, !has(p.share)).size()",
            _SHARES,
        ),
        field_path=".projects",
    ),
    _within_quota("project-count", "projects", "projects"),
    _within_quota("member-count", "members", "users"),
)

PROJECT_RULES: Final = (
    Rule(
        "project-namespace-immutable",
        "has(self.__namespace__) == has(oldSelf.__namespace__) &&"
        " (!has(self.__namespace__) || self.__namespace__ == oldSelf.__namespace__)",
        "the namespace of a project cannot change; make another project and move what is in it",
        message_expression=says("the namespace of project %s cannot change; make another project and move what is in it", "self.name"),
        reason="FieldValueForbidden",
        field_path=".namespace",
    ),
    Rule(
        "project-labels-free",
        r"!has(self.labels) || !self.labels.exists(key, key.matches(r'(^|\.)(kubernetes|k8s|dharma)\.io/'))",
        "labels of kubernetes.io, k8s.io and dharma.io decide about security and ownership and are set by the operator; remove them",
        reason="FieldValueForbidden",
        field_path=".labels",
    ),
)

MEMBER_RULES: Final = (
    Rule(
        "member-namespace",
        "(self.kind == 'ServiceAccount') == has(self.__namespace__)",
        "a member of kind ServiceAccount needs namespace, and no other kind has one",
        message_expression=(
            "self.kind == 'ServiceAccount' ? "
            + says("member %s is a ServiceAccount and needs namespace; set it", "self.name")
            + " : "
            + says("member %s is a %s and has no namespace; remove it", "self.name", "self.kind")
        ),
        field_path=".namespace",
    ),
    Rule(
        "member-not-system",
        "!self.name.startsWith('system:')",
        "names that begin with system: belong to Kubernetes itself and cannot be members",
        message_expression=says("member %s belongs to Kubernetes itself and cannot be a member; remove it", "self.name"),
        reason="FieldValueForbidden",
        field_path=".name",
    ),
)


def ordered_amounts(smaller: str, larger: str) -> Rule:
    """`smaller` of each resource must not be more than `larger`, where both are set."""
    fits = quantity_at_least(f"string(self.{larger}[r])", f"string(self.{smaller}[r])")
    broken = f"self.{smaller}.filter(r, r in self.{larger} && !{fits})"
    return Rule(
        f"{smaller}-within-{larger}",
        f"!has(self.{smaller}) || !has(self.{larger}) || {broken}.size() == 0",
        f"{smaller} must not be more than {larger}; lower it or raise {larger}",
        message_expression=says(
            f"{smaller}.%s %s is more than {larger}.%s %s; lower it or raise {larger}",
            f"{broken}[0]",
            f"self.{smaller}[{broken}[0]]",
            f"{broken}[0]",
            f"self.{larger}[{broken}[0]]",
        ),
        field_path=f".{smaller}",
    )


_LONG_NAMES: Final = "self.spec.projects.filter(p, !has(p.__namespace__) && size(self.metadata.name) + size(p.name) > 62)"
_NAMESPACE: Final = "(has({0}.__namespace__) ? {0}.__namespace__ : '%s-%s'.format([self.metadata.name, {0}.name]))"
_SHARED: Final = (
    "self.spec.projects.filter(p, has(p.__namespace__) && self.spec.projects.exists(other, other.name != p.name && "
    f"p.__namespace__ == {_NAMESPACE.format('other')}))"
)
_RESERVED: Final = "self.metadata.name.matches('^kube(-|$)') && self.spec.projects.exists(p, !has(p.__namespace__))"
ROOT_RULES: Final = (
    Rule(
        "namespaces-differ",
        f"!has(self.spec.projects) || {_SHARED}.size() == 0",
        "two projects have the same namespace, given or <tenant>-<project>; give each its own",
        message_expression=says(
            "namespace %s of project %s is also that of another project; give each its own",
            f"{_SHARED}[0].__namespace__",
            f"{_SHARED}[0].name",
        ),
        field_path=".spec.projects",
    ),
    Rule(
        "namespace-names-free",
        f"!has(self.spec.projects) || !({_RESERVED})",
        "namespaces of a Tenant called kube would begin with kube-, which is reserved for Kubernetes; set namespace for each project",
        message_expression=says(
            "namespaces of Tenant %s would be called %s-<project>, which is reserved for Kubernetes; set namespace for each project",
            "self.metadata.name",
            "self.metadata.name",
        ),
        field_path=".spec.projects",
    ),
    Rule(
        "namespace-names-fit",
        f"!has(self.spec.projects) || {_LONG_NAMES}.size() == 0",
        "the namespace of a project is called <tenant>-<project> and may have 63 characters; shorten a name or set namespace",
        message_expression=says(
            "the namespace of project %s would be called %s-%s, which is longer than 63 characters; shorten a name or set namespace",
            f"{_LONG_NAMES}[0].name",
            "self.metadata.name",
            f"{_LONG_NAMES}[0].name",
        ),
        field_path=".spec.projects",
    ),
    Rule(
        "tenant-name-no-dots",
        "self.metadata.name.matches(r'^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        "the name of a Tenant must be lower-case letters, digits and hyphens, beginning with a letter, as namespaces are named after it",
    ),
)
