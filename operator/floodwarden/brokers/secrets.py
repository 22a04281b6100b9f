"""What the Secrets hold that a MessageBroker names, for the kinds that open adapters with them; nothing here is ever printed.

``sweep.connect`` reads them from the API server, ``floodwarden check`` from files or the environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

Versions = Mapping[str, str]
"""The resource version of each Secret by name: another one means that the Secret changed."""


class KeyMissing(Exception):
    """A Secret lacks a key; the text says what to do."""


class UnusableSecret(ValueError):
    """What Secrets hold cannot be used; the text says what to correct and quotes no secret. Each type has its own."""


class Held(Protocol):
    """One Secret as read; its representation shows no value."""

    @property
    def resource_version(self) -> str:
        """Another one means that it changed."""
        ...

    @property
    def data(self) -> Mapping[str, bytes]:
        """The values by key."""
        ...


@dataclass(frozen=True, slots=True)
class Secrets:
    """The Secrets that one MessageBroker names, as read together."""

    held: Mapping[str, Held]

    @property
    def versions(self) -> Versions:
        return {name: secret.resource_version for name, secret in self.held.items()}

    def value(self, name: str, key: str) -> bytes:
        """One value; KeyMissing names what is missing."""
        try:
            return self.held[name].data[key]
        except KeyError:
            raise KeyMissing(f"Secret {name} has no key {key}: add it, or correct the reference to it") from None

    def text(self, name: str, key: str) -> str:
        """A user or password as text; a newline at its end is what editors and echo leave behind."""
        try:
            return self.value(name, key).decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise UnusableSecret(f"key {key} of Secret {name} is not UTF-8 text: correct it") from None
