"""Secrets must stay secret: the values that tests handed out, and everything Floodwarden wrote in which they could turn up.

Tests call ``CANARIES.hand_out``; whoever runs an operator or clears its objects away calls ``EVIDENCE.keep``. Both are asked
once, after the last test of a session (``tests/conftest.py``), because a secret may leak long after it was handed out.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

SHORTEST = 8  # characters: shorter ones would be found by chance
PEM_PUBLIC = ("CERTIFICATE", "PUBLIC KEY")


@dataclass
class Canaries:
    """Secret values, each by the first characters of it, which may be shown."""

    values: set[str] = field(default_factory=set)

    def hand_out(self, value: str) -> str:
        """Remember a secret value, and give it back. Of a PEM text every line of its private parts is one."""
        self.values.update(_private(value))
        return value

    def found_in(self, text: str) -> list[str]:
        """The beginnings of the values that are in a text, be it plain, quoted or in base64."""
        return sorted({f"{value[:4]}…" for value in self.values for form in _forms(value) if form in text})


@dataclass
class Evidence:
    """Texts and files that Floodwarden wrote, by where they come from."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    files: set[Path] = field(default_factory=set)

    def keep(self, source: str, text: str) -> None:
        """Keep a text to be searched."""
        self.texts.setdefault(source, []).append(text)

    def keep_file(self, path: Path) -> None:
        """Keep a file to be searched as it is in the end."""
        self.files.add(path)

    def leaks(self, canaries: Canaries) -> Iterator[str]:
        """Where which secret was found."""
        for source, text in self._all():
            for value in canaries.found_in(text):
                yield f"{value} in {source}"

    def size(self) -> int:
        """Characters that there are to search."""
        return sum(len(text) for _, text in self._all())

    def _all(self) -> Iterable[tuple[str, str]]:
        for source, texts in self.texts.items():
            yield from ((source, text) for text in texts)
        for path in sorted(self.files):
            if path.exists():
                yield str(path), path.read_text(errors="replace")


def _private(value: str) -> Iterator[str]:
    if "-----BEGIN " not in value:
        yield from (value.strip(),) if len(value.strip()) >= SHORTEST else ()
        return
    public = False
    for line in value.splitlines():
        if line.startswith("-----BEGIN "):
            public = any(word in line for word in PEM_PUBLIC)
        elif not line.startswith("-----") and not public and len(line) >= SHORTEST:
            yield line


def _forms(value: str) -> Iterator[str]:
    """A value as it is, as JSON and URLs write it, and the part of its base64 that does not depend on what is around it."""
    yield value
    yield json.dumps(value)[1:-1]
    yield quote(value, safe="")
    data = value.encode()
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + data).decode()
        first = -(-8 * before // 6)  # the characters that hold bits of what is before
        last = (8 * (before + len(data))) // 6
        yield encoded[first:last]


CANARIES = Canaries()
EVIDENCE = Evidence()
