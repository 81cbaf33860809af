"""Replicas: how many of a given size carry the demand of all together."""

import math

from dharma_ml.sizing.cpu import CpuRecommendation


def replicas(demand: CpuRecommendation, per_replica: float, *, least: int = 1, most: int | None = None) -> int:
    """Divide the demand of all replicas together (a recommendation made from their summed usage) by one replica's cores, up.

    The shortage target of the demand holds for the sum, as far as load is spread evenly. Raises ValueError unless
    `per_replica` is positive and `least` does not exceed `most`.
    """
    if not per_replica > 0 or not math.isfinite(per_replica):
        raise ValueError(f"a replica needs a positive size, not {per_replica} cores")
    if most is not None and most < least:
        raise ValueError(f"at least {least} and at most {most} replicas exclude each other")
    wanted = max(math.ceil(demand.request / per_replica - 1e-9), least)
    return wanted if most is None else min(wanted, most)
