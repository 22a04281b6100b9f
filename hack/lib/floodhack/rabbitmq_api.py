"""Just enough of RabbitMQ's management API to see from a bare Python whether the nodes are ready, and to make users.

`rabbitmq.py` waits with it.
"""

from __future__ import annotations

import base64
import json
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import quote

from floodhack.errors import HackError

TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True)
class Management:
    """The management API of one node, such as `http://127.0.0.1:15672`, asked by an administrator."""

    url: str
    username: str
    password: str

    def running_nodes(self) -> set[str]:
        """The names of the nodes that this one knows to run; empty when it does not answer."""
        try:
            listed = self._ask("GET", "/api/nodes?columns=name,running")
        except (OSError, ValueError, HTTPException):
            return set()
        return {node["name"] for node in listed if node.get("running")}

    def queue(self, vhost: str, name: str) -> dict[str, Any]:
        """What is known of a queue, statistics as they were taken last; OSError, ValueError or HTTPException when it is not."""
        known: dict[str, Any] = self._ask("GET", f"/api/queues/{quote(vhost, safe='')}/{quote(name, safe='')}")
        return known

    def make_user(self, username: str, password: str, tags: list[str], *, vhost: str, rights: str | None) -> None:
        """Make the user what it is said to be, with all rights on what `rights` fits in the vhost, or kept out of it."""
        self._must("PUT", f"/api/users/{quote(username)}", {"password": password, "tags": ",".join(tags)})
        if rights is not None:
            path = f"/api/permissions/{quote(vhost, safe='')}/{quote(username)}"
            self._must("PUT", path, {"configure": rights, "write": rights, "read": rights})

    def _must(self, method: str, path: str, body: object) -> None:
        try:
            self._ask(method, path, body)
        except OSError as error:
            raise HackError(f"{method} {self.url}{path} failed: {error}") from error

    def _ask(self, method: str, path: str, body: object | None = None) -> Any:
        credentials = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        request = urllib.request.Request(self.url + path, method=method)
        request.add_header("Authorization", f"Basic {credentials}")
        request.add_header("Content-Type", "application/json")
        data = None if body is None else json.dumps(body).encode()
        # No proxy of the environment: the nodes are on this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, data, TIMEOUT_SECONDS) as answer:
            text = answer.read()
        return json.loads(text) if text else None
