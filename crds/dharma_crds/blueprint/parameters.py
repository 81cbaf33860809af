"""The `parameters` of Postgres: which a user may set. The lists are used by admission (CEL) and by the handlers alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, cast

from pydantic import BeforeValidator, Field, WithJsonSchema

from dharma_crds.cel import VALIDATIONS, Rule, says

NAME_PATTERN: Final = r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?"
MOST: Final = 100
LONGEST_VALUE: Final = 256

PATRONI_OWNED: Final = frozenset({
    "archive_cleanup_command", "cluster_name", "config_file", "data_directory", "external_pid_file", "hba_file", "hot_standby",
    "ident_file",
    "listen_addresses", "max_wal_senders", "port", "primary_conninfo", "primary_slot_name", "promote_trigger_file", "recovery_end_command",
    "recovery_min_apply_delay", "recovery_target", "recovery_target_action", "recovery_target_inclusive", "recovery_target_lsn",
    "recovery_target_name", "recovery_target_time", "recovery_target_timeline", "recovery_target_xid", "restore_command",
    "synchronous_standby_names", "unix_socket_directories", "unix_socket_group", "unix_socket_permissions", "wal_level", "wal_log_hints",
})  # fmt: skip
"""Set by Patroni for replication and failover to work."""

OPERATOR_OWNED: Final = frozenset({
    "allow_alter_system", "archive_command", "archive_library", "archive_mode", "archive_timeout", "full_page_writes", "fsync",
    "krb_server_keyfile", "logging_collector", "log_directory", "log_destination", "log_filename", "password_encryption",
    "reserved_connections",
    "ssl", "ssl_ca_file", "ssl_cert_file", "ssl_crl_dir", "ssl_crl_file", "ssl_key_file", "ssl_passphrase_command", "stats_temp_directory",
    "superuser_reserved_connections", "syslog_facility", "data_sync_retry", "zero_damaged_pages", "ignore_checksum_failure",
})  # fmt: skip
"""Set by the operator: backups, durability, logs, certificates, passwords, the connections it keeps for itself."""

FORBIDDEN: Final = PATRONI_OWNED | OPERATOR_OWNED
_FORBIDDEN_CEL: Final = "[" + ", ".join(f"'{name}'" for name in sorted(FORBIDDEN)) + "]"


def _spell(value: object) -> object:
    """Values as text, the way Postgres takes them: 200 and "200" are one."""
    if not isinstance(value, Mapping):
        return value
    items = cast("Mapping[object, object]", value).items()
    return {key: str(item) if isinstance(item, int) and not isinstance(item, bool) else item for key, item in items}


_MISNAMED: Final = f"!name.matches(r'^({NAME_PATTERN})$')"
PARAMETER_RULES: Final = (
    Rule(
        "parameter-name",
        f"!self.exists(name, {_MISNAMED})",
        "a name in parameters is not one that Postgres knows; write lower-case letters, digits and underscores, such as work_mem",
        message_expression=says(
            "parameters has %s, which Postgres does not know; write lower-case letters, digits and underscores, such as work_mem",
            f"self.filter(name, {_MISNAMED})",
        ),
    ),
    Rule(
        "parameter-forbidden",
        f"!self.exists(name, name in {_FORBIDDEN_CEL})",
        "parameters holds a name that Patroni or the operator sets; remove it",
        message_expression=says(
            "parameters has %s, which Patroni or the operator sets; remove it", f"self.filter(name, name in {_FORBIDDEN_CEL})"
        ),
        reason="FieldValueForbidden",
    ),
)

Parameters = Annotated[
    Mapping[str, Annotated[str, Field(max_length=LONGEST_VALUE)]],
    BeforeValidator(_spell),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {"x-kubernetes-int-or-string": True, "maxLength": LONGEST_VALUE},
            "maxProperties": MOST,
            VALIDATIONS: [rule.as_schema() for rule in PARAMETER_RULES],
        }
    ),
]
"""Names and values of postgresql.conf, as text."""
