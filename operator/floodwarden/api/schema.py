"""From pydantic's JSON schema to the structural schema that the API server accepts.

References are put in place, nullables dropped (absent is our null), titles removed, integer formats set. Any keyword that
a structural schema may not hold ends the generation with its path. ``crd`` uses it.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

Schema = dict[str, Any]

ALLOWED: Final = (  # and the order in which they are written
    "description", "type", "format", "enum", "default", "minimum", "maximum", "minLength", "maxLength", "pattern",
    "minItems", "maxItems", "items", "required", "properties",
    "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-validations",
)  # fmt: skip
_DROPPED: Final = frozenset({"title", "$defs"})
_INT32_MAX: Final = 2**31 - 1


class SchemaError(Exception):
    """A model that no structural schema can express; the text names the place and the keyword."""


def structural_schema(model: object) -> Schema:
    """The structural schema of a model, by alias, in validation mode (defaults are not required)."""
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise SchemaError(f"{model!r} is not a model")
    raw = model.model_json_schema(by_alias=True, mode="validation")
    return _rewrite(raw, raw.get("$defs", {}), model.__name__)


def _rewrite(node: Mapping[str, Any], definitions: Mapping[str, Schema], path: str) -> Schema:
    node = _without_null(_resolved(node, definitions), definitions, path)
    node = {key: value for key, value in node.items() if key not in _DROPPED}
    if "default" in node:
        node["default"] = _pruned(node["default"])
        if node["default"] in (None, []):  # the same as absent, and less to read
            del node["default"]
    unknown = sorted(node.keys() - set(ALLOWED))
    if unknown:
        raise SchemaError(f"{path}: a structural schema has no {', '.join(unknown)}; express it otherwise in the model")
    if "description" in node:
        node["description"] = paragraphs(node["description"])
    if node.get("type") == "integer":
        node.setdefault("format", "int32" if node.get("maximum", _INT32_MAX + 1) <= _INT32_MAX else "int64")
    if "items" in node:
        node["items"] = _rewrite(node["items"], definitions, f"{path}[]")
    if "properties" in node:
        node["properties"] = {
            name: _rewrite(property_, definitions, f"{path}.{name}") for name, property_ in node["properties"].items()
        }
    return {keyword: node[keyword] for keyword in ALLOWED if keyword in node}


def _pruned(default: Any) -> Any:
    """A default without nulls, which the API server would refuse."""
    if not isinstance(default, dict):
        return default
    return {name: _pruned(value) for name, value in default.items() if value is not None}


def _resolved(node: Mapping[str, Any], definitions: Mapping[str, Schema]) -> Schema:
    """The node with its reference put in place; what stands beside the reference wins."""
    if "$ref" not in node:
        return dict(node)
    beside = {key: value for key, value in node.items() if key != "$ref"}
    return {**_resolved(definitions[node["$ref"].removeprefix("#/$defs/")], definitions), **beside}


def _without_null(node: Schema, definitions: Mapping[str, Schema], path: str) -> Schema:
    """``anyOf [X, null]`` is X that may be absent; any other choice has no place in a structural schema."""
    if "anyOf" not in node:
        return node
    choices = [choice for choice in node["anyOf"] if choice.get("type") != "null"]
    if len(choices) != 1:
        raise SchemaError(f"{path}: a structural schema cannot choose between types; use one type")
    beside = {key: value for key, value in node.items() if key != "anyOf"}
    return {**_resolved(choices[0], definitions), **beside}


def paragraphs(text: str) -> str:
    """Docstring text with its line breaks removed inside paragraphs."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in inspect.cleandoc(text).split("\n\n"))
