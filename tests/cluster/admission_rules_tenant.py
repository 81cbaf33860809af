"""One accepted and one refused Tenant for each rule that looks at more than one field."""

from tests.cluster.admission_rules import RuleCase
from tests.unit.crds.documents import REMOVED, Changes

LABELS = "labels of kubernetes.io, k8s.io and dharma.io decide about security and ownership and are set by the operator; remove them"

NOBODY: Changes = {"spec.members": REMOVED}


def _users(count: int) -> list[dict[str, str]]:
    return [{"kind": "User", "name": f"user-{number}", "role": "Viewer"} for number in range(count)]


def _amounts(where: str, smaller: str, larger: str, wrong: str, told: str, right: str, **beside: object) -> RuleCase:
    """An amount of memory or CPU in `smaller` that is more than in `larger`."""
    resource = "memory" if wrong.endswith("i") else "cpu"
    return RuleCase(
        "Tenant",
        where,
        f"{smaller}-within-{larger}",
        {f"{where}.{smaller}.{resource}": wrong, **{f"{where}.{name}": value for name, value in beside.items()}},
        f"{where}.{smaller}",
        f"{smaller}.{resource} {wrong} is more than {larger}.{resource} {told}; lower it or raise {larger}",
        {f"{where}.{smaller}.{resource}": right},
    )


