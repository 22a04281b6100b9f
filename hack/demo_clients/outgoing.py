"""What became of a producer's messages under publisher confirms: which are under way, confirmed, or to be sent again. Pure.

`queue_producer.py` and `rocketmq_producer.py` tell it what the broker answered, and ask it which message is next.
"""

from __future__ import annotations

from collections import deque
from itertools import takewhile


class Outgoing:
    """Messages by number, from 1 on. What was not confirmed is sent again, so that none is lost and some may come twice."""

    def __init__(self) -> None:
        self.published = 0
        self.confirmed = 0
        self.refused = 0
        self.unroutable = 0
        # How often a message was sent that may be in the queue already.
        self.repeated = 0
        self.again: deque[int] = deque()
        # By delivery tag, which a broker counts from 1 on in each channel; the oldest first.
        self.under_way: dict[int, int] = {}
        self._tag = 0

    @property
    def pending(self) -> int:
        """Messages whose confirm is yet to come."""
        return len(self.under_way) + len(self.again)

    @property
    def tag(self) -> int:
        """The delivery tag of the message that was published last."""
        return self._tag

    def opened(self) -> None:
        """A new channel: what the last one did not confirm has an unknown fate."""
        self.again.extend(self.under_way.values())
        self.under_way.clear()
        self._tag = 0

    def next(self) -> int:
        """The number of the message that is published now."""
        if self.again:
            number = self.again.popleft()
            self.repeated += 1
        else:
            self.published += 1
            number = self.published
        self._tag += 1
        self.under_way[self._tag] = number
        return number

    def settled(self, tag: int, *, multiple: bool, confirmed: bool) -> None:
        """The broker confirmed or refused one message, or all up to it."""
        tags = list(takewhile(lambda one: one <= tag, self.under_way)) if multiple else [tag]
        for one in tags:
            number = self.under_way.pop(one, None)
            if number is None:
                continue  # returned before
            if confirmed:
                self.confirmed += 1
            else:
                self.refused += 1
                self.again.append(number)

    def returned(self, number: int) -> None:
        """The broker gave a message back, since there is no queue for it; the confirm that follows is not one."""
        self.unroutable += 1
        tag = next(tag for tag, under_way in self.under_way.items() if under_way == number)
        del self.under_way[tag]

    def line(self, rate: float) -> str:
        """One readable line of state."""
        counts = ("published", "confirmed", "refused", "unroutable", "repeated")
        return f"rate {rate:.0f}/s  " + "  ".join(f"{name} {getattr(self, name)}" for name in counts)
