"""What each format takes and refuses, asked of the API server and of the models alike."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Example:
    """`accepted` are tried at one place, `refused` at every field that has the format; `told` is in a sentence that quotes values."""

    kind: str
    path: str
    accepted: tuple[Any, ...]
    refused: tuple[Any, ...]
    told: str = ""
    beside: dict[str, Any] = field(default_factory=dict)
    """Changes that an accepted value needs in other fields."""
    read_twice: bool = True
    """Whether the models check it again. Where False, admission alone does."""


FORMATS = {
    "bytes": Example(
        "Blueprint",
        "spec.components[].postgres.storage.grow.max",
        ("200Gi", "1Ti", "300G", "60.5Gi", "107374182400"),
        ("5GB", "1gi", "-1Gi", "0", "1 Gi", "", "ten", "1e3", "100m"),
    ),
    "bytes-128Mi": Example(
        "Blueprint",
        "spec.components[].postgres.resources.requests.memory",
        ("128Mi", "1.5Gi", "134217728"),
        ("127Mi", "1", "128M", "128MB"),
    ),
    "bytes-16Mi": Example("Blueprint", "spec.components[].redis.maxMemory", ("16Mi", "256Mi"), ("15Mi", "16M", "16", "x")),
    "cpu": Example(
        "Deployment", "spec.resources.limits.cpu", ("100m", "2", 3, "0.5", "1.125"), ("0", "-1", -1, 0, "2k", "1.0005", "1cpu", "", "0m")
    ),
    "cpu-10m": Example("Blueprint", "spec.components[].pgbouncer.resources.requests.cpu", ("10m", "0.01", 1), ("9m", 0, "0.009", "1Gi")),
    "duration-1s-24h": Example(
        "Deployment",
        "spec.strategy.blueGreen.bake",
        ("1s", "24h", "1h30m", "1.5m", "1000ms"),
        ("999ms", "24h1s", "90", "1d", "-1m", "", "1 m", "1m-1s", "m"),
    ),
    "duration-1h-87600h": Example("Blueprint", "spec.rotation.every", ("720h", "87600h"), ("59m", "87601h", "30d", "soon")),
    "duration-1m-87600h": Example("Blueprint", "spec.rotation.overlap", ("1m", "719h59m"), ("59s", "1d")),
    "duration-10m-168h": Example("Blueprint", "spec.maintenanceWindows[].duration", ("10m", "168h"), ("9m59s", "168h1m", "2")),
    "whole-seconds": Example(
        "Deployment", "spec.probes.readiness.period", ("1s", "24h", "1m30s"), ("1500ms", "1.5s", "0s", "25h", "10", "")
    ),
    "cron": Example(
        "Backup",
        "spec.schedule",
        (
            "0 2 * * *",
            "*/15 * * * *",
            "0 0 1 1 *",
            "5,10-20/2,59 0-23 1-31 1-12 0-7",
            "30 4 * JAN-MAR,DEC MON-FRI",
            "0  3  *  *  SUN",
            "00 09 01 12 0",
        ),
        (
            "0 2 * *",
            "0 2 * * * *",
            "60 2 * * *",
            "0 24 * * *",
            "0 2 0 * *",
            "0 2 32 * *",
            "0 2 * 13 *",
            "0 2 * * 8",
            "@daily",
            "*/0 * * * *",
            "",
            " 0 2 * * *",
            "0 2 * * mon",
            "a b c d e",
        ),
    ),
    "time-zone": Example(
        "Tenant",
        "spec.timeZone",
        ("Etc/UTC", "UTC", "Asia/Kolkata", "America/Argentina/Buenos_Aires", "Etc/GMT+3", "America/Port-au-Prince"),
        ("", "Local", "asia/kolkata", "+05:30", "Etc/", "../etc/passwd", "Etc/UTC ", "IST"),
    ),
    "object-name": Example("Backup", "spec.blueprint", ("shop", "a.b-c", "0"), ("Shop", "shop_1", "-shop", "shop.", "", "a..b")),
    "dns-label": Example("Tenant", "spec.network.egressTo[1].namespace", ("monitoring", "0-a"), ("a.b", "Mon", "-a", "a-", "", "a b")),
    "component-name": Example(
        "Backup", "spec.components[]", ("store", "a", "a1-b", "abcdefghijklmnopqrst"), ("Db", "1db", "db-", "d_b", "", "-", "d.b")
    ),
    "project-name": Example(
        "Tenant",
        "spec.projects[1].name",
        ("web", "a-1"),
        ("Web", "1web", "web-", "we_b", ""),
        beside={"spec.members[1].projects": ["shop"]},
    ),
    "tenant-namespace": Example(
        "Tenant", "spec.projects[].namespace", ("acme", "0a", "kubeflow"), ("default", "kube-system", "Kube", "a.b", "-a", "")
    ),
    "label-value": Example("Tenant", 'spec.projects[].labels."owner"', ("", "Alice_1.b-c", "42"), ("-a", "a-", "a b", "a/b", "é")),
    "port-name": Example("Deployment", "spec.ports[1].name", ("a", "grpc-2"), ("Http", "-a", "a-", "a.b", "")),
    "port-or-name": Example(
        "Deployment", "spec.ports[].targetPort", (1, 65535, "http", "a"), (0, 65536, -1, "Http", "a_b", "-a", ""), read_twice=False
    ),
    "pods-or-percent": Example(
        "Deployment",
        "spec.disruption.maxUnavailable",
        (1, 0, "0%", "50%", "100%"),
        (-1, "101%", "50", "half", "%", "-1%"),
        read_twice=False,
    ),
    "image": Example(
        "Deployment",
        "spec.image",
        ("shop", "shop:1", "registry.example:5000/team/shop:1.4.2", "registry.example/shop@sha256:" + "0" * 64),
        ("https://registry.example/shop", "shop latest", "Shop", "shop@sha256:12", "", "shop@md5:" + "0" * 32),
    ),
    "environment-name": Example("Deployment", "spec.env[].name", ("A", "_a1", "lower"), ("1A", "A-B", "A B", "", "A=B")),
    "bind-prefix": Example("Deployment", "spec.bind[].as", ("DB", "A_1"), ("db", "1A", "A-B", "", "_A")),
    "decimal": Example(
        "Deployment",
        "spec.strategy.blueGreen.checks.after[].prometheus.max",
        ("0", "0.01", "-3.5", "100"),
        ("1e3", ".5", "1.", "", "NaN", "one", "+1"),
    ),
    "url": Example(
        "Backup",
        "spec.destination.s3.endpoint",
        ("https://s3.example", "http://minio.storage:9000", "https://s3.example/path"),
        ("s3.example", "ftp://s3.example", "https://", "https://a b", "", "https://user:password@s3.example"),
    ),
    "registry": Example(
        "Tenant",
        "spec.policies.registries.allowed[]",
        (
            "registry.example",
            "ghcr.io/a-b/c",
            "localhost",
            "localhost:5000/a",
            "mirror:5000",
            "r.example:443/team_a/shop.web",
            "10.0.0.1:5000",
        ),
        (
            "https://r.example",
            "acme",
            "acme/shop",
            "r.example/",
            "r.example/shop:1",
            "R.example",
            "",
            "r.example/a,b",
            "r.example/A",
            "*.example",
        ),
    ),
    "ingress-host": Example(
        "Tenant",
        "spec.policies.ingressHosts.allowed[]",
        ("shop.acme.example", "*.acme.example", "a.b", "0-a.example"),
        ("acme", "*", "*.example", "a.*.example", "Shop.example", "a.example.", "-a.example", "", "a.example,b.example", "*a.example"),
    ),
    "cidr": Example(
        "Tenant",
        "spec.network.egressTo[].cidr",
        ("203.0.113.0/24", "10.0.0.0/8", "2001:db8::/32", "192.0.2.1/32"),
        ("203.0.113.0", "203.0.113.0/33", "300.0.0.0/8", "", "a/8"),
    ),
    "bucket": Example("Backup", "spec.destination.s3.bucket", ("abc", "a.b-c1"), ("ab", "-ab", "ab-", "A-bucket", "a_b", "")),
    "key-prefix": Example("Backup", "spec.destination.s3.prefix", ("a", "a/b_c/d.e"), ("/a", "a/", "a//b", "", "a b")),
    "region": Example("Backup", "spec.destination.s3.region", ("us-east-1", "home"), ("US", "", "-a", "a b")),
    "postgres-database": Example(
        "Blueprint",
        "spec.components[].postgres.databases[].name",
        ("a", "my-shop_1"),
        ("Shop", "1a", "postgres", "template1", "", 'a"b', "a b"),
    ),
    "postgres-user": Example(
        "Blueprint",
        "spec.components[].postgres.databases[1].owner",
        ("a", "app_rw", "report2"),
        ("App", "1a", "app-rw", "app_", "a__b", "postgres", "pg_monitor", "dharma_x", "standby", "", "a'b"),
    ),
    "extension": Example(
        "Blueprint", "spec.components[].postgres.databases[].extensions[0]", ("uuid-ossp", "hstore"), ("Hstore", "", "a b", "a;b")
    ),
    "member-of": Example(
        "Blueprint",
        "spec.components[].postgres.users[1].memberOf[0]",
        ("pg_monitor", "pg_read_all_settings"),
        ("postgres", "pg_execute_server_program", "pg_read_server_files", "pg_write_server_files", "A", "", "a-b"),
    ),
    "parameter-name": Example(
        "Blueprint",
        "spec.components[].postgres.parameters",
        ({"work_mem": "4MB", "random_page_cost": 1, "pg_stat_statements.max": 500}, {"max_connections": 1000}),
        ({"Bad Name": "1"}, {"work-mem": "4MB"}, {"a.b.c": "1"}),
        told="which Postgres does not know; write lower-case letters, digits and underscores, such as work_mem",
        read_twice=False,
    ),
    "parameter-forbidden": Example(
        "Blueprint",
        "spec.components[].postgres.parameters",
        ({"log_min_duration_statement": "1s"},),
        (
            {"port": 1},
            {"archive_command": "true", "work_mem": "4MB"},
            {"wal_level": "minimal"},
            {"primary_conninfo": "x"},
            {"hba_file": "/x"},
        ),
        told="which Patroni or the operator sets; remove it",
        read_twice=False,
    ),
    "compute-keys": Example(
        "Tenant",
        "spec.quota.compute",
        ({"requests.cpu": "1", "count/deployments.apps": 5, "requests.nvidia.com/gpu": "1"}, {"limits.memory": "1Gi"}),
        ({"cpu": "1"}, {"gpu": 1}, {"limits.nvidia.com/gpu": 1}),
        told="cannot be limited here; use requests.cpu, requests.memory",
        read_twice=False,
    ),
    "compute-amounts": Example(
        "Tenant",
        "spec.quota.compute",
        ({"pods": 5}, {"requests.cpu": "1500m"}),
        ({"pods": "five"}, {"requests.memory": "1GB"}, {"pods": -1}),
        told="must be a quantity, such as 500m, 20 or 40Gi",
        read_twice=False,
    ),
    **{
        f"{name}-bounds": Example(
            "Tenant",
            path,
            ({resource: "1E"}, {resource: "0"}),
            ({resource: "1001P"}, {resource: "9" * 20}, {resource: "999Ei"}),
            told,
            read_twice=False,
        )
        for name, path, resource in (("compute", "spec.quota.compute", "requests.memory"), ("limit", "spec.limits.pod.max", "memory"))
        for told in ("is more than 1E, which no cluster has; lower it",)
    },
    "compute-whole": Example(
        "Tenant",
        "spec.quota.compute",
        ({"pods": "2k"}, {"count/jobs.batch": 7}, {"services.loadbalancers": "0"}),
        ({"pods": "100m"}, {"persistentvolumeclaims": "1.5"}, {"count/jobs.batch": "0.1k"}),
        told="is counted in pieces and must be a whole number",
        read_twice=False,
    ),
    "limit-keys": Example(
        "Tenant",
        "spec.limits.pod.max",
        ({"cpu": 8, "memory": "16Gi", "ephemeral-storage": "1Gi"},),
        ({"gpu": 1}, {"requests.cpu": 1}),
        told="cannot be limited here; use cpu, memory or ephemeral-storage",
        read_twice=False,
    ),
    "limit-amounts": Example(
        "Tenant",
        "spec.limits.pod.max",
        ({"cpu": "8000m"},),
        ({"cpu": "two"}, {"memory": "1GB"}),
        told="must be a quantity, such as 500m, 20 or 40Gi",
        read_twice=False,
    ),
    "money": Example("Tenant", "spec.budget.monthly", ("0", "500", "99.90"), ("-1", "1.234", "500 USD", "", "1e3")),
    "currency": Example("Tenant", "spec.budget.currency", ("EUR", "INR"), ("eur", "US", "$", "")),
}
