"""The one exception the scripts of hack/ show to a person: its text says what is wrong and what to do next."""

from __future__ import annotations


class HackError(Exception):
    """Something a person has to know or do; shown as one line, without a traceback, exit status 1."""
