"""The types of brokers there are. One more is a folder beside these and a line here: see hack/adding-a-broker.md."""

from __future__ import annotations

from typing import Any, Final

from floodwarden.brokers.kafka.kind import KIND as KAFKA
from floodwarden.brokers.kind import Kind
from floodwarden.brokers.prometheus.kind import KIND as PROMETHEUS
from floodwarden.brokers.rabbitmq.kind import KIND as RABBITMQ
from floodwarden.brokers.rocketmq.kind import KIND as ROCKETMQ

KINDS: Final[tuple[Kind[Any], ...]] = (KAFKA, RABBITMQ, ROCKETMQ, PROMETHEUS)
