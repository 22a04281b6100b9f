"""Amounts of bytes as Kubernetes writes them: ``64Ki``, ``50Mi``."""

from __future__ import annotations

import re
from typing import Any, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from floodwarden.api.rules import Rule

PATTERN: Final = "^[1-9][0-9]{0,11}(Ki|Mi|Gi)?$"
ADVICE: Final = "must be a number of bytes per second above zero, such as 50Mi, 64Ki or 1000000"
_UNITS: Final = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


class ByteRate(str):
    """Bytes per second, as written. Compare by :attr:`bytes`: ``1024`` and ``1Ki`` are different texts."""

    __slots__ = ()

    @property
    def bytes(self) -> int:
        """Bytes per second as a number."""
        digits = self.rstrip("KMGi")
        return int(digits) * _UNITS[self[len(digits) :]]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls._checked, core_schema.str_schema(max_length=14))

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(core), "x-kubernetes-validations": [Rule(f"self.matches('{PATTERN}')", ADVICE).as_schema()]}

    @classmethod
    def _checked(cls, text: str) -> ByteRate:
        if re.fullmatch(PATTERN, text) is None:
            raise ValueError(ADVICE)
        return cls(text)
