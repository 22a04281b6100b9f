"""Something that goes on in a thread beside what is looked at, such as a stream of messages."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from floodhack.errors import HackError


@contextmanager
def beside(work: Callable[[threading.Event], None], what: str) -> Iterator[None]:
    """``work`` in a thread as long as the context lasts: it goes on until the event is set. HackError where it broke off."""
    end = threading.Event()
    failures: list[Exception] = []

    def run() -> None:
        try:
            work(end)
        except Exception as error:  # whatever it is: what was seen meanwhile was seen without it
            failures.append(error)

    thread = threading.Thread(target=run, name=what, daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
    if failures:
        raise HackError(f"{what} broke off: {failures[0]!r}")
