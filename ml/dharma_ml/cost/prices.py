"""Unit prices in the format of OpenCost's default file, with the user's own over them."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

KEYS: Final[Mapping[str, str]] = {
    "CPU": "cpu",
    "spotCPU": "spot_cpu",
    "RAM": "ram",
    "spotRAM": "spot_ram",
    "GPU": "gpu",
    "storage": "storage",
    "zoneNetworkEgress": "zone_egress",
    "regionNetworkEgress": "region_egress",
    "internetNetworkEgress": "internet_egress",
}


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices in `currency`: `cpu` and `gpu` for a core or device and hour, `ram` and `storage` for a GiB and hour, egress for a GiB.

    The defaults are OpenCost's (configs/default.json at 5f65333, Apache-2.0), those of GCP us-central1.
    """

    cpu: float = 0.031611
    spot_cpu: float = 0.006655
    ram: float = 0.004237
    spot_ram: float = 0.000892
    gpu: float = 0.95
    storage: float = 5.479452e-05
    zone_egress: float = 0.01
    region_egress: float = 0.01
    internet_egress: float = 0.12
    currency: str = "USD"

    def override(self, own: Mapping[str, object]) -> "PriceTable":
        """Put the user's prices over these: OpenCost's keys, numbers or their text, as a ConfigMap holds them.

        Keys of OpenCost that this table has no use for (`provider`, `description` ...) are passed over. Raises ValueError that
        names the key for a price that is no number, not finite or negative.
        """
        inner = own.get("prices")
        currency = own.get("currency", self.currency)
        flat: Mapping[str, object] = inner if isinstance(inner, Mapping) else own  # pyright: ignore[reportUnknownVariableType]
        values: dict[str, Any] = {KEYS[key]: _price(key, value) for key, value in flat.items() if key in KEYS}
        return replace(self, currency=str(currency), **values)

    @classmethod
    def parse(cls, text: str) -> "PriceTable":
        """Read JSON over the defaults. Raises ValueError that says what is wrong."""
        try:
            content: object = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"the price table is no JSON: {error}") from error
        if not isinstance(content, dict):
            raise ValueError("the price table must be a JSON object of prices by key")  # noqa: TRY004 - it is the text that is wrong
        return cls().override(content)  # pyright: ignore[reportUnknownArgumentType]

    @classmethod
    def read(cls, path: Path) -> "PriceTable":
        """Read a file. Raises FileNotFoundError, and ValueError that says what is wrong."""
        return cls.parse(path.read_text(encoding="utf-8"))


def _price(key: str, value: object) -> float:
    try:
        price = float(str(value))
    except ValueError:
        raise ValueError(f"price {key} is {value!r}, which is no number") from None
    if isinstance(value, bool) or not math.isfinite(price) or price < 0:
        raise ValueError(f"price {key} is {value!r}; it must be a number of at least 0")
    return price


DEFAULT: Final = PriceTable()
