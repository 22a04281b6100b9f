"""An adapter is kept as long as its Secrets are what they were; for the last time those that were used last do."""

from __future__ import annotations

from typing import Any

import pytest

from floodwarden.cluster.secrets import HiddenValues, SecretData, SecretProblem, SecretProblemReason
from floodwarden.core.assess import Gap
from floodwarden.core.reasons import Reason
from floodwarden.sweep.link import Link
from tests.support.resources import rabbitmq

GONE = SecretProblem(SecretProblemReason.MISSING, "Secret rabbitmq is not there")
AWAY = SecretProblem(SecretProblemReason.UNREACHABLE, "the API server does not answer")


class Reader:
    """What the API server tells of every Secret."""

    def __init__(self) -> None:
        self.answer: SecretData | SecretProblem = secret("1")

    async def read(self, namespace: str, name: str) -> SecretData | SecretProblem:
        return self.answer


class Adapter:
    """Knows with what it was opened."""

    def __init__(self, version: str) -> None:
        self.version, self.closed = version, False

    async def close(self) -> None:
        self.closed = True


def secret(version: str) -> SecretData:
    return SecretData(version, HiddenValues({"username": b"anna", "password": b"corn"}))


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
def link(reader: Reader) -> Link[Adapter]:
    opened: Any = lambda _, secrets: Adapter(next(iter(secrets.versions.values())))  # noqa: E731
    return Link(rabbitmq(), reader, opened)  # type: ignore[arg-type]


async def version(link: Link[Adapter], *, leaving: bool = False) -> str | Reason:
    """With which Secret the adapter speaks, or why there is none."""
    found = await link.adapter(leaving=leaving)
    return found.reason if isinstance(found, Gap) else found.version


async def test_it_is_opened_anew_with_another_secret(link: Link[Adapter], reader: Reader) -> None:
    """And the old one is closed."""
    first = await link.adapter()
    assert await link.adapter() is first
    reader.answer = secret("2")
    assert await version(link) == "2"
    assert isinstance(first, Adapter)
    assert first.closed


async def test_a_secret_that_is_gone(link: Link[Adapter], reader: Reader) -> None:
    """Nobody goes on with what was taken away, but for the last time."""
    assert await version(link) == "1"
    await link.close()
    reader.answer = GONE
    assert await version(link) is Reason.SECRET_MISSING
    assert await version(link, leaving=True) == "1"


async def test_a_secret_that_was_never_there(link: Link[Adapter], reader: Reader) -> None:
    """There is nothing to leave with."""
    reader.answer = GONE
    assert await version(link, leaving=True) is Reason.SECRET_MISSING


async def test_an_api_server_that_is_away(link: Link[Adapter], reader: Reader) -> None:
    """It says nothing of the Secret."""
    assert await version(link) == "1"
    reader.answer = AWAY
    assert await version(link) == "1"
