"""How the demo's clients reach RocketMQ: by its official client over gRPC, which speaks to a proxy.

``ROCKETMQ_PROXY`` is the proxy's host:port; ``ROCKETMQ_ACCESS_KEY`` and ``ROCKETMQ_SECRET_KEY`` say who comes, where it asks.
Shared by `rocketmq_producer.py` and `rocketmq_consumer.py`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Protocol, TypeVar

from rocketmq.v5.client import ClientConfiguration, Credentials
from rocketmq.v5.log import logger

from .settings import Stop, log
from .work import back_off


class Starts(Protocol):
    """A producer or a consumer."""

    def startup(self) -> None:
        """Connect; whatever goes wrong is an Exception of no class in particular."""


AnyClient = TypeVar("AnyClient", bound=Starts)


def access() -> ClientConfiguration:
    """Where the proxy is and who comes."""
    # It writes a file, and a line in it for everything that goes well.
    logger.setLevel(logging.WARNING)
    known = Credentials(os.environ.get("ROCKETMQ_ACCESS_KEY", ""), os.environ.get("ROCKETMQ_SECRET_KEY", ""))
    return ClientConfiguration(os.environ.get("ROCKETMQ_PROXY", "127.0.0.1:8081"), known)


def started(make: Callable[[], AnyClient], stop: Stop) -> AnyClient | None:
    """A client that is connected, however long that takes; None when asked to stop meanwhile. One that failed is of no use."""
    while not stop.asked:
        client = make()
        try:
            client.startup()
        except Exception as error:
            log(f"cannot connect ({type(error).__name__}: {error}), trying again")
            back_off()
        else:
            return client
    return None
