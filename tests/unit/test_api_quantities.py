"""Bytes per second as people write them."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from floodwarden.api.quantities import ByteRate

RATE = TypeAdapter(ByteRate)


@pytest.mark.parametrize(("text", "count"), [("1", 1), ("1000000", 10**6), ("64Ki", 65536), ("50Mi", 50 * 2**20), ("2Gi", 2**31)])
def test_as_numbers(text: str, count: int) -> None:
    """With the units of Kubernetes."""
    found = RATE.validate_python(text)
    assert (str(found), found.bytes) == (text, count)


@pytest.mark.parametrize("text", ["", "0", "0Ki", "-1", "1.5Mi", "50M", "50MB", "Mi", "1 Mi", "1Mi\n", "1234567890123"])
def test_what_is_none(text: str) -> None:
    """It is said how to write one."""
    with pytest.raises(ValidationError, match="such as 50Mi"):
        RATE.validate_python(text)
