"""Prometheus as a type of brokers: where it is, which series tell what, and what opens its adapter.

It stands in for brokers that cannot be reached: it tells of the backlog of consumer groups, and of nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Final, NamedTuple

from pydantic import Field

from floodwarden.api.blocks import BearerTokenSecretRef, Block, CaSecretRef, CredentialsSecretRef, SecretRef, http_url
from floodwarden.api.durations import Duration, DurationRange
from floodwarden.api.resource import ApiModel
from floodwarden.api.rules import Rule, Rules, validated_by
from floodwarden.brokers.kind import Kind
from floodwarden.brokers.prometheus.access import Access
from floodwarden.brokers.prometheus.adapter import PrometheusBroker
from floodwarden.brokers.prometheus.questions import KAFKA_EXPORTER, KMINION, Series
from floodwarden.brokers.secrets import Secrets
from floodwarden.core.capabilities import Capability

URL = Annotated[str, Field(min_length=8, max_length=261), http_url("http://prometheus.monitoring.svc:9090")]
LabelName = Annotated[
    str,
    Field(min_length=1, max_length=128),
    Rules(Rule("self.matches('^[a-zA-Z_][a-zA-Z0-9_]*$')", "must be the name of a label, such as strimzi_io_cluster")),
]
Expression = Annotated[str, Field(min_length=1, max_length=2048)]


class Exporter(StrEnum):
    """Who tells Prometheus of consumer groups. KafkaExporter is also the one that comes with Strimzi."""

    KAFKA_EXPORTER = "KafkaExporter"
    KMINION = "Kminion"
    CUSTOM = "Custom"


_READY_MADE: Final = {Exporter.KAFKA_EXPORTER: KAFKA_EXPORTER, Exporter.KMINION: KMINION}


class LabelValue(ApiModel):
    """A label that series must have, and its value."""

    name: LabelName
    """The label."""
    value: Annotated[str, Field(max_length=256)]
    """Its value, as it is: no regular expression."""


class Queries(ApiModel):
    """PromQL of one's own. Samples carry the labels group, topic and partition; label_replace() renames others.

    Selectors alone (`my_metric{cluster="main"}`) tell when they were taken. What is computed does not: then taken is needed.
    """

    model_config = validated_by(
        Rule("has(self.committed) != has(self.lag)", "needs either committed or lag: add one, remove the other", ".committed")
    )

    end: Expression
    """The offset that the next message gets, for each topic and partition."""
    committed: Expression | None = None
    """The offset that the group reads next, for each group, topic and partition; -1 where it never committed."""
    lag: Expression | None = None
    """Where nothing tells committed offsets: the messages between them and the end, read at the same moment as the end."""
    log_start: Expression | None = None
    """The oldest offset that is still there. Without it messages that expired unread count as waiting."""
    partitions: Expression | None = None
    """How many partitions each topic has. Without it one that is missing after the last is not missed."""
    taken: Expression | None = None
    """When the numbers were taken, as a Unix time in seconds; of several samples the oldest counts."""


class _Fault(NamedTuple):
    """What is wrong with a block, once for CEL and once for files."""

    rule: str
    message: str
    field: str

    @property
    def as_rule(self) -> Rule:
        return Rule(self.rule, self.message, f".{self.field}", "FieldValueForbidden")


_CA: Final = _Fault(
    "!has(self.caSecretRef) || self.url.startsWith('https://')",
    "only used with TLS: remove it, or let url begin with https://",
    "caSecretRef",
)
_PROOFS: Final = _Fault(
    "!has(self.bearerTokenSecretRef) || !has(self.credentialsSecretRef)",
    "cannot stand beside credentialsSecretRef: remove one of them",
    "bearerTokenSecretRef",
)
_QUERIES: Final = _Fault(
    "(self.exporter == 'Custom') == has(self.queries)",
    "belongs to exporter Custom, which needs it, and to no other",
    "queries",
)
_LABELS: Final = _Fault(
    "self.exporter != 'Custom' || !has(self.labels) || self.labels.size() == 0",
    "only used with the ready-made queries: write matchers into queries instead",
    "labels",
)


class Prometheus(Block):
    """How to reach Prometheus, or what answers as it does (Thanos, Mimir, VictoriaMetrics), and which series tell of groups."""

    model_config = validated_by(*(fault.as_rule for fault in (_CA, _PROOFS, _QUERIES, _LABELS)))

    url: URL
    """What /api/v1/query is put behind."""
    exporter: Exporter = Exporter.KAFKA_EXPORTER
    """Whose series tell of consumer groups. KafkaExporter (also Strimzi's): kafka_consumergroup_current_offset,
    kafka_topic_partition_current_offset and _oldest_offset, kafka_topic_partitions. Kminion:
    kminion_kafka_consumer_group_topic_partition_lag, kminion_kafka_topic_partition_high_water_mark and _low_water_mark,
    kminion_kafka_topic_info. Custom: those of queries."""
    labels: Annotated[tuple[LabelValue, ...], Field(max_length=16)] = ()
    """What the exporter's series must have, so that they are of one cluster: with Strimzi strimzi_io_cluster and namespace."""
    queries: Queries | None = None
    """With exporter Custom: what to ask."""
    max_age: Annotated[Duration, DurationRange("5s", "1h")] = Duration("90s")
    """How old a sample may be before it says nothing any more; let it be more than two scrapes."""
    credentials_secret_ref: CredentialsSecretRef | None = None
    """A user and a password, where Prometheus asks for them."""
    bearer_token_secret_ref: BearerTokenSecretRef | None = None
    """A token instead, as a proxy before Prometheus asks for it."""
    ca_secret_ref: CaSecretRef | None = None
    """The authorities that sign the certificate of Prometheus. Without it the system's are trusted."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """See ``Block.addresses``."""
        return (self.url,)

    @property
    def secrets(self) -> tuple[SecretRef, ...]:
        """See ``Block.secrets``."""
        named = (self.credentials_secret_ref, self.bearer_token_secret_ref, self.ca_secret_ref)
        return tuple(secret for secret in named if secret is not None)

    @property
    def series(self) -> Series:
        """Where what is told."""
        if self.queries is None:
            return _READY_MADE[self.exporter]
        own = self.queries
        return Series(own.end, own.committed, own.lag, own.log_start, own.partitions, own.taken)

    def faults(self) -> Iterator[str]:
        """See ``Block.faults``."""
        custom, own = self.exporter is Exporter.CUSTOM, self.queries
        found = {
            _CA: self.ca_secret_ref is not None and not self.url.startswith("https://"),
            _PROOFS: self.bearer_token_secret_ref is not None and self.credentials_secret_ref is not None,
            _QUERIES: custom == (own is None),
            _LABELS: custom and bool(self.labels),
        }
        yield from (f"{fault.field}: {fault.message}" for fault, wrong in found.items() if wrong)
        if own is not None and (own.committed is None) == (own.lag is None):
            yield "queries.committed: needs either committed or lag: add one, remove the other"


def _access(wanted: Prometheus, secrets: Secrets) -> Access:
    credentials, token, ca = wanted.credentials_secret_ref, wanted.bearer_token_secret_ref, wanted.ca_secret_ref
    return Access(
        wanted.url,
        username=secrets.text(credentials.name, credentials.username_key) if credentials else None,
        password=secrets.text(credentials.name, credentials.password_key) if credentials else None,
        token=secrets.text(token.name, token.key) if token else None,
        ca=secrets.value(ca.name, ca.key) if ca else None,
    )


def _open(wanted: Prometheus, secrets: Secrets) -> PrometheusBroker:
    matchers = {label.name: label.value for label in wanted.labels}
    return PrometheusBroker(_access(wanted, secrets), wanted.series, matchers, wanted.max_age.seconds)


KIND: Final = Kind(name="Prometheus", block=Prometheus, capabilities=frozenset({Capability.GROUPS}), open=_open)
