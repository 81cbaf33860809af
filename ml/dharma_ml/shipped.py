"""The models that a fleet runs when nobody says otherwise."""

from dharma_ml.anomaly.maker import AnomalyMaker
from dharma_ml.cost.prices import DEFAULT, PriceTable
from dharma_ml.cost.stream import CostMaker
from dharma_ml.fleet import Maker
from dharma_ml.models.store import Store
from dharma_ml.sizing.stream import SizingMaker


def makers(prices: PriceTable = DEFAULT, store: Store | None = None) -> tuple[Maker, ...]:
    """Give all makers in the order in which they must run: anomalies first, as nothing is sized while one is open.

    What is trained is kept in `store` when there is one: the anomalies' forests. Sizing and cost train nothing.
    """
    return AnomalyMaker(store), SizingMaker(), CostMaker(prices)
