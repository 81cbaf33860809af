"""A cluster in memory, as far as `dharma tenant` needs one: it stores objects with what a server and an operator add to them."""

import copy
import itertools
from typing import Any, Literal

from dharma_crds.kinds import KINDS
from dharma_operator.cli.cluster import Manifest, RefusedError
from dharma_operator.cli.tenant.bundle import namespaces_of
from dharma_operator.cli.tenant.read import NAMESPACES, path

SYSTEM_ANNOTATIONS = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "dharma.io/promote": "0f3a"}


class FakeCluster:
    """Stands in for `cli.cluster.Cluster`. Tenants are served as soon as they are written."""

    def __init__(self, *, operator: Literal["Serves", "Refuses", "Absent"] = "Serves") -> None:
        self.objects: dict[str, Manifest] = {}
        self.writes: list[tuple[str, str]] = []
        self.refuse: dict[str, str] = {}
        """By path, what admission says to every write, dry or not."""
        self._operator = operator
        self._versions = itertools.count(1)

    def get(self, where: str) -> Manifest | None:
        return copy.deepcopy(self.objects.get(where))

    def list(self, where: str) -> list[Manifest]:
        return [copy.deepcopy(one) for key, one in self.objects.items() if key.rpartition("/")[0] == where]

    def request(self, method: str, where: str, query: dict[str, str], body: Manifest, content: str = "") -> Manifest:
        assert query["fieldManager"] == "dharma-cli"
        assert (method == "PATCH") == (content == "application/apply-patch+yaml")
        live = self.objects.get(where)
        if where in self.refuse:
            raise RefusedError(422, f'{{"message": "{self.refuse[where]}"}}')
        if method == "PUT" and (live is None or live["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]):
            raise RefusedError(409, '{"message": "the object has been modified"}')
        stored = self._stored(copy.deepcopy(body))
        if "dryRun" not in query:
            self.writes.append((method, where))
            self.put(stored)
        return stored

    def namespace(self, name: str, **labels: str) -> None:
        marks = {f"dharma.io/{key}": value for key, value in labels.items()}
        self.objects[f"{NAMESPACES}/{name}"] = {"kind": "Namespace", "metadata": {"name": name, "labels": marks}}

    def put(self, stored: Manifest) -> None:
        """Store an object as it is; of a Tenant also what an operator would do."""
        metadata = stored["metadata"]
        self.objects[path(KINDS[stored["kind"]], metadata.get("namespace", ""), metadata["name"])] = stored
        if stored["kind"] == "Tenant" and self._operator != "Absent":
            self._serve(stored)

    def _serve(self, tenant: Manifest) -> None:
        name, ready = tenant["metadata"]["name"], self._operator == "Serves"
        told: list[Manifest] = []
        for project, namespace in namespaces_of(tenant).items():
            told.append({"name": namespace, "project": project, "ready": ready, "message": "" if ready else f"{namespace} is reserved"})
            if ready:
                self.namespace(namespace, tenant=name, project=project)
        conditions = [{"type": "Stalled", "status": str(not ready)}]
        tenant["status"] = {"observedGeneration": tenant["metadata"]["generation"], "namespaces": told, "conditions": conditions}

    def _stored(self, body: Manifest) -> Manifest:
        metadata: dict[str, Any] = body["metadata"]
        number = next(self._versions)
        metadata |= {"uid": f"uid-{number}", "resourceVersion": str(number), "generation": number, "managedFields": [{"manager": "x"}]}
        metadata["annotations"] = {**metadata.get("annotations", {}), **SYSTEM_ANNOTATIONS}
        return body
