"""What is behind the consumers: answers one byte for each byte it gets, all callers together at a bounded rate."""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def slow_service(rate: float) -> Iterator[str]:
    """The address of a service on 127.0.0.1 that answers ``rate`` calls per second, whoever makes them."""
    turn = threading.Lock()
    free_at = [0.0]

    class Caller(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while self.request.recv(1):
                with turn:
                    now = time.monotonic()
                    free_at[0] = max(free_at[0], now) + 1 / rate
                    answer_at = free_at[0]
                time.sleep(max(0.0, answer_at - now))
                self.request.sendall(b"!")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Consumers end in the middle of a call: nothing to tell."""

    with Server(("127.0.0.1", 0), Caller) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
