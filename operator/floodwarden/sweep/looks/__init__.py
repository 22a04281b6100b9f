"""Looks beyond topics' settings, each made with every audit: one module each, deciding is in ``core.delivery``.

    Look.settings(policies)      # topics' settings it wants in the survey
    await Look.look(round)       # policy's name -> Seen

``audits.kafka`` makes them in order after repairs; ``floodwarden check`` makes those that need brokers alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from floodwarden.sweep.ledger import BrokerLedger
from floodwarden.sweep.looks.base import Look
from floodwarden.sweep.looks.clients import ClientsLook
from floodwarden.sweep.looks.guarding import Guarding
from floodwarden.sweep.looks.kafkatopics import KafkaTopicsLook
from floodwarden.sweep.looks.moving import Moving
from floodwarden.sweep.looks.producing import Acks, Transactions
from floodwarden.sweep.services import Services


def all_looks(services: Services, ledger: BrokerLedger) -> Sequence[Look]:
    """The looks of one audit loop, in the order in which they are made."""
    return (
        Guarding(ledger),
        Moving(ledger),
        Acks(),
        Transactions(),
        KafkaTopicsLook(services.topic_owners),
        ClientsLook(services.workloads, services.config_maps, services.calls),
    )


def broker_looks() -> Sequence[Look]:
    """Those that need nothing but brokers, and only look: for ``floodwarden check``."""
    return (Guarding(), Acks(), Transactions())
