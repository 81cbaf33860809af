"""The same for Tenant, Deployment and Backup."""

from tests.cluster.admission_rules import RuleCase, limit_cases, storage_cases
from tests.unit.crds.documents import REMOVED

LABELS = "labels of kubernetes.io, k8s.io and dharma.io decide about security and ownership and are set by the operator; remove them"


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
        "namespaces-differ",
        {"spec.projects[1].namespace": "sample-of-shop"},
        "spec.projects",
        "two projects have the same namespace; give each its own",
        {"spec.projects[1].namespace": "sample-of-data"},
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

_CHECKS = "spec.strategy.blueGreen.checks"
DEPLOYMENT = (
    RuleCase(
        "Deployment",
        "spec",
        "replicas-or-autoscaling",
        {"spec.autoscaling": {"max": 5, "cpu": 70}},
        "spec.replicas",
        "replicas and autoscaling both say how many pods there are; keep one",
        {"spec.autoscaling": {"min": 3, "max": 5, "cpu": 70}, "spec.replicas": REMOVED},
    ),
    *(
        RuleCase(
            "Deployment",
            "spec",
            f"autoscaling-{resource}-request",
            {
                "spec.replicas": REMOVED,
                "spec.autoscaling": {"min": 3, "max": 5, resource: 70},
                f"spec.resources.requests.{resource}": REMOVED,
            },
            f"spec.resources.requests.{resource}",
            f"autoscaling.{resource} is a share of resources.requests.{resource}, which is not set; set it",
            {"spec.replicas": REMOVED, "spec.autoscaling": {"min": 3, "max": 5, resource: 70}},
        )
        for resource in ("cpu", "memory")
    ),
    RuleCase(
        "Deployment",
        "spec",
        "disruption-leaves-room",
        {"spec.disruption.minAvailable": 3},
        "spec.disruption.minAvailable",
        "disruption.minAvailable 3 must be less than the 3 pods there are, else no node could ever be drained; lower it or have more pods",
        {"spec.disruption.minAvailable": "100%"},
    ),
    RuleCase(
        "Deployment",
        "spec",
        "disruption-leaves-room",
        {"spec.replicas": REMOVED, "spec.disruption.minAvailable": 1},
        "spec.disruption.minAvailable",
        "disruption.minAvailable 1 must be less than the 1 pods there are, else no node could ever be drained; lower it or have more pods",
        {"spec.replicas": REMOVED, "spec.disruption.minAvailable": 0},
    ),
    RuleCase(
        "Deployment",
        "spec",
        "disruption-leaves-room",
        {"spec.replicas": REMOVED, "spec.autoscaling": {"min": 2, "max": 5, "cpu": 70}, "spec.disruption.minAvailable": 2},
        "spec.disruption.minAvailable",
        "disruption.minAvailable 2 must be less than the 2 pods there are, else no node could ever be drained; lower it or have more pods",
        {"spec.replicas": REMOVED, "spec.autoscaling": {"min": 3, "max": 5, "cpu": 70}, "spec.disruption.minAvailable": 2},
    ),
    RuleCase(
        "Deployment",
        "spec.autoscaling",
        "autoscaling-range",
        {"spec.replicas": REMOVED, "spec.autoscaling": {"min": 6, "max": 5, "cpu": 70}},
        "spec.autoscaling.min",
        "autoscaling.min must not be more than max; lower it or raise max",
        {"spec.replicas": REMOVED, "spec.autoscaling": {"min": 5, "max": 5, "cpu": 70}},
    ),
    RuleCase(
        "Deployment",
        "spec.autoscaling",
        "autoscaling-target",
        {"spec.replicas": REMOVED, "spec.autoscaling": {"min": 3, "max": 5}},
        "spec.autoscaling",
        "autoscaling needs cpu or memory as the load to follow; set one, such as cpu: 70",
        {"spec.replicas": REMOVED, "spec.autoscaling": {"min": 3, "max": 5, "memory": 80}},
    ),
    RuleCase(
        "Deployment",
        "spec.env[]",
        "env-one-value",
        {"spec.env[3].value": "x"},
        "spec.env[3]",
        "variable POD_NAME has both value and valueFrom; keep one",
        {"spec.env[3]": {"name": "POD_NAME"}},
    ),
    *(
        RuleCase(
            "Deployment",
            "spec.env[]",
            "env-no-secret",
            {"spec.env[0]": {"name": name, "value": "x"}},
            "spec.env[0].value",
            f"variable {name} looks like a password, and a password must not stand in a resource; "
            "put it into a Secret and name that by valueFrom.secretKeyRef",
            {"spec.env[0]": {"name": kept, "value": "x"}},
        )
        for name, kept in (("DB_PASSWORD", "DB_PASSWORD_FILE"), ("api_key", "API_KEY_HEADER"), ("TOKEN", "TOKEN_TTL"))
    ),
    RuleCase(
        "Deployment",
        "spec.env[].valueFrom",
        "env-source-one-member",
        {"spec.env[3].valueFrom": {}},
        "spec.env[3].valueFrom",
        "valueFrom must hold exactly one of secretKeyRef, configMapKeyRef and fieldRef",
    ),
    *limit_cases("Deployment", "spec.resources", "spec.resources", ("99m", "100m"), ("127Mi", "128Mi")),
    *(
        RuleCase(
            "Deployment",
            f"spec.probes.{probe}",
            "probe-one-member",
            {f"spec.probes.{probe}": way},
            f"spec.probes.{probe}",
            "a probe must hold exactly one of http, tcp, exec and grpc",
            {f"spec.probes.{probe}": {"http": {}}},
        )
        for probe in ("readiness", "liveness", "startup")
        for way in ({"period": "5s"}, {"http": {}, "tcp": {}})
    ),
    *(
        RuleCase(
            "Deployment",
            "spec.probes",
            f"{probe}-one-success",
            {f"spec.probes.{probe}.successThreshold": 2},
            f"spec.probes.{probe}.successThreshold",
            f"probes.{probe}.successThreshold must be 1, as Kubernetes allows more for readiness alone; remove it",
            {"spec.probes.readiness.successThreshold": 2},
        )
        for probe in ("liveness", "startup")
    ),
    *(
        case
        for stage in ("before", "after")
        for case in (
            RuleCase(
                "Deployment",
                f"{_CHECKS}.{stage}[]",
                "check-one-member",
                {f"{_CHECKS}.{stage}[0]": {"name": "smoke"}},
                f"{_CHECKS}.{stage}[0]",
                "check smoke must hold exactly one of http, prometheus and job",
                {f"{_CHECKS}.{stage}[0]": {"name": "smoke", "http": {}}},
            ),
            RuleCase(
                "Deployment",
                f"{_CHECKS}.{stage}[].prometheus",
                "prometheus-bound",
                {f"{_CHECKS}.{stage}[1].prometheus": {"query": "up"}},
                f"{_CHECKS}.{stage}[1].prometheus",
                "a prometheus check needs min or max, else it could not fail",
                {f"{_CHECKS}.{stage}[1].prometheus": {"query": "up", "min": "1"}},
            ),
        )
    ),
    *(
        RuleCase(
            "Deployment",
            "spec.disruption",
            "disruption-one-member",
            {"spec.disruption": both},
            "spec.disruption",
            "disruption must hold exactly one of minAvailable and maxUnavailable",
            {"spec.disruption": {"maxUnavailable": 1}},
        )
        for both in ({}, {"minAvailable": 1, "maxUnavailable": 1})
    ),
)

