"""The Blueprints that are measured. They ask for next to no CPU, so that forty pods fit on two cores."""

from dharma_handlers.outcome import Manifest
from dharma_operator.kube.wire import Json

_TINY = {"requests": {"cpu": "10m"}}


def blueprint(name: str, namespace: str, *components: Manifest, **spec: Json) -> Manifest:
    """A Blueprint that leaves nothing behind."""
    return {
        "apiVersion": "dharma.io/v1alpha1",
        "kind": "Blueprint",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"deletionPolicy": "Delete", "components": list(components), **spec},
    }


def shop(name: str, namespace: str) -> Manifest:
    """One Postgres, two PgBouncer in front of it, one Redis: the Blueprint of the goals, four pods."""
    postgres = {
        "resources": {"requests": {"cpu": "10m", "memory": "192Mi"}},
        "storage": {"size": "512Mi"},
        "databases": [{"name": "shop", "owner": "shop"}],
    }
    pooler = {
        "target": "db",
        "replicas": 2,
        "poolSize": 5,
        "maxServerConnections": 10,
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
    }
    return blueprint(
        name, namespace, {"name": "db", "postgres": postgres}, {"name": "pool", "pgbouncer": pooler}, {"name": "cache", "redis": _redis()}
    )


SHOP_PODS = 4


def cache(name: str, namespace: str) -> Manifest:
    """One Redis."""
    return blueprint(name, namespace, {"name": "cache", "redis": _redis()})


def draft(name: str, namespace: str) -> Manifest:
    """The same as `shop`, planned only."""
    return shop(name, namespace) | {"spec": {**shop(name, namespace)["spec"], "lifecycle": "Draft"}}


def _redis() -> Manifest:
    return {"maxMemory": "16Mi", "storage": {"size": "256Mi"}, "resources": _TINY}
