"""One audit of one MessageBroker: Kafka's, which looks at more than settings, and that of brokers whose adapters judge.

``audit_loop`` asks the one for its type: for what was found of each policy, with what was repaired and what could not be.
"""

from __future__ import annotations

from floodwarden.api.messagebroker import MessageBroker
from floodwarden.sweep.audits.base import Audit
from floodwarden.sweep.audits.kafka import KafkaAudit
from floodwarden.sweep.audits.plain import PlainAudit
from floodwarden.sweep.connect import open_delivery, open_settings
from floodwarden.sweep.ledger import BrokerLedger
from floodwarden.sweep.link import Link
from floodwarden.sweep.services import Services
from floodwarden.sweep.store import key_of


def audit_of(broker: MessageBroker, services: Services, ledger: BrokerLedger) -> Audit:
    """The audit for a type of brokers, with connections of its own."""
    if broker.kind.open_settings is not None:
        return KafkaAudit(services, ledger, Link(broker, services.secrets, open_settings), key_of(broker))
    return PlainAudit(services, ledger, Link(broker, services.secrets, open_delivery), broker)
