"""One accepted and one refused Deployment for each rule that looks at more than one field."""

from tests.cluster.admission_rules import RuleCase, limit_cases
from tests.unit.crds.documents import REMOVED

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
