"""Postgres settings derived from a component's resources, and what a change of one costs.

Formulas and their sources:
- PG: PostgreSQL 17 documentation, chapter 19 "Server Configuration".
- PGTUNE: the rules of pgtune (le0pard/pgtune) for the profile "web application on SSD".
"""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from dharma_crds.blueprint import Postgres
from dharma_crds.blueprint.budget import OPERATOR_RESERVED, SUPERUSER_RESERVED, ConnectionBudget
from dharma_crds.blueprint.parameters import FORBIDDEN
from dharma_handlers.blueprint.observed import SettingObserved

MIB: Final = 1024 * 1024
GIB: Final = 1024 * MIB

Effect = Literal["Reload", "RollingRestart", "Forbidden"]

DIRECT_CONNECTIONS: Final = 40
"""Connections beside the poolers': migrations, reports, people."""
_CONNECTIONS_STEP: Final = 100
"""Postgres's own default, which stays without any pooler."""

FIXED: Final[Mapping[str, str]] = MappingProxyType({
    # A container has no huge pages unless it asks for them, and initdb dies on a node that has some ("Bus error").
    "huge_pages": "off",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_lock_waits": "on",
    "log_timezone": "Etc/UTC",
    "password_encryption": "scram-sha-256",
    # PGTUNE: solid-state and network storage have no seek.
    "random_page_cost": "1.1",
    "effective_io_concurrency": "200",
    "shared_preload_libraries": "pg_stat_statements",
    "superuser_reserved_connections": str(SUPERUSER_RESERVED),
    # PG 19.3.1: for roles with pg_use_reserved_connections, which the operator's has.
    "reserved_connections": str(OPERATOR_RESERVED),
})  # fmt: skip
"""The same for every component; those that are not in `FORBIDDEN` a user may set differently."""

_NEEDS_RESTART: Final = frozenset({
    "autovacuum_freeze_max_age", "autovacuum_max_workers", "autovacuum_multixact_freeze_max_age", "bonjour", "bonjour_name",
    "commit_timestamp_buffers", "debug_io_direct", "dynamic_shared_memory_type", "event_source", "huge_page_size", "huge_pages",
    "ignore_invalid_pages", "jit_provider", "max_connections", "max_files_per_process", "max_locks_per_transaction",
    "max_logical_replication_workers", "max_notify_queue_pages", "max_pred_locks_per_transaction", "max_prepared_transactions",
    "max_replication_slots", "max_worker_processes", "min_dynamic_shared_memory", "multixact_member_buffers", "multixact_offset_buffers",
    "notify_buffers", "pg_stat_statements.max", "reserved_connections", "serializable_buffers", "shared_buffers", "shared_memory_type",
    "shared_preload_libraries", "subtransaction_buffers", "superuser_reserved_connections", "trace_connection_negotiation",
    "track_activity_query_size", "track_commit_timestamp", "transaction_buffers", "wal_buffers", "wal_decode_buffer_size",
})  # fmt: skip
"""Settings of context `postmaster` in PostgreSQL 17 that a user may set, for when a server cannot be asked."""


def parameters(postgres: Postgres, budget: ConnectionBudget) -> dict[str, str]:
    """Build all settings: derived and fixed ones, then the user's, which win. Values as postgresql.conf takes them."""
    asked = dict(postgres.parameters)
    expected = int(asked.get("max_connections") or expected_connections(budget))
    memory = postgres.resources.requests.memory.bytes
    limits = postgres.resources.limits
    millicores = (limits.cpu if limits is not None and limits.cpu is not None else postgres.resources.requests.cpu).millicores
    derived = {
        **FIXED,
        "max_connections": str(max_connections(budget)),
        **_memory(memory, expected),
        **_workers(millicores),
        **_wal(postgres.storage.size.bytes),
    }
    allowed = {name: value for name, value in asked.items() if name not in FORBIDDEN}
    return dict(sorted((derived | allowed).items()))


def expected_connections(budget: ConnectionBudget) -> int:
    """Count from the poolers' budget: all that they may open, those for direct use, the reserved ones."""
    return budget.needed + DIRECT_CONNECTIONS if budget.pools else _CONNECTIONS_STEP


def max_connections(budget: ConnectionBudget) -> int:
    """Derive the bound from what is expected, rounded up to 100, 200, 400, 800 …: a change of it restarts Postgres.

    So one more replica of a pooler mostly changes nothing, and growing without end restarts ever more seldom.
    """
    steps = math.ceil(math.log2(expected_connections(budget) / _CONNECTIONS_STEP))
    return _CONNECTIONS_STEP << max(steps, 0)


def effect(name: str, observed: Mapping[str, SettingObserved] | None) -> Effect:
    """Tell what a change of that setting costs, from the server's own `pg_settings.context` where it could be asked."""
    if name in FORBIDDEN:
        return "Forbidden"
    setting = (observed or {}).get(name)
    if setting is not None and setting.context == "internal":
        return "Forbidden"
    restart = setting.context == "postmaster" if setting is not None else name in _NEEDS_RESTART
    return "RollingRestart" if restart else "Reload"


def _memory(memory: int, connections: int) -> dict[str, str]:
    # PG 19.4.1: "a reasonable starting value for shared_buffers is 25% of the memory in your system".
    shared = max(memory // 4, 16 * MIB)
    return {
        "shared_buffers": _mib(shared),
        # PG 19.7.2: what the system's cache will hold as well; PGTUNE: three quarters of the memory.
        "effective_cache_size": _mib(max(memory * 3 // 4, shared)),
        # PGTUNE: a sixteenth of the memory, at most 2 GB; PG: autovacuum_max_workers (3) of them may run at once.
        "maintenance_work_mem": _mib(min(max(memory // 16, 16 * MIB), 2 * GIB)),
        # PGTUNE: what is left, for every connection three times, as a query may sort and hash several times. PG: at least 64kB.
        "work_mem": _kib(max((memory - shared) // (connections * 3), 1 * MIB)),
    }


def _workers(millicores: int) -> dict[str, str]:
    """PGTUNE: one parallel worker a CPU, at most half of them for one query."""
    cores = max(math.ceil(millicores / 1000), 1)
    return {
        "max_worker_processes": str(max(8, cores)),
        "max_parallel_workers": str(max(2, cores)),
        "max_parallel_workers_per_gather": str(min(max(cores // 2, 1), 4)),
        "max_parallel_maintenance_workers": str(min(max(cores // 2, 1), 4)),
    }


def _wal(volume: int) -> dict[str, str]:
    """WAL lives on the same volume as the data: its bounds are shares of it. PG 19.5.2, 19.6.1."""
    most = min(max(volume // 10, 64 * MIB), 16 * GIB)
    return {
        "max_wal_size": _mib(most),
        "min_wal_size": _mib(min(max(most // 4, 32 * MIB), 4 * GIB)),
        # What a replica that is away may hold back. Beyond it the replica must be made anew; without a bound the primary's disk fills up.
        "max_slot_wal_keep_size": _mib(max(volume // 5, 128 * MIB)),
    }


def _mib(count: int) -> str:
    return f"{max(count // MIB, 1)}MB"


def _kib(count: int) -> str:
    return f"{max(count // 1024, 64)}kB"
