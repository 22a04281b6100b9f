"""The schemas: structural by a walk of our own, described and bounded throughout; what cannot be expressed is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, Field

from floodwarden.api.crd import RESOURCES, crd, object_schema
from floodwarden.api.resource import Resource
from floodwarden.api.schema import Schema, SchemaError, structural_schema

FORBIDDEN = {
    "$ref", "$defs", "definitions", "anyOf", "oneOf", "allOf", "not", "const", "title", "nullable", "additionalProperties",
    "patternProperties", "prefixItems", "uniqueItems", "exclusiveMinimum", "exclusiveMaximum", "examples", "dependencies",
}  # fmt: skip
PROMQL = ".prometheus.queries."  # longer than other texts, and no rule looks at it
TYPES = {"object": "properties", "array": "items", "string": "", "integer": "", "number": "", "boolean": ""}

each_resource = pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: str(resource.definition.kind))


def fields(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every schema node below this one with its path, items included."""
    for name, node in schema.get("properties", {}).items():
        yield f"{path}.{name}", node
        yield from fields(node, f"{path}.{name}")
    if "items" in schema:
        yield f"{path}[]", schema["items"]
        yield from fields(schema["items"], f"{path}[]")


@each_resource
def test_structural(resource: type[Resource]) -> None:
    """Every node has one type and what belongs to it, and no keyword that a structural schema refuses."""
    for path, node in fields(object_schema(resource)):
        assert node["type"] in TYPES, path
        assert not FORBIDDEN & node.keys(), path
        if path != ".metadata" and TYPES[node["type"]]:
            assert TYPES[node["type"]] in node, path
        assert set(node.get("required", ())) <= node.get("properties", {}).keys(), path
        if node.get("x-kubernetes-list-type") == "map":
            keys = node["x-kubernetes-list-map-keys"]
            assert set(keys) <= set(node["items"]["required"]), path
        assert None not in node.values(), path


@each_resource
def test_described(resource: type[Resource]) -> None:
    """`kubectl explain` has a sentence for every field."""
    for path, node in fields(object_schema(resource)):
        if path != ".metadata" and not path.endswith("[]"):
            assert node.get("description", "").rstrip().endswith("."), path


@each_resource
def test_spec_is_bounded(resource: type[Resource]) -> None:
    """Every list and text of a spec has a largest size, so that the cost of its rules has one too."""
    for path, node in fields(object_schema(resource)["properties"]["spec"]):
        if node["type"] == "array":
            assert node["maxItems"] <= 100, path
        if node["type"] == "string":
            longest = 2048 if path.startswith(PROMQL) else 261
            assert "enum" in node or node["maxLength"] <= longest, path
            assert longest == 261 or "x-kubernetes-validations" not in node, path


@each_resource
def test_rules_speak(resource: type[Resource]) -> None:
    """Every rule has a message, and points at a field that exists."""
    for path, node in fields(object_schema(resource)):
        for rule in node.get("x-kubernetes-validations", ()):
            assert len(rule["message"]) > 20, path
            if "fieldPath" in rule:
                assert rule["fieldPath"].removeprefix(".") in node["properties"], path


@each_resource
def test_defaults_only_in_spec(resource: type[Resource]) -> None:
    """A default in a status would look like something Floodwarden has seen."""
    for path, node in fields(object_schema(resource)["properties"]["status"]):
        assert "default" not in node, path


@each_resource
def test_columns_exist(resource: type[Resource]) -> None:
    """Every printer column shows a field of the schema, and the default ones fit a terminal."""
    paths = {path for path, _ in fields(object_schema(resource))}
    for column in resource.definition.columns:
        assert column.path.split("[")[0] in paths or column.path == ".metadata.creationTimestamp"
    assert len([column for column in resource.definition.columns if not column.wide]) <= 7


@each_resource
def test_names(resource: type[Resource]) -> None:
    """Names as in the design: group, category, short names, namespaced, with a status of its own."""
    spec = crd(resource)["spec"]
    assert (spec["group"], spec["scope"], spec["names"]["categories"]) == ("floodwarden.dev", "Namespaced", ["floodwarden"])
    assert spec["names"]["shortNames"] == [
        {"MessageBroker": "fwmb", "BacklogPolicy": "fwbp", "DeliveryPolicy": "fwdp"}[spec["names"]["kind"]]
    ]
    assert spec["versions"][0]["subresources"] == {"status": {}}


class Choice(BaseModel):
    either: int | str


class Freely(BaseModel):
    labels: dict[str, str]


class Above(BaseModel):
    number: int = Field(gt=3)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (Choice, "Choice.either: a structural schema cannot choose between types"),
        (Freely, "Freely.labels: a structural schema has no additionalProperties"),
        (Above, "Above.number: a structural schema has no exclusiveMinimum"),
        (None, "None is not a model"),
    ],
)
def test_what_cannot_be_expressed(model: Any, says: str) -> None:
    """A model beyond structural schemas ends the generation with the place and the keyword."""
    with pytest.raises(SchemaError) as refusal:
        structural_schema(model)
    assert says in str(refusal.value)


class Inner(BaseModel):
    """What all inner ones are."""

    size: int = 3
    note: str | None = None


class Outer(BaseModel):
    """First line
    goes on.

    Second paragraph."""

    inner: Inner | None = Field(default=None, description="What this one is for.")
    filled: Inner = Inner()
    many: tuple[Inner, ...] = ()


def test_rewriting() -> None:
    """References are put in place, nulls and empty defaults dropped, the description beside a reference kept."""
    properties = structural_schema(Outer)["properties"]
    assert structural_schema(Outer)["description"] == "First line goes on.\n\nSecond paragraph."
    assert properties["inner"] == {
        "description": "What this one is for.",
        "type": "object",
        "properties": {"size": {"type": "integer", "format": "int64", "default": 3}, "note": {"type": "string"}},
    }
    assert properties["filled"]["default"] == {"size": 3}
    assert properties["many"]["items"]["description"] == "What all inner ones are."
    assert "default" not in properties["many"]
