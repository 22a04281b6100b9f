"""The base of every model, and what all resources share as Kubernetes objects: metadata, parsing, their definition.

``messagebroker`` and ``backlogpolicy`` build on it; ``crd`` and ``reference`` read the definitions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

GROUP: Final = "floodwarden.dev"
VERSION: Final = "v1alpha1"
CATEGORY: Final = "floodwarden"
PAUSED: Final = f"{GROUP}/paused"  # annotation; "true" stops all action on the object


class InvalidManifest(ValueError):
    """An object that its own CRD should have refused; the text names each field and what is wrong with it."""


class ApiModel(BaseModel):
    """Part of a manifest: immutable, camelCase outside, snake_case inside.

    Fields unknown to us are ignored: the API server refuses or prunes them, and a newer version may have written more.
    """

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, extra="ignore", use_attribute_docstrings=True
    )

    def to_api(self) -> dict[str, Any]:
        """As JSON for the API server: camelCase, without what is not set."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class ObjectMeta(ApiModel):
    """The part of an object's metadata that Floodwarden reads."""

    name: str
    namespace: str
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    annotations: Annotated[Mapping[str, str], AfterValidator(lambda given: MappingProxyType(dict(given)))] = Field(
        default_factory=dict
    )
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of ``kubectl get``; ``wide`` ones show with ``-o wide`` only."""

    name: str
    type: Literal["string", "integer", "number", "boolean", "date"]
    path: str
    description: str
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Definition:
    """How a resource is known to the API server."""

    kind: str
    plural: str
    singular: str
    short_name: str
    columns: tuple[Column, ...]
    conditions: Mapping[str, str] = field(default_factory=dict)  # type → what True means


class Resource(ApiModel):
    """A custom resource as the API server delivers it. Subclasses add ``spec`` and ``status``."""

    definition: ClassVar[Definition]

    metadata: ObjectMeta

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """The typed object; InvalidManifest where it breaks the schema (an object older than its CRD may)."""
        try:
            return cls.model_validate(dict(body))
        except ValidationError as error:
            faults = (
                f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg'].removeprefix('Value error, ')}"
                for fault in error.errors()
            )
            raise InvalidManifest("; ".join(faults)) from error

    @property
    def paused(self) -> bool:
        """Whether the annotation ``floodwarden.dev/paused`` stops all action on this object."""
        return self.metadata.annotations.get(PAUSED, "").lower() == "true"
