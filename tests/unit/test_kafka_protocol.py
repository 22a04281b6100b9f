"""What goes over the wire to Kafka."""

from __future__ import annotations

from floodwarden.brokers.kafka import protocol


def test_a_request_sent_again_differs_by_its_number_only() -> None:
    """Renumbering gives the very bytes that encoding anew would."""
    first = protocol.encode(protocol.list_offsets({"orders": [0, 1]}, protocol.LATEST), 9, 5, "floodwarden")
    anew = protocol.encode(protocol.list_offsets({"orders": [0, 1]}, protocol.LATEST), 9, 2**31 - 1, "floodwarden")
    assert first != anew
    assert protocol.numbered(first, 2**31 - 1) == anew
