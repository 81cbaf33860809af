"""How objects are named on the command line: `dhb/shop`, `blueprint/shop` or `shop`."""

from dharma_operator.cli.cluster import CliError, Cluster, Manifest

GROUP = "/apis/dharma.io/v1alpha1"
BLUEPRINT_WORDS = {"dhb", "blueprint", "blueprints", "blueprints.dharma.io"}


def blueprint_name(target: str) -> str:
    """Return the Blueprint's name from what a person typed. Raises CliError for another kind."""
    kind, separator, name = target.rpartition("/")
    if separator and kind.lower() not in BLUEPRINT_WORDS:
        raise CliError(f'"{kind}" is not a Blueprint; write dhb/{name}.')
    return name


def blueprints(cluster: Cluster, namespace: str | None) -> list[Manifest]:
    """Blueprints of a namespace; None means all namespaces."""
    scope = f"/namespaces/{namespace}" if namespace else ""
    return cluster.list(f"{GROUP}{scope}/blueprints")


def blueprint(cluster: Cluster, target: str) -> Manifest:
    """Return the Blueprint that a person named. Raises CliError when there is none, with those that there are."""
    name = blueprint_name(target)
    found = cluster.get(f"{GROUP}/namespaces/{cluster.namespace}/blueprints/{name}")
    if found is not None:
        return found
    others = ", ".join(sorted(item["metadata"]["name"] for item in blueprints(cluster, cluster.namespace))) or "none"
    raise CliError(f'There is no Blueprint "{name}" in namespace {cluster.namespace} (there: {others}); another namespace? Use -n.')
