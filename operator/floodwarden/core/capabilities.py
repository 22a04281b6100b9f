"""What Floodwarden can do on brokers: each type declares some of it, policies need some of it, and what is lacking is refused."""

from __future__ import annotations

from enum import StrEnum


class Capability(StrEnum):
    """What Floodwarden can do on brokers of some types, and not on others."""

    GROUPS = "ConsumerGroups"  # BacklogPolicies for consumer groups
    QUEUES = "Queues"  # BacklogPolicies for queues
    DELIVERY = "DeliverySettings"  # DeliveryPolicies; what some of them ask for is listed below
    CLIENTS = "ClientSettings"  # published for clients, and looked for in workloads
    FLUSH_BOUNDS = "FlushBounds"  # after how many messages, or how long, they are on the disk
    RETENTION_GUARD = "RetentionGuard"
    TRANSACTIONS = "Transactions"
    TRANSACTION_ABORT = "TransactionAbort"
    TRANSACTION_CHECKS = "TransactionChecks"  # brokers ask producers what became of their transactions
    TRANSACTION_RESUME = "TransactionResume"  # transactions that were given up can be asked about again
    DELIVERY_LIMIT = "DeliveryLimit"
    DEAD_LETTERS = "DeadLetters"
    PREFETCH = "Prefetch"
