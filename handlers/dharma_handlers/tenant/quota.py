"""Divides the limits of a Tenant into one ResourceQuota per namespace, so that at no instant more can be in use than the limit.

What is proved. For each limited resource call P(i) what namespace i may come to use: the maximum of its ResourceQuota's `spec.hard`,
`status.hard` and `status.used`, and of every raise on its way that the API server would still accept. L(i) is its amount in the ledger
(`status.allocations`), with the sequence q(i) of the ledger that last raised it; a(i) is the sequence in its ResourceQuota's annotation.
Then, whatever is delayed, lost, stale or cut off, and with any number of operators: P(i) <= L(i). A ledger is only written with raises if
the sum of L is at most the limit; so the sum of P is, too.

Why. A raise names the resourceVersion that was seen before the ledger that grants it was written. Whoever writes a ResourceQuota
afterwards changes its resourceVersion, and writes an annotation a(i) >= q(i) only if it knew of that grant. Hence, if a(i) >= q(i) was ever
observed, each raise granted so far has arrived before that observation or never will ("settled"). From that state, without a new grant, P
can only fall: admission keeps `used` within `status.hard`, the quota controller copies `spec.hard` to it, a shrink lowers `spec.hard`. So
`committed(i)`, that is max(hard, status.hard, used) as observed, and L(i) unless settled, is at least P(i) however old the observation is,
provided the ledger is the current one. That it is, its compare-and-swap ensures (it also makes limits and projects the current ones). The
new ledger holds max(committed, raise) for every namespace, so P(i) <= L(i) holds again. Four things need care:

- A create has no resourceVersion to be guarded by: one that is late could bring back an amount that was given away since, after its
  namespace or project went and came again. So ResourceQuotas are created with zero, which adds nothing whenever it comes, then raised.
  Zero for all that any plan limits: what is not limited (any more) loses its entry by a raise, which is on record as boundless. (A late
  create does not know a resource that no plan has and that was limited since: it is boundless until the next step limits it.)
- A lost raise leaves L(i) above what can come of it. The ResourceQuota is then touched (written with a new annotation): settled.
- An annotation must not claim more than its writer knew. As long as the ResourceQuota lives that would do no harm, as each ledger's
  sequence is above all that its writer saw. But whoever still sees one that was deleted and made anew since would take a grant to the new
  one for settled.
- A ledger that was lost is begun anew above all annotations seen. Raises that the lost one granted are not known then: it is safe if none
  was on its way.

If more is in use than the limit (it was lowered, or objects were there before), nothing is raised in that resource and each keeps what it
uses until the sum fits. A namespace whose resource has no limit in force yet counts as boundless: nothing is raised until it has.
A project that goes is released: its ResourceQuota is deleted, then its ledger entry goes. What stays in a retained namespace is no longer
the tenant's, neither counted nor bounded. Until the ResourceQuota is gone, it counts.

Each guard is needed: `tests/unit/tenant/test_quota_guards.py` takes them away one by one.

How long it takes. A round is one decision, carried out and counted by Kubernetes. Who wants what is idle has it after two (shrink, raise),
at most three if a raise was lost before. Where use stays as it is, nothing is written after at most four.

Where Kubernetes counts too little (`quota_recent` says when), `used` is below what is there until it counts again. Two things follow.

- Admission lets in as much again there, at most up to `status.hard`. Native quotas do that by themselves, nothing on top of them can
  prevent it. Once it is counted, it counts here, too: if that is more than the limit, nobody is raised until it fits.
- A burst that comes after a shrink is written and before it is in force could be missed by the very count that confirms the shrink, and
  what it uses be given away. So `QuotaObserved.recent` counts as in use: it is not given away, and the namespace is raised back to it,
  which makes Kubernetes count again. Not covered: a cache that lags longer than `RECENT_SECONDS`; an operator that crashes, loses its
  watch (it then misses versions) or can't write in the time between such a count and that raise; a limit lowered at that moment, so that
  there is no room to raise. What is missed then shows with the next count as more than the limit.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from dharma_handlers.tenant.quota_amounts import KNOWN, UNLIMITED
from dharma_handlers.tenant.quota_demand import Share, elastic, fill, static
from dharma_handlers.tenant.quota_state import Allocation, Ledger, QuotaObserved, QuotaRelease, QuotaWrite, Step


def step(
    limits: Mapping[str, int],
    distribution: Literal["Elastic", "Static"],
    shares: Mapping[str, int],
    namespaces: Collection[str],
    observed: Mapping[str, QuotaObserved],
    ledger: Ledger,
    pressed: Mapping[str, Mapping[str, int]],
) -> Step:
    """Decide the next writes. See `Step` for how they must be carried out.

    `namespaces`: those of all projects. `shares`: percent, for Static. `observed`: the ResourceQuotas as last seen, which may be stale,
    with what was in use lately (`quota_recent`). `ledger`: of the very Tenant whose resourceVersion will guard the write of the new one.
    `pressed`: by namespace and resource, the total with which a request that was refused would have fit, 0 if unknown; keep an entry for
    about a minute, or until that much is in use.
    """
    facts = _Facts.of(limits, sorted(set(namespaces)), observed, ledger)
    targets = {name: _target(facts, name, distribution, shares, pressed) for name in limits}
    create = tuple(QuotaWrite(name, None, dict.fromkeys(sorted(KNOWN | limits.keys()), 0), ledger.sequence) for name in facts.absent)
    shrink = tuple(write for seen in facts.present if (write := _shrink(facts, seen, targets)) is not None)
    release = tuple(
        QuotaRelease(name, observed[name].resource_version if name in observed else None)
        for name in sorted((ledger.namespaces.keys() | observed.keys()) - set(facts.namespaces))
    )
    shrinking = {write.namespace for write in shrink}
    hard = _raised(facts, targets, [seen for seen in facts.present if seen.namespace not in shrinking and seen.enforced(limits)])
    written = _ledger(facts, hard, release)
    raises = tuple(
        QuotaWrite(seen.namespace, seen.resource_version, hard[seen.namespace], written.sequence)
        for seen in facts.present
        if written is not None and seen.namespace in hard
    )
    return Step(create, shrink, release, written, raises, _waiting(facts, targets, create, shrink))


@dataclass(frozen=True, slots=True)
class _Facts:
    limits: Mapping[str, int]
    namespaces: list[str]
    observed: Mapping[str, QuotaObserved]
    ledger: Ledger
    present: list[QuotaObserved]
    absent: list[str]
    committed: Mapping[str, Mapping[str, int]]
    """By limited resource and namespace, the most that the namespace can come to use unless a new ledger grants more."""
    room: Mapping[str, int]
    """By limited resource, what no namespace can come to use. Negative: more is in use than allowed, or not all is bounded yet."""

    @classmethod
    def of(cls, limits: Mapping[str, int], namespaces: list[str], observed: Mapping[str, QuotaObserved], ledger: Ledger) -> "_Facts":
        committed: dict[str, dict[str, int]] = {resource: {} for resource in limits}
        for name in namespaces:
            seen = observed.get(name)
            coming = ledger.unsettled(seen, name)
            for resource, amounts in committed.items():
                amounts[name] = max(seen.held(resource) if seen else 0, coming.get(resource, 0))
        room = {resource: limit - sum(committed[resource].values()) for resource, limit in limits.items()}
        present = [observed[name] for name in namespaces if name in observed]
        absent = [name for name in namespaces if name not in observed]
        return cls(limits, namespaces, observed, ledger, present, absent, committed, room)


def _target(
    facts: _Facts, resource: str, distribution: str, percent: Mapping[str, int], pressed: Mapping[str, Mapping[str, int]]
) -> dict[str, int]:
    entries = facts.ledger.namespaces
    taking_part = [
        Share(
            seen.namespace,
            seen.in_use(resource),
            seen.hard.get(resource, UNLIMITED),
            entries[seen.namespace].amounts.get(resource) if seen.namespace in entries else None,
            pressed[seen.namespace].get(resource) if seen.namespace in pressed else None,
        )
        for seen in facts.present
    ]
    if distribution == "Static":
        return static(facts.limits[resource], taking_part, percent)
    reserved = sum(facts.committed[resource][name] for name in facts.absent)
    return elastic(max(facts.limits[resource] - reserved, 0), taking_part, facts.namespaces, resource)


def _shrink(facts: _Facts, seen: QuotaObserved, targets: Mapping[str, Mapping[str, int]]) -> QuotaWrite | None:
    """Lower what is above its target, limit what is not limited yet, and settle a grant that never arrived."""
    hard = dict(seen.hard)
    for name, target in targets.items():
        hard[name] = min(hard.get(name, UNLIMITED), target[seen.namespace])
    coming = facts.ledger.unsettled(seen, seen.namespace)
    if hard == seen.hard and not any(amount > seen.held(name) for name, amount in coming.items()):
        return None
    return QuotaWrite(seen.namespace, seen.resource_version, hard, max(seen.sequence, facts.ledger.sequence))


def _raised(facts: _Facts, targets: Mapping[str, Mapping[str, int]], receivers: Iterable[QuotaObserved]) -> dict[str, dict[str, int]]:
    """Return the new `spec.hard` of each namespace that gets more of something: as much of its target as fits beside all commitments."""
    ready = list(receivers)
    hard = {seen.namespace: {name: seen.hard[name] for name in facts.limits} for seen in ready}
    for name, room in facts.room.items():
        if room < 0:
            continue
        committed, target = facts.committed[name], targets[name]
        missing = [max(target[seen.namespace] - committed[seen.namespace], 0) for seen in ready]
        given = missing if sum(missing) <= room else fill(room, missing)
        for seen, more in zip(ready, given, strict=True):
            most = min(target[seen.namespace], committed[seen.namespace] + more)
            if most > seen.hard[name]:
                hard[seen.namespace][name] = most
    return {seen.namespace: hard[seen.namespace] for seen in ready if hard[seen.namespace] != seen.hard}


def _ledger(facts: _Facts, hard: Mapping[str, Mapping[str, int]], release: Collection[QuotaRelease]) -> Ledger | None:
    """Return the ledger that covers these raises and all that can come of what was before; None: nothing is raised or released."""
    if not hard and not any(one.namespace in facts.ledger.namespaces for one in release):
        return None
    sequence = max([facts.ledger.sequence, *(seen.sequence for seen in facts.observed.values())]) + 1
    entries: dict[str, Allocation] = {}
    for name in facts.namespaces:
        before = facts.ledger.namespaces.get(name)
        known: Mapping[str, int] = before.amounts if before else {}
        amounts = {resource: committed[name] for resource, committed in facts.committed.items()}
        amounts |= _beyond(facts, name, known)
        if name in hard:
            # What is raised beyond bounds (not limited any more) is on record too, should it be limited again before the raise arrives.
            freed = set(facts.observed[name].hard) - set(facts.limits)
            amounts |= dict.fromkeys(freed, UNLIMITED)
            amounts |= {resource: max(amounts[resource], amount) for resource, amount in hard[name].items()}
        kept = {resource: amount for resource, amount in sorted(amounts.items()) if amount > 0 or resource in known}
        if before or name in hard or (kept and max(kept.values()) < UNLIMITED):
            entries[name] = Allocation(sequence if name in hard or before is None else before.sequence, kept)
    return Ledger(sequence, entries)


def _beyond(facts: _Facts, namespace: str, known: Mapping[str, int]) -> dict[str, int]:
    """Return what the namespace can come to use of resources that were limited once."""
    gone = known.keys() - facts.limits.keys()
    if not gone:
        return {}
    seen = facts.observed.get(namespace)
    coming = facts.ledger.unsettled(seen, namespace)
    return {resource: max(seen.held(resource) if seen else 0, coming.get(resource, 0)) for resource in gone}


def _waiting(
    facts: _Facts, targets: Mapping[str, Mapping[str, int]], create: Collection[QuotaWrite], shrink: Collection[QuotaWrite]
) -> str:
    if create:
        return f"the ResourceQuota of {_list(write.namespace for write in create)} is being made"
    counting = [seen.namespace for seen in facts.present if not seen.enforced(facts.limits)]
    if counting:
        return f"Kubernetes has not yet counted what is used in {_list(counting)}"
    lagging = {write.namespace for write in shrink} | {seen.namespace for seen in facts.present if seen.hard != seen.status_hard}
    if lagging:
        return f"the ResourceQuota of {_list(sorted(lagging))} is being changed"
    short = [name for name, room in facts.room.items() if room < 0]
    if short:
        return f"more {_list(short)} in use than allowed; nobody gets more until less is in use or spec.quota is raised"
    wanting = [name for name, target in targets.items() if any(target[seen.namespace] > seen.hard.get(name, 0) for seen in facts.present)]
    return f"{_list(wanting)} moves between namespaces" if wanting else ""


def _list(names: Iterable[str]) -> str:
    known = list(names)
    return ", ".join(known[:3]) + (f" and {len(known) - 3} more" if len(known) > 3 else "")
