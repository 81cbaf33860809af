"""How much of one resource each namespace should have: pure arithmetic on whole numbers, no remainder is lost.

Elastic. Nothing moves as long as the division is valid and nobody presses: then the answer is what is there. Somebody presses who

- was refused (`wanted`), and the tenant has that much which nobody uses: it gets it from whatever others do not use;
- uses more than 80 % of what it has: it gets room to grow from what is unassigned and from what others have beyond their headroom;
- is new: it gets up to an even share, from the same.

The answer is filled level by level, each level evenly (max-min) where it does not fit: what is in use; what was refused, smallest first,
each in whole or not at all, and a quarter more; headroom, as far as it is there; headroom for those that press; room for them to
grow; what is there otherwise; and from what is then still unassigned, what the ledger once granted and was never brought about.

Every answer is a fixed point: with it in force and use unchanged, the answer is the same. Whoever gives keeps a quarter more than it
uses, so that giving never makes it press; where a level did not fit, nothing is left over, and the levels before it are as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import add, sub

from dharma_handlers.tenant.quota_amounts import UNLIMITED, grain_of, percent_of


@dataclass(frozen=True, slots=True)
class Share:
    """What one namespace uses and has of one resource."""

    namespace: str
    used: int
    hard: int
    """`spec.hard`; UNLIMITED where the resource was not limited yet."""
    granted: int | None = None
    """What the ledger says; None: it was never given a share."""
    wanted: int | None = None
    """The total with which a request that was refused would fit; 0: how much is not known. None: nothing was refused."""


def elastic(limit: int, shares: Sequence[Share], names: Sequence[str], resource: str = "") -> dict[str, int]:
    """Return the amount for each share. `names`: all namespaces of the tenant, also those that cannot take part yet.

    The sum is at most `limit`, unless more than that is in use: then nobody gets more than it uses or has.
    """
    if not shares:
        return {}
    free = limit - sum(share.used for share in shares)
    if free < 0:
        return {share.namespace: min(share.hard, share.used) for share in shares}
    even = _even(limit, sorted(names), grain_of(resource, limit))
    floor = max(1, limit // (10 * max(len(names), 1)))
    parties = [_Party.of(share, even.get(share.namespace, 0), floor) for share in shares]
    served = _served(free, parties)
    if not _moves(limit, parties, served):
        return {party.name: party.have for party in parties}
    return dict(zip((party.name for party in parties), _filled(limit, [party.levels(served) for party in parties]), strict=True))


def static(limit: int, shares: Sequence[Share], percent: Mapping[str, int]) -> dict[str, int]:
    """Return each namespace's percentage, rounded down; what rounding leaves stays unassigned.

    Whoever uses more than its part keeps what it uses, and as long as that does not fit, the others' unused parts are cut evenly.
    """
    free = limit - sum(share.used for share in shares)
    parts = [percent_of(limit, percent.get(share.namespace, 0)) for share in shares]
    unused = [max(part - share.used, 0) for part, share in zip(parts, shares, strict=True)]
    given = unused if sum(unused) <= free else fill(max(free, 0), unused)
    return {share.namespace: share.used + more if more else min(share.hard, share.used) for share, more in zip(shares, given, strict=True)}


def fill(amount: int, demands: Sequence[int]) -> list[int]:
    """Divide `amount` so that the least served get as much as can be (max-min); all of it, if the demands take all of it."""
    given = [0] * len(demands)
    for position, index in enumerate(sorted(range(len(demands)), key=lambda index: demands[index])):
        given[index] = min(demands[index], amount // (len(demands) - position))
        amount -= given[index]
    return given


@dataclass(frozen=True, slots=True)
class _Party:
    name: str
    used: int
    have: int
    """`hard`, or for a resource that was not limited yet the even share that its limit begins with."""
    owed: int
    """What the ledger says, if that is more."""
    wanted: int | None
    first: int | None
    """The even share of one that never had any."""
    headroom: int
    growth: int

    @classmethod
    def of(cls, share: Share, even: int, floor: int) -> "_Party":
        wanted, quarter = share.wanted, -(-share.used // 4)
        headroom = max(floor, quarter)
        new = share.hard == share.used == 0 and share.granted is None and even > 0
        return cls(
            name=share.namespace,
            used=share.used,
            have=even if share.hard >= UNLIMITED else share.hard,
            owed=0 if share.granted is None or share.granted >= UNLIMITED else share.granted,
            wanted=share.used + headroom if wanted == 0 else wanted,
            first=even if new else None,
            headroom=headroom,
            growth=max(2 * floor, -(-share.used // 2)),
        )

    @property
    def presses(self) -> bool:
        return self.first is not None or 5 * self.used > 4 * self.have

    def levels(self, served: Mapping[str, int]) -> tuple[int, ...]:
        """Return the total after each level, never less than after the one before."""
        wanted = served.get(self.name)
        refused = self.used if wanted is None else wanted
        more = refused if wanted is None else wanted + -(-self.used // 4)
        first = self.used if self.first is None else self.first
        presses = self.presses or (wanted is not None and self.have < wanted)
        safe = self.used + self.headroom if self.first is None else min(first, self.used + self.headroom)
        grown = max(first, refused + self.growth) if self.first is None else first
        totals = (
            self.used,
            refused,
            more,
            min(self.have, self.used + self.headroom),
            safe if presses else 0,
            grown if presses else 0,
            self.have,
            self.owed,
        )
        return tuple(accumulate(totals, max))


def _served(free: int, parties: Sequence[_Party]) -> dict[str, int]:
    """Choose whose refused requests fit: the smallest first. Those that have got it count too, or it would be taken from them again."""
    served: dict[str, int] = {}
    refused = [(party.wanted - party.used, party.name, party.wanted) for party in parties if party.wanted is not None]
    for need, name, wanted in sorted(refused):
        if 0 < need <= free:
            served[name] = wanted
            free -= need
    return served


def _moves(limit: int, parties: Sequence[_Party], served: Mapping[str, int]) -> bool:
    held = sum(max(party.have, party.used) for party in parties)
    return held > limit or any(
        party.presses or party.have < served.get(party.name, 0) or (party.have < party.owed and held < limit) for party in parties
    )


def _filled(limit: int, levels: Sequence[tuple[int, ...]]) -> list[int]:
    totals = [0] * len(levels)
    for level in zip(*levels, strict=True):
        wanted = list(level)
        if sum(wanted) > limit:
            more = fill(limit - sum(totals), list(map(sub, wanted, totals)))
            # Each level is at least the one before: when one does not fit, all is given out, and nothing is left for those after it.
            return list(map(add, totals, more))
        totals = wanted
    return totals


def _even(limit: int, names: Sequence[str], grain: int) -> dict[str, int]:
    """Even shares in whole grains; the remainder goes to the first, grain by grain, and its last bit to the very first."""
    if not names:
        return {}
    grains, bit = divmod(limit, grain)
    each, over = divmod(grains, len(names))
    return {name: (each + (index < over)) * grain + (bit if index == 0 else 0) for index, name in enumerate(names)}
