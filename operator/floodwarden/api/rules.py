"""CEL rules: what a schema cannot say, checked by the API server with a message that says what to do.

Resource modules attach them to a model (:func:`validated_by`) or to a field (:class:`Rules`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

Reason = Literal["FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One CEL expression over ``self`` that must be true.

    ``path`` names the field at fault (``.mechanism``), so that the refusal points at it; it must be in the schema.
    """

    cel: str
    message: str
    path: str | None = None
    reason: Reason | None = None

    def as_schema(self) -> dict[str, str]:
        """The entry of ``x-kubernetes-validations``."""
        parts = {
            "rule": self.cel,
            "message": self.message,
            "fieldPath": self.path,
            "reason": self.reason,
        }
        return {key: value for key, value in parts.items() if value is not None}


def validated_by(*rules: Rule) -> ConfigDict:
    """The configuration of a model whose whole object must fulfil the rules."""
    extra: dict[str, Any] = {"x-kubernetes-validations": [rule.as_schema() for rule in rules]}
    return ConfigDict(json_schema_extra=extra)


class Rules:
    """Rules on one field: ``Annotated[str, Rules(Rule(...))]``. Only the API server checks them."""

    __slots__ = ("rules",)

    def __init__(self, *rules: Rule) -> None:
        self.rules = rules

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(core), "x-kubernetes-validations": [rule.as_schema() for rule in self.rules]}
