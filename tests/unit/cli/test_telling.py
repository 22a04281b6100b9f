"""What a command does is told to whoever waits at a terminal, and to nobody else."""

from __future__ import annotations

import io
import sys
import threading

import pytest

from floodhack.waiting import until
from floodwarden.cli import telling


class Stderr(io.StringIO):
    """A place to write to that is a terminal, or not."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def timers() -> list[threading.Timer]:
    return [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "PATIENCE", 0.01)


def test_long_work_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, in one printable line."""
    stderr = Stderr(terminal=True)
    monkeypatch.setattr(sys, "stderr", stderr)
    with telling.telling("asking \x1b[2J"):
        until(lambda: stderr.getvalue() != "", seconds=10, what="a word on what is done")
    assert stderr.getvalue() == "floodwarden: asking \\x1b[2J …\n"


@pytest.mark.parametrize("terminal", [True, False])
def test_nothing_is_told_otherwise(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    """Work that is done in a moment, or that no person waits for: nothing is left that could still speak."""
    stderr = Stderr(terminal)
    monkeypatch.setattr(sys, "stderr", stderr)
    if terminal:
        monkeypatch.setattr(telling, "PATIENCE", 3600)
    with telling.telling("asking"):
        assert len(timers()) == terminal
    until(lambda: not timers(), seconds=10, what="the timer ended")
    assert stderr.getvalue() == ""
