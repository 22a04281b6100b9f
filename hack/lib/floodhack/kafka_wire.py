"""Just enough of Kafka's protocol to see from a bare Python whether the brokers are ready: who is
registered, can topics be made, can groups be served.

Old request versions without tagged fields, which every broker from 2.1 to 4.x answers. `kafka.py` waits with it.
"""

from __future__ import annotations

import socket
import struct

METADATA, FIND_COORDINATOR, CREATE_TOPICS = 3, 10, 19
TIMEOUT_SECONDS = 5.0


def registered_nodes(port: int) -> set[int]:
    """The ids of the brokers that the node at this PLAINTEXT port knows to be alive; empty when it does not answer."""
    # No topics (an empty array), no creation of topics.
    answer = _ask(port, METADATA, 4, struct.pack(">ib", 0, 0))
    if answer is None:
        return set()
    _throttle, count = struct.unpack_from(">ii", answer)
    position, nodes = 8, set()
    for _ in range(count):
        (node,) = struct.unpack_from(">i", answer, position)
        nodes.add(node)
        position = _skip_string(answer, position + 4) + 4
        position = _skip_string(answer, position)
    return nodes


def can_create_topics(port: int, replication: int) -> bool:
    """Whether the node could have a topic made now (asked with validate-only, so none is)."""
    topic = _string("floodwarden-readiness") + struct.pack(">ihii", 1, replication, 0, 0)
    answer = _ask(port, CREATE_TOPICS, 2, struct.pack(">i", 1) + topic + struct.pack(">ib", 3000, 1))
    if answer is None:
        return False
    (error,) = struct.unpack_from(">h", answer, _skip_string(answer, 8))
    return bool(error == 0)


def can_coordinate_groups(port: int) -> bool:
    """Whether the node can name a group's coordinator; asking makes a new cluster create the topic of the offsets."""
    answer = _ask(port, FIND_COORDINATOR, 1, _string("floodwarden-readiness") + b"\0")
    return answer is not None and struct.unpack_from(">h", answer, 4) == (0,)


def _ask(port: int, api: int, version: int, body: bytes) -> bytes | None:
    header = struct.pack(">hhi", api, version, 1) + _string("floodwarden-hack")
    message = header + body
    try:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as link:
            link.sendall(struct.pack(">i", len(message)) + message)
            (size,) = struct.unpack(">i", _read(link, 4))
            return _read(link, size)[4:]
    except (OSError, EOFError):
        return None


def _read(link: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = link.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def _string(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


def _skip_string(data: bytes, position: int) -> int:
    size: int = struct.unpack_from(">h", data, position)[0]
    return position + 2 + max(size, 0)