TENANT = (
    RuleCase(
        "Tenant",
        "",
        "namespace-names-fit",
        {"metadata.name": "a" * 59},
        "spec.projects",
        f"the namespace of project data would be called {'a' * 59}-data, which is longer than 63 characters; "
        "shorten a name or set namespace",
        {"metadata.name": "a" * 58},
    ),
    RuleCase(
        "Tenant",
        "",
        "tenant-name-no-dots",
        {"metadata.name": "acme.example"},
        "",
        "the name of a Tenant must be lower-case letters, digits and hyphens, beginning with a letter, as namespaces are named after it",
        {"metadata.name": "acme-example"},
    ),
    RuleCase(
        "Tenant",
        "spec",
        "member-projects-exist",
        {"spec.members[1].projects": ["shop", "web"]},
        "spec.members",
        "projects of member acme-devs has a name that is no project of this Tenant; correct the name or add the project",
        {"spec.members[1].projects": ["data"]},
    ),
    RuleCase(
        "Tenant",
        "spec",
        "static-shares",
        {"spec.projects[0].share": 61},
        "spec.projects",
        "quota.distribution Static needs a share for each project, together at most 100 percent; 0 have none and the sum is 101",
        {"spec.projects[0].share": 59},
    ),
    RuleCase(
        "Tenant",
        "spec",
        "static-shares",
        {"spec.projects[1].share": REMOVED},
        "spec.projects",
        "quota.distribution Static needs a share for each project, together at most 100 percent; 1 have none and the sum is 60",
        {"spec.projects[1].share": REMOVED, "spec.quota.distribution": "Elastic"},
    ),
    RuleCase(
        "Tenant",
        "spec",
        "project-count",
        {"spec.quota.projects": 1},
        "spec.projects",
        "there are 2 projects and quota.projects allows 1; raise it or remove some",
        {"spec.quota.projects": 2},
    ),
    RuleCase(
        "Tenant",
        "spec",
        "member-count",
        {"spec.quota.users": 2},
        "spec.members",
        "there are 3 members and quota.users allows 2; raise it or remove some",
        {"spec.quota.users": 3},
    ),
    RuleCase(
        "Tenant",
        "spec",
        "project-count",
        {"spec.plan": "Free", "spec.quota.projects": REMOVED, "spec.projects": [{"name": f"p{n}", "share": 1} for n in range(4)], **NOBODY},
        "spec.projects",
        "there are 4 projects and plan Free allows 3; set quota.projects, choose another plan or remove some",
        {"spec.plan": "Enterprise", "spec.quota": REMOVED, "spec.projects": [{"name": f"p{n}"} for n in range(64)], **NOBODY},
    ),
    RuleCase(
        "Tenant",
        "spec",
        "member-count",
        {"spec.plan": "Free", "spec.quota.users": REMOVED, "spec.members": _users(6)},
        "spec.members",
        "there are 6 members and plan Free allows 5; set quota.users, choose another plan or remove some",
        {"spec.plan": "Free", "spec.quota": {"users": 6}, "spec.members": _users(6)},
    ),
    RuleCase(
        "Tenant",
        "",
        "namespaces-differ",
        {"spec.projects[1].namespace": "sample-of-shop"},
        "spec.projects",
        "namespace sample-of-shop of project shop is also that of another project; give each its own",
        {"spec.projects[1].namespace": "sample-of-data"},
    ),
    RuleCase(
        "Tenant",
        "",
        "namespaces-differ",
        {"metadata.name": "acme", "spec.projects[0].namespace": "acme-data"},
        "spec.projects",
        "namespace acme-data of project shop is also that of another project; give each its own",
        {"metadata.name": "acme", "spec.projects[0].namespace": "acme-shop"},
    ),
    *(
        RuleCase(
            "Tenant",
            "",
            "namespace-names-free",
            {"metadata.name": name},
            "spec.projects",
            f"namespaces of Tenant {name} would be called {name}-<project>, which is reserved for Kubernetes; "
            "set namespace for each project",
            {"metadata.name": name, "spec.projects[1].namespace": "sample-of-data"},
        )
        for name in ("kube", "kube-flow")
    ),
    RuleCase(
        "Tenant",
        "spec.quota",
        "quota-storage-bound",
        {"spec.quota.storage": "1.1E"},
        "spec.quota.storage",
        "storage 1.1E is more than 1E, which no cluster has; lower it",
        {"spec.quota.storage": "1E"},
    ),
    RuleCase(
        "Tenant",
        "spec.projects[]",
        "project-namespace-immutable",
        {"spec.projects[0].namespace": "elsewhere"},
        "spec.projects[0].namespace",
        "the namespace of project shop cannot change; make another project and move what is in it",
        {"spec.projects[0].share": 10},
        update=True,
    ),
    RuleCase(
        "Tenant",
        "spec.projects[]",
        "project-namespace-immutable",
        {"spec.projects[1].namespace": "sample-data"},
        "spec.projects[1].namespace",
        "the namespace of project data cannot change; make another project and move what is in it",
        {"spec.projects[1]": {"name": "lake", "namespace": "sample-data", "share": 1}, "spec.members[1].projects": ["lake"]},
        update=True,
    ),
    *(
        RuleCase(
            "Tenant",
            "spec.projects[]",
            "project-labels-free",
            {f'spec.projects[0].labels."{key}"': "x"},
            "spec.projects[0].labels",
            LABELS,
            {'spec.projects[0].labels."team.example/owner"': "x", 'spec.projects[0].labels."notkubernetes.io/x"': "x"},
        )
        for key in ("pod-security.kubernetes.io/enforce", "kubernetes.io/metadata.name", "dharma.io/tenant", "node.k8s.io/x")
    ),
    RuleCase(
        "Tenant",
        "spec.members[]",
        "member-namespace",
        {"spec.members[2].namespace": REMOVED},
        "spec.members[2].namespace",
        "member ci is a ServiceAccount and needs namespace; set it",
        {"spec.members[2].namespace": "other"},
    ),
    RuleCase(
        "Tenant",
        "spec.members[]",
        "member-namespace",
        {"spec.members[0].namespace": "build"},
        "spec.members[0].namespace",
        "member alice@acme.example is a User and has no namespace; remove it",
    ),
    RuleCase(
        "Tenant",
        "spec.members[]",
        "member-not-system",
        {"spec.members[1].name": "system:masters"},
        "spec.members[1].name",
        "member system:masters belongs to Kubernetes itself and cannot be a member; remove it",
        {"spec.members[1].name": "systems"},
    ),
    _amounts("spec.limits.container", "min", "max", "3", "2", "10m", defaultRequest=REMOVED),
    _amounts("spec.limits.container", "defaultRequest", "default", "513Mi", "512Mi", "512Mi"),
    _amounts("spec.limits.container", "default", "max", "5Gi", "4Gi", "4Gi"),
    _amounts("spec.limits.container", "min", "defaultRequest", "101m", "100m", "0.1"),
    _amounts("spec.limits.pod", "min", "max", "9Gi", "8Gi", "8Gi"),
    *(
        RuleCase(
            "Tenant",
            f"spec.network.{way}[]",
            "network-peer-one-member",
            {f"spec.network.{way}[0]": peer},
            f"spec.network.{way}[0]",
            "an entry of ingressFrom and egressTo must hold exactly one of namespace and cidr",
            {f"spec.network.{way}[0]": {"namespace": "a"}},
        )
        for way in ("ingressFrom", "egressTo")
        for peer in ({"ports": [1]}, {"namespace": "a", "cidr": "10.0.0.0/8"})
    ),
)
