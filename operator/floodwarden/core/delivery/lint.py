"""What no broker tells: where a policy asks for what it cannot have, or for less than it seems to. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from floodwarden.core.delivery.survey import BrokerFound
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import Unknown


def lint(wishes: Wishes, brokers: Sequence[BrokerFound]) -> Iterator[str]:
    """One sentence for each promise of the policy that its own settings, or the brokers there are, cannot keep."""
    factor, in_sync = wishes.factor, wishes.min_in_sync
    if factor is not None and brokers:
        away = [broker for broker in brokers if broker.rack is None and isinstance(broker.values, Unknown)]
        racks = {broker.rack for broker in brokers if broker.rack is not None}
        if factor > len(brokers):
            yield f"replication.factor {factor} cannot be kept: there are {len(brokers)} brokers"
        elif racks and not away and factor > len(racks):
            yield f"replication.factor {factor} puts copies into the same rack: there are {len(racks)}"
    if factor is not None and in_sync == factor:
        yield f"replication.minInSync {in_sync} equals the factor: writes stop whenever one broker restarts"
    if wishes.acks in ("Leader", "None"):
        if in_sync is not None and in_sync > 1:
            yield f"acks {wishes.acks} does not wait for replicas: minInSync {in_sync} protects nothing that is written so"
        if wishes.flush in ("Sync", "Replicated"):
            promise = "on disk" if wishes.flush == "Sync" else "on other brokers"
            yield f"flush {wishes.flush} promises messages {promise}, but with acks {wishes.acks} producers do not wait for that"
    if wishes.flush == "Sync" and (in_sync or 1) < 2:
        yield "flush Sync alone keeps messages on one disk: a lost disk loses them; add replication with minInSync 2"
