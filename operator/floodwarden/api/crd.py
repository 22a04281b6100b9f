"""A CustomResourceDefinition for each resource, as a plain dictionary. ``generate`` writes them, ``reference`` explains them."""

from __future__ import annotations

from typing import Any, Final

from floodwarden.api.backlogpolicy import BacklogPolicy
from floodwarden.api.deliverypolicy import DeliveryPolicy
from floodwarden.api.messagebroker import MessageBroker
from floodwarden.api.resource import CATEGORY, GROUP, VERSION, Column, Resource
from floodwarden.api.schema import Schema, paragraphs, structural_schema

RESOURCES: Final[tuple[type[Resource], ...]] = (MessageBroker, BacklogPolicy, DeliveryPolicy)

_API_VERSION: Final = {
    "type": "string",
    "description": "The version of the schema of this object: floodwarden.dev/v1alpha1.",
}
_KIND: Final = {"type": "string", "description": "The kind of this object."}


def crd(resource: type[Resource]) -> dict[str, Any]:
    """The CustomResourceDefinition of a resource."""
    known = resource.definition
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{known.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": known.kind,
                "listKind": f"{known.kind}List",
                "plural": known.plural,
                "singular": known.singular,
                "shortNames": [known.short_name],
                "categories": [CATEGORY],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(column) for column in known.columns],
                    "schema": {"openAPIV3Schema": object_schema(resource)},
                }
            ],
        },
    }


def object_schema(resource: type[Resource]) -> Schema:
    """The structural schema of the whole object. Metadata is the API server's own affair."""
    spec, status = (resource.model_fields[part] for part in ("spec", "status"))
    return {
        "type": "object",
        "description": paragraphs(resource.__doc__ or ""),
        "required": ["spec"],
        "properties": {
            "apiVersion": _API_VERSION,
            "kind": _KIND,
            "metadata": {"type": "object"},
            "spec": structural_schema(spec.annotation),
            "status": structural_schema(status.annotation),
        },
    }


def _column(column: Column) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": column.name,
        "type": column.type,
        "jsonPath": column.path,
        "description": column.description,
    }
    return {**shown, "priority": 1} if column.wide else shown
