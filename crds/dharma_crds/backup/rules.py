"""Rules of a Backup, in CEL."""

from __future__ import annotations

from typing import Final

from dharma_crds.cel import Rule, says

DESTINATIONS: Final = ("volume", "s3")

DESTINATION_RULES: Final = (
    Rule(
        "destination-one-member",
        "has(self.volume) != has(self.s3)",
        "destination must hold exactly one of volume and s3",
    ),
    Rule(
        "destination-type-immutable",
        "has(self.volume) == has(oldSelf.volume)",
        "destination cannot change between volume and s3, as what is saved would be lost from sight; make another Backup",
        reason="FieldValueForbidden",
    ),
)

SPEC_RULES: Final = (
    Rule(
        "backup-blueprint-immutable",
        "self.blueprint == oldSelf.blueprint",
        "blueprint cannot change, as what is saved belongs to it; make another Backup",
        message_expression=says(
            "blueprint cannot change from %s to %s, as what is saved belongs to the first; make another Backup",
            "oldSelf.blueprint",
            "self.blueprint",
        ),
        reason="FieldValueForbidden",
        field_path=".blueprint",
    ),
)

VERIFY_RULES: Final = (
    Rule(
        "sql-needs-restore",
        "!has(self.sql) || self.sql.size() == 0 || 'Restore' in self.checks",
        "verify.sql runs on a restored copy; add Restore to verify.checks or remove sql",
        field_path=".sql",
    ),
    Rule(
        "amcheck-needs-restore",
        "!('Amcheck' in self.checks) || 'Restore' in self.checks",
        "verify.checks has Amcheck, which runs on a restored copy; add Restore or remove it",
        field_path=".checks",
    ),
)
