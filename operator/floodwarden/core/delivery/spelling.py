"""How clients' settings may be written in variables and files of workloads: their names, their values, and the files' lines.

Pure. One rule for names: case and the characters between words do not matter, and the name ends with the words of the setting:
``KAFKA_ACKS``, ``spring.kafka.consumer.enable-auto-commit``, ``ORDERS_PRODUCER_ENABLEIDEMPOTENCE``. What stands before them must
speak of Kafka, so that ``DB_TRANSACTION_TIMEOUT_MS`` is none. Only values that are understood ever leave this module, so that
nothing is repeated that may be a secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from floodwarden.core.delivery.clients import ACKS, AUTO_COMMIT, IDEMPOTENCE, TRANSACTION_TIMEOUT

TEXT_AT_MOST: Final = 256 * 1024  # characters of one file
LINE_AT_MOST: Final = 1000  # characters
NAME_AT_MOST: Final = 300  # characters, with all that it is nested in
_OWN: Final[Mapping[str, str]] = {
    "acks": ACKS,
    "requestrequiredacks": ACKS,
    "enableidempotence": IDEMPOTENCE,
    "enableautocommit": AUTO_COMMIT,
    "transactiontimeoutms": TRANSACTION_TIMEOUT,
}  # Kafka's own names: they need nothing before them
_OTHER: Final[Mapping[str, str]] = {
    "requiredacks": ACKS,
    "idempotence": IDEMPOTENCE,
    "autocommit": AUTO_COMMIT,
    "autocommitenable": AUTO_COMMIT,
    "autocommitenabled": AUTO_COMMIT,
}
_CONTEXT: Final = ("kafka", "producer", "consumer", "incoming", "outgoing")
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_LINE: Final = re.compile(
    r"""(?P<indent>[ \t]*)(?:-[ ]+)?(?:export[ ]+)?["']?(?P<name>[A-Za-z_][\w./\[\]-]*)["']?[ \t]*(?P<sign>[:=])(?P<value>.*)"""
)
_SECTION: Final = re.compile(r"\[(?P<name>[\w.-]+)\]\s*")
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_ACKS: Final = {"all": "all", "-1": "all", "1": "1", "0": "0"}


def setting_of(name: str) -> str | None:
    """Which client's setting a name stands for, by its key in the Java client."""
    words = [word.lower() for word in _WORD.findall(name)] if len(name) <= NAME_AT_MOST else []
    for start in range(max(0, len(words) - 4), len(words)):
        before, tail = "".join(words[:start]), "".join(words[start:])
        speaks_of_kafka = any(word in before for word in _CONTEXT)
        if tail in _OWN and (not before or speaks_of_kafka):
            return _OWN[tail]
        if tail in _OTHER and speaks_of_kafka:
            return _OTHER[tail]
    return None


def understood(setting: str, text: str) -> str | None:
    """A setting's value as the Java client writes it, so that values alike in meaning are equal; None where it is none."""
    bare = text.strip().strip("\"'").strip().lower()
    if setting == ACKS:
        return _ACKS.get(bare)
    if setting == TRANSACTION_TIMEOUT:
        return str(int(bare)) if bare.isdecimal() and bare.isascii() and len(bare) <= 10 else None
    return "true" if bare in _TRUE else "false" if bare in _FALSE else None


def settings_in(text: str) -> Iterator[tuple[str, str, str | None]]:
    """The settings in the text of a file: each with the name it has there, and its value as ``understood`` has it.

    Properties, YAML and JSON are read line by line, JSON in one line as well; of a longer text than TEXT_AT_MOST only the
    beginning.
    """
    text = text[:TEXT_AT_MOST]
    pairs = _of_json(text) if text.lstrip()[:1] == "{" and len(text.strip().splitlines()) == 1 else _of_lines(text)
    for name, value in pairs:
        setting = setting_of(name)
        if setting is not None:
            yield setting, name, understood(setting, value)


def _of_lines(text: str) -> Iterator[tuple[str, str]]:
    """Names with values: of YAML the whole path, by how deep its lines are indented; of others with the section they are in."""
    nested: list[tuple[int, str]] = []
    section = ""
    for line in text.splitlines():
        if len(line) > LINE_AT_MOST:
            continue
        headed = _SECTION.fullmatch(line)
        if headed:
            section = f"{headed['name']}."
        found = _LINE.match(line)
        if not found:
            continue
        value = _without_comment(found["value"])
        if found["sign"] == "=":
            yield section + found["name"], value
            continue
        depth = found.start("name")
        while nested and nested[-1][0] >= depth:
            nested.pop()
        if value in ("", "{", "|", ">"):
            nested.append((depth, found["name"]))
        else:
            yield ".".join([*(name for _, name in nested), found["name"]]), value


def _without_comment(text: str) -> str:
    return re.split(r"\s#", text, maxsplit=1)[0].strip().rstrip(",")


def _of_json(text: str) -> Iterator[tuple[str, str]]:
    try:
        left: list[tuple[str, Any]] = [("", json.loads(text))]
    except (ValueError, RecursionError):
        return
    while left:
        path, value = left.pop()
        if isinstance(value, dict):
            left.extend((f"{path}.{name}" if path else name, inner) for name, inner in value.items() if len(path) <= NAME_AT_MOST)
        elif isinstance(value, str | int):
            yield path, str(value)
