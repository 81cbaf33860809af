"""One accepted and one refused Backup for each rule that looks at more than one field."""

from tests.cluster.admission_rules import RuleCase, storage_cases

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
