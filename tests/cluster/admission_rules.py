"""What a case of a rule is, and cases that several kinds share."""

from dataclasses import dataclass, field

from tests.unit.crds.documents import REMOVED, Changes


@dataclass(frozen=True)
class RuleCase:
    """`accepted` and `refused` change the sample; with `update` they change it after it was stored (with `before`'s changes).

    `field` is where the API server must point, `sentence` all that it must say.
    """

    kind: str
    path: str
    rule: str
    refused: Changes
    field: str
    sentence: str
    accepted: Changes = field(default_factory=dict)
    update: bool = False
    before: Changes = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kind} {self.path} {self.rule}".replace("[]", "")


def limit_cases(kind: str, path: str, place: str, cpu: tuple[str, str], memory: tuple[str, str]) -> tuple[RuleCase, ...]:
    """Limits below requests; `cpu` and `memory` are a limit that is too low and one that equals the request."""
    return tuple(
        RuleCase(
            kind,
            path,
            f"{resource}-limit-covers-request",
            {f"{place}.limits.{resource}": low},
            place,
            f"limits.{resource} must not be less than requests.{resource}; raise the limit or lower the request",
            {f"{place}.limits.{resource}": equal},
        )
        for resource, (low, equal) in (("cpu", cpu), ("memory", memory))
    )


def storage_cases(kind: str, path: str, place: str, size: str) -> tuple[RuleCase, ...]:
    """What a volume cannot do. `size` is what the sample has."""
    return (
        RuleCase(
            kind,
            path,
            "storage-shrink",
            {f"{place}.size": "4Gi"},
            f"{place}.size",
            f"size cannot shrink from {size} to 4Gi, as a volume only grows; set it back, or make a new one and move the data",
            {f"{place}.size": "200Gi", f"{place}.grow": REMOVED} if path.startswith("spec.components") else {f"{place}.size": "200Gi"},
            update=True,
        ),
        RuleCase(
            kind,
            path,
            "storage-class-immutable",
            {f"{place}.storageClassName": REMOVED},
            f"{place}.storageClassName",
            "storageClassName cannot change once the volume exists; set it back, or make a new one and move the data",
            {"spec.deletionPolicy": "Retain"},
            update=True,
        ),
        RuleCase(
            kind,
            path,
            "storage-class-immutable",
            {f"{place}.storageClassName": "fast"},
            f"{place}.storageClassName",
            "storageClassName cannot change once the volume exists; set it back, or make a new one and move the data",
            {"spec.deletionPolicy": "Retain"},
            update=True,
        ),
        RuleCase(
            kind,
            path,
            "storage-class-immutable",
            {f"{place}.storageClassName": "fast"},
            f"{place}.storageClassName",
            "storageClassName cannot change once the volume exists; set it back, or make a new one and move the data",
            {"spec.deletionPolicy": "Retain"},
            update=True,
            before={f"{place}.storageClassName": REMOVED},
        ),
    )
