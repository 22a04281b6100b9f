"""A service that the consumers call for each message, and wait for: what is behind all of them may be what limits them.

One byte there, one byte back, on one connection that is made again when it broke. Neighbour: `consumer.py`.
"""

from __future__ import annotations

import socket

from .settings import log
from .work import back_off


class Downstream:
    """The service at `host:port`, seen from one consumer."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._address = (host, int(port))
        self._connection: socket.socket | None = None

    def call(self) -> None:
        """Return once the service has answered, however long that takes."""
        while not self._answered():
            back_off()

    def _answered(self) -> bool:
        try:
            if self._connection is None:
                self._connection = socket.create_connection(self._address, timeout=30)
            self._connection.sendall(b"?")
            if self._connection.recv(1):
                return True
            why = "it closed the connection"
        except OSError as error:
            why = str(error)
        log(f"the service behind us does not answer: {why}")
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        return False