BACKUP = (
    RuleCase(
        "Backup",
        "spec",
        "backup-blueprint-immutable",
        {"spec.blueprint": "store"},
        "spec.blueprint",
        "blueprint cannot change from shop to store, as what is saved belongs to the first; make another Backup",
        {"spec.schedule": "0 3 * * *"},
        update=True,
    ),
    *(
        RuleCase(
            "Backup",
            "spec.destination",
            "destination-one-member",
            {"spec.destination": both},
            "spec.destination",
            "destination must hold exactly one of volume and s3",
        )
        for both in (
            {},
            {"volume": {"size": "1Gi"}, "s3": {"endpoint": "https://s3.example", "bucket": "abc", "credentialsSecret": "s3"}},
        )
    ),
    RuleCase(
        "Backup",
        "spec.destination",
        "destination-type-immutable",
        {"spec.destination": {"s3": {"endpoint": "https://s3.example", "bucket": "abc", "credentialsSecret": "s3"}}},
        "spec.destination",
        "destination cannot change between volume and s3, as what is saved would be lost from sight; make another Backup",
        {"spec.destination.volume.size": "150Gi"},
        update=True,
    ),
    *storage_cases("Backup", "spec.destination.volume", "spec.destination.volume", "100Gi"),
    RuleCase(
        "Backup",
        "spec.verify",
        "sql-needs-restore",
        {"spec.verify.checks": []},
        "spec.verify.sql",
        "verify.sql runs on a restored copy; add Restore to verify.checks or remove sql",
        {"spec.verify.checks": ["Restore"]},
    ),
    RuleCase(
        "Backup",
        "spec.verify",
        "amcheck-needs-restore",
        {"spec.verify.checks": ["Amcheck"], "spec.verify.sql": []},
        "spec.verify.checks",
        "verify.checks has Amcheck, which runs on a restored copy; add Restore or remove it",
        {"spec.verify.checks": [], "spec.verify.sql": []},
    ),
)
