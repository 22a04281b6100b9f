"""Text from elsewhere, such as names and errors of brokers, on its way to people: one printable line of bounded length.

Pure. Whatever goes into status, Events or logs passes here last, wherever it came from.
"""

from __future__ import annotations

from typing import Final

ELLIPSIS: Final = "…"


def plain(text: str, most: int) -> str:
    """``text`` in at most ``most`` bytes of UTF-8, with an ellipsis where something was cut off.

    What does not print (control characters, line ends, marks that turn the direction of writing, lone surrogates) is shown as
    in a Python string: ``\\n``, ``\\x1b``, ``\\u202e``.
    """
    if not text.isprintable():
        # Escapes are no shorter than what they stand for: beyond this nothing would be kept.
        text = "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text[: most + 1])
    if 4 * len(text) <= most:
        return text
    encoded = text.encode()
    if len(encoded) <= most:
        return text
    return encoded[: most - len(ELLIPSIS.encode())].decode(errors="ignore") + ELLIPSIS
