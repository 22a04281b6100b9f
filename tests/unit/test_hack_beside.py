"""What goes on beside a test ends with it, and is missed where it broke off."""

from __future__ import annotations

import threading

import pytest

from floodhack.beside import beside
from floodhack.errors import HackError


def test_it_goes_on_until_the_end() -> None:
    """And is over afterwards, also where what it was beside failed: that is then what is told."""
    began, ended = threading.Event(), threading.Event()

    def work(end: threading.Event) -> None:
        began.set()
        end.wait()
        ended.set()

    def fail() -> None:
        with beside(work, "the stream"):
            assert began.wait(10)
            assert not ended.is_set()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert ended.is_set()


def test_it_broke_off() -> None:
    """What was seen meanwhile was seen without it."""

    def work(_: threading.Event) -> None:
        raise OSError("no connection")

    with pytest.raises(HackError, match="the stream broke off: OSError"), beside(work, "the stream"):
        pass
