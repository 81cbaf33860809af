"""Carries a bundle into a cluster: asks the API server about every object first, then writes, each kind after those it needs."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from dharma_crds.kinds import KINDS
from dharma_handlers import labels
from dharma_operator.cli.cluster import CliError, Cluster, Manifest, RefusedError
from dharma_operator.cli.tenant.bundle import Bundle, label, namespaces_of, reduced
from dharma_operator.cli.tenant.plan import Action, Entry, OnConflict, created, existing, possible, refused, replacement, writes
from dharma_operator.cli.tenant.read import NAMESPACES, path
from dharma_operator.cli.tree import condition
from dharma_operator.store import part

FIELD_MANAGER: Final = "dharma-cli"
_APPLY: Final = "application/apply-patch+yaml"
_POLL: Final = 0.5
"""Seconds between two looks at a Tenant that is not ready yet."""
_UNCHECKED: Final = "the API server is asked once its namespace is there"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Importer:
    """One bundle on its way into one cluster."""

    cluster: Cluster
    bundle: Bundle
    on_conflict: OnConflict
    timeout: float
    """Seconds until the Tenant's namespaces must be ready."""

    def plan(self) -> list[Entry]:
        """Ask what would become of each object. Nothing is written. Raises CliError when a namespace is another Tenant's."""
        name = self.bundle.tenant["metadata"]["name"]
        tenant = self._plan_one(self.bundle.tenant, there=True)
        kept = tenant.live if tenant.action is Action.SKIP and tenant.live else self.bundle.tenant
        namespaces = set(namespaces_of(kept).values())
        there = {namespace for namespace in namespaces if self._is_there(namespace, name)}
        plan = [tenant]
        for wanted in self.bundle.objects:
            namespace = wanted["metadata"]["namespace"]
            if namespace in namespaces:
                plan.append(self._plan_one(wanted, there=namespace in there))
            else:
                message = (
                    f"Tenant {name} stays as it is and has no project with namespace {namespace}; add it, or use --on-conflict overwrite"
                )
                plan.append(refused(wanted, None, message))
        return plan

    def carry_out(self, plan: Sequence[Entry], say: Say) -> None:
        """Write what the plan says. Raises CliError when something cannot be written; then the same import may be run again."""
        tenant, *objects = plan
        self._write([tenant], say)
        if not objects:
            return
        self._wait({entry.wanted["metadata"]["namespace"] for entry in objects}, say)
        unchecked = any(entry.message == _UNCHECKED for entry in objects)
        checked = [self._plan_one(entry.wanted, there=True) for entry in objects] if unchecked else objects
        if not possible(checked):
            told = "\n".join(f"  {entry.line()}" for entry in checked if not possible([entry]))
            raise CliError(f"The Tenant is there, and nothing else was written, since the API server would not take all of it:\n{told}")
        self._write(checked, say)

    def _plan_one(self, wanted: Manifest, *, there: bool) -> Entry:
        if not there:
            return created(wanted, _UNCHECKED)
        live = self.cluster.get(_path(wanted))
        if live is not None and "deletionTimestamp" in live["metadata"]:
            return refused(wanted, live, "it is being deleted; wait until it is gone")
        if live is not None and reduced(live) == wanted:
            return existing(wanted, live, wanted, self.on_conflict)
        try:
            answer = self._send(wanted, live, dry_run=True)
        except RefusedError as error:
            return refused(wanted, live, str(error))
        return created(wanted) if live is None else existing(wanted, live, answer, self.on_conflict)

    def _is_there(self, namespace: str, tenant: str) -> bool:
        live = self.cluster.get(f"{NAMESPACES}/{namespace}")
        holder = tenant if live is None else part(live["metadata"], "labels").get(labels.TENANT, tenant)
        if holder != tenant:
            raise CliError(
                f"Namespace {namespace} belongs to Tenant {holder}, and Tenant {tenant} of the bundle needs it; nothing was written."
            )
        return live is not None

    def _write(self, plan: Sequence[Entry], say: Say) -> None:
        for entry in writes(plan):
            try:
                self._send(entry.wanted, entry.live)
            except CliError as error:
                raise CliError(f"{label(entry.wanted)} could not be written. {error} Run the same import again to go on.") from error
            say(f"{'created' if entry.action is Action.CREATE else 'overwritten'} {label(entry.wanted)}")

    def _send(self, wanted: Manifest, live: Manifest | None, *, dry_run: bool = False) -> Manifest:
        """Apply what is not there, replace what is, if it is still as it was seen."""
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})
        if live is None:
            return self.cluster.request("PATCH", _path(wanted), query, wanted, content=_APPLY)
        return self.cluster.request("PUT", _path(wanted), query, replacement(live, wanted))

    def _wait(self, needed: set[str], say: Say) -> None:
        """Wait until the operator says that the namespaces are ready. Raises CliError when it says that they will not be, or nothing."""
        deadline, told = time.monotonic() + self.timeout, ""
        while True:
            tenant = self.cluster.get(_path(self.bundle.tenant))
            if tenant is None:
                raise CliError(f"{label(self.bundle.tenant)} was deleted meanwhile; run the same import again.")
            waits = waiting(tenant, needed)
            if not waits:
                return
            if condition(tenant, "Stalled").get("status") == "True":
                raise CliError(f"The Tenant's namespaces cannot be had: {waits}.")
            if time.monotonic() > deadline:
                raise CliError(
                    f"After {self.timeout:.0f} s still: {waits}. Run the same import again to go on; dharma doctor says what is missing."
                )
            if waits != told:
                say(f"waiting: {waits}")
                told = waits
            time.sleep(_POLL)


def waiting(tenant: Manifest, needed: set[str]) -> str:
    """Say what the needed namespaces of a Tenant wait for, as its status has it; empty: they are ready."""
    status = tenant.get("status", {})
    if status.get("observedGeneration") != tenant["metadata"]["generation"]:
        return "no operator has seen the Tenant as it is now"
    ready = {one["name"]: one for one in status.get("namespaces", [])}
    waits = [
        ready.get(name, {}).get("message") or f"namespace {name} is not ready"
        for name in sorted(needed)
        if not ready.get(name, {}).get("ready")
    ]
    return "; ".join(waits)


def _path(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    return path(KINDS[manifest["kind"]], metadata.get("namespace", ""), metadata["name"])
