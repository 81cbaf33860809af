"""CustomResourceDefinitions as the API server takes them, and as YAML."""

from __future__ import annotations

from typing import Any, Final

import yaml

from dharma_crds import CATEGORY, GROUP, VERSION
from dharma_crds.base import CustomResource, PrinterColumn
from dharma_crds.generator.schema import structural_schema, without_marks

HEADER: Final = "# Generated from the models in crds/dharma_crds by `dharma-crds generate`; edit those.\n"


def custom_resource_definition(model: type[CustomResource]) -> dict[str, Any]:
    """Make the CustomResourceDefinition of one kind."""
    meta = model.crd
    subresources: dict[str, Any] = {"status": {}}
    if meta.scale is not None:
        subresources["scale"] = {
            "specReplicasPath": meta.scale.spec_replicas,
            "statusReplicasPath": meta.scale.status_replicas,
            "labelSelectorPath": meta.scale.label_selector,
        }
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [_column(column) for column in meta.columns],
        "selectableFields": [{"jsonPath": path} for path in meta.selectable],
        "subresources": subresources,
        "schema": {"openAPIV3Schema": without_marks(structural_schema(model))},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{meta.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": model.__name__.removeprefix("Dharma"),
                "listKind": f"{model.__name__.removeprefix('Dharma')}List",
                "plural": meta.plural,
                "singular": meta.singular,
                "shortNames": [meta.short_name],
                "categories": [CATEGORY],
            },
            "scope": meta.scope,
            "versions": [{key: value for key, value in version.items() if value != []}],
        },
    }


def to_yaml(document: dict[str, Any]) -> str:
    """`document` as YAML, the same bytes each time, with a line that says where it comes from."""
    return HEADER + yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=140, allow_unicode=True)


def _column(column: PrinterColumn) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": column.name, "type": column.type, "jsonPath": column.path, "description": column.description}
    return entry | ({"priority": 1} if column.wide else {})


class _Dumper(yaml.SafeDumper):
    """Lists indented below their key, no anchors."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002  PyYAML's signature
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  PyYAML's signature
        return True
