"""Types that several resources share: names, references to Secrets, timestamps, rounded numbers, conditions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, Field, PlainSerializer, WithJsonSchema

from floodwarden.api.resource import ApiModel
from floodwarden.api.rules import Rule, Rules
from floodwarden.core.text import plain

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = rf"{_LABEL}(\.{_LABEL})*"
LABEL_PATTERN: Final = f"^{_LABEL}$"
SUBDOMAIN_PATTERN: Final = f"^{_SUBDOMAIN}$".replace("\\", "\\\\")  # as CEL writes it
_NAME_ADVICE: Final = "must be the name of a Kubernetes object: lower case letters, digits, '-' and '.', such as orders-db"
_NAMESPACE_ADVICE: Final = "must be the name of a namespace: at most 63 lower case letters, digits and '-', such as shop"
_KEY_ADVICE: Final = "must be a key of a Secret's data: letters, digits, '-', '_' and '.', such as tls.crt"

SET: Final = {"x-kubernetes-list-type": "set"}
"""Schema of a list in which nothing stands twice."""

ObjectName = Annotated[
    str, Field(min_length=1, max_length=253), Rules(Rule(f"self.matches('{SUBDOMAIN_PATTERN}')", _NAME_ADVICE))
]
"""The name of an object in the API server."""

NamespaceName = Annotated[
    str, Field(min_length=1, max_length=63), Rules(Rule(f"self.matches('{LABEL_PATTERN}')", _NAMESPACE_ADVICE))
]
"""The name of a namespace."""

SecretKey = Annotated[str, Field(min_length=1, max_length=253), Rules(Rule("self.matches('^[-._a-zA-Z0-9]+$')", _KEY_ADVICE))]
"""A key of a Secret's data."""


def _rfc3339(moment: datetime) -> str:
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds" if moment.microsecond >= 1000 else "seconds")
    return text.replace("+00:00", "Z")


Timestamp = Annotated[
    AwareDatetime, PlainSerializer(_rfc3339, return_type=str), WithJsonSchema({"type": "string", "format": "date-time"})
]
"""A moment with its time zone, written as RFC 3339 in UTC, with milliseconds where there are any."""

Rate = Annotated[float, Field(ge=0), AfterValidator(lambda rate: float(f"{rate:.4g}"))]
"""Messages per second, rounded to four significant digits: more would change the status at every sweep."""

Seconds = Annotated[float, Field(ge=0), AfterValidator(lambda seconds: round(seconds, 1))]
"""Seconds, rounded to tenths."""

Count = Annotated[int, Field(ge=0)]

MAX_NAMED: Final = 20
NAME_BYTES: Final = 264  # a partition of the longest topic that Kafka allows
NAMES_BYTES: Final = 2048  # all of a list


def bounded(names: Iterable[str]) -> tuple[str, ...]:
    """At most MAX_NAMED of the names and NAMES_BYTES in all, in their order; where more are given the last entry says how many.

    Each is one printable line of at most NAME_BYTES.
    """
    given = tuple(names)
    shown: list[str] = []
    room = NAMES_BYTES
    for name in (plain(name, NAME_BYTES) for name in given[:MAX_NAMED]):
        room -= len(name.encode())
        if room < 0:
            break
        shown.append(name)
    if len(shown) < len(given):
        shown = shown[: MAX_NAMED - 1]
        shown.append(f"and {len(given) - len(shown)} more")
    return tuple(shown)


NamedOnes = Annotated[tuple[str, ...], Field(max_length=MAX_NAMED)]
"""Names for people, cut by :func:`bounded`."""


class ConditionStatus(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(ApiModel):
    """One aspect of the object's state, as `kubectl wait --for=condition=…` reads it."""

    type: Annotated[str, Field(min_length=1, max_length=316)]
    """Which aspect."""
    status: ConditionStatus
    """Whether it holds: True, False, or Unknown where it could not be found out."""
    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """Why, in one word; the reference page lists every reason and what to do."""
    message: Annotated[str, Field(max_length=32768)]
    """Why, in a sentence."""
    last_transition_time: Timestamp
    """When the status last changed."""
    observed_generation: Count | None = None
    """The generation of the spec this was found for."""


Conditions = Annotated[
    tuple[Condition, ...],
    Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
]
