"""The reference page: every resource with its fields, defaults, limits, status, conditions and columns, and every reason.

Made from the CRDs (what the API server really checks) and from ``core.reasons``; ``generate`` writes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from floodwarden.api.crd import crd
from floodwarden.api.resource import GROUP, PAUSED, VERSION, Resource
from floodwarden.api.schema import Schema
from floodwarden.core.reasons import ADVICE

_INTRODUCTION: Final = f"""# Reference

The resources of `{GROUP}/{VERSION}`. All are namespaced and of the category `floodwarden`: `kubectl get floodwarden -A`
lists them, `kubectl explain fwbp.spec` describes the fields. Fields not listed here are refused. Durations are written like
`500ms`, `30s`, `2m` or `1h30m`. Manifests to start from are in [examples](examples/).

The annotation `{PAUSED}: "true"` stops all action on an object, and its condition Ready says so, until it is removed."""


def reference_page(resources: Iterable[type[Resource]]) -> str:
    """The whole page, as Markdown."""
    parts = [_INTRODUCTION]
    for resource in resources:
        parts.extend(_resource(resource))
    parts.append("## Reasons\n\nOf conditions and Events, in the order in which they are likely to be met.")
    parts.append(_table(("Reason", "What it means and what to do"), ((f"`{reason}`", text) for reason, text in ADVICE.items())))
    return "\n\n".join(parts) + "\n"


def _resource(resource: type[Resource]) -> Iterator[str]:
    known = resource.definition
    version = crd(resource)["spec"]["versions"][0]
    schema: Schema = version["schema"]["openAPIV3Schema"]
    yield f"## {known.kind}"
    yield f"Short name `{known.short_name}`. {schema['description']}"
    yield f"### {known.kind} spec"
    yield _fields(schema["properties"]["spec"])
    rules = list(_rules(schema["properties"]["spec"], "spec"))
    if rules:
        yield "Checked beyond single fields:"
        yield "\n".join(f"- `{path}`: {message}" for path, message in rules)
    yield f"### {known.kind} status"
    yield _fields(schema["properties"]["status"])
    yield f"### {known.kind} conditions"
    yield _table(("Condition", "True means"), ((f"`{name}`", meaning) for name, meaning in known.conditions.items()))
    yield f"### {known.kind} columns"
    yield _table(
        ("Column", "Shows", "From"),
        (
            (f"{column.name}{' (`-o wide`)' if column.wide else ''}", column.description, f"`{column.path}`")
            for column in known.columns
        ),
    )


def _fields(schema: Schema) -> str:
    rows = (
        (f"`{path}`", _type(field), _default(field, required=required), _limits(field), field.get("description", ""))
        for path, field, required in _walk(schema, "")
    )
    return _table(("Field", "Type", "Default", "Limits", "What it does"), rows)


def _walk(schema: Schema, prefix: str) -> Iterator[tuple[str, Schema, bool]]:
    for name, field in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        yield path, field, name in schema.get("required", ())
        yield from _walk(field, f"{path}.")
        yield from _walk(field.get("items", {}), f"{path}[].")


def _rules(schema: Schema, path: str) -> Iterator[tuple[str, str]]:
    """The messages of rules over objects and lists; those of single values are among their limits."""
    if schema["type"] in ("object", "array"):
        for rule in schema.get("x-kubernetes-validations", ()):
            yield path + rule.get("fieldPath", ""), rule["message"]
    for name, field in schema.get("properties", {}).items():
        yield from _rules(field, f"{path}.{name}")
    if "items" in schema:
        yield from _rules(schema["items"], f"{path}[]")


def _type(field: Schema) -> str:
    if field["type"] == "array":
        return f"list of {_type(field['items'])}s"
    return "time" if field.get("format") == "date-time" else str(field["type"])


def _default(field: Schema, *, required: bool) -> str:
    if required:
        return "required"
    default = field.get("default")
    return "" if default is None or isinstance(default, dict) else f"`{default}`"


def _limits(field: Schema) -> str:
    """Limits in words. A value's own rule says all of them; else enumeration, bounds and sizes."""
    one: Schema = field.get("items", field)
    limits = [rule["message"] for rule in one.get("x-kubernetes-validations", ()) if one["type"] != "object"]
    if "enum" in one:
        limits.append(" or ".join(f"`{value}`" for value in one["enum"]))
    limits.extend(_bounds(field, "minimum", "maximum", ""))
    limits.extend(_bounds(field, "minItems", "maxItems", " entries"))
    if field.get("x-kubernetes-list-type") == "set":
        limits.append("no duplicates")
    if not limits and field is one:
        limits.extend(_bounds(field, "minLength", "maxLength", " characters"))
    return "; ".join(limits)


def _bounds(field: Schema, least: str, most: str, unit: str) -> Iterator[str]:
    if least in field and most in field:
        yield f"{field[least]} to {field[most]}{unit}"
    elif least in field:
        yield f"at least {field[least]}{unit}"
    elif most in field:
        yield f"at most {field[most]}{unit}"


def _table(header: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(content: Any) -> str:
    return " ".join(str(content).split()).replace("|", "\\|")
