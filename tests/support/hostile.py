"""Names and texts as a tenant, or brokers of a tenant's own, could send them to bloat or forge what people read."""

from __future__ import annotations

HOSTILE = {
    "a line of its own": "orders\nlevel=error event=all-is-lost",
    "carriage return": "fine\rbroken",
    "colours": "\x1b[31mred\x1b[0m",
    "a window title": "\x1b]0;owned\x07",
    "null": "a\0b",
    "written backwards": "orders\u202egnp.exe",
    "no width": "or\u200bders",
    "line separator": "a\u2028b",
    "bytes that are no UTF-8": b"caf\xe9".decode(errors="surrogateescape"),
    "long": "x" * 30_000,
    "long and wide": "\U0001f4a5" * 10_000,
    "long and unprintable": "\x1b" * 10_000,
}
