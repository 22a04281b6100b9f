"""What Prometheus scrapes. A value that is not known has no series: absent is not zero.

Names follow Prometheus' conventions (base units, ``_total`` for counters). Labels are bounded by the objects that exist,
and go with them.
"""

from __future__ import annotations

from collections import Counter as Counted
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from floodwarden.cluster.status import StatusOutcome
from floodwarden.core.assess import Assessment, Gap
from floodwarden.core.decide import Decision
from floodwarden.core.delivery.story import Audited
from floodwarden.core.delivery.violations import Action
from floodwarden.core.diagnosis.cause import Cause
from floodwarden.core.memory import Memory
from floodwarden.core.reasons import Reason
from floodwarden.core.target import Target
from floodwarden.sweep.store import Key

_POLICY = ("namespace", "policy")
_BROKER = ("namespace", "broker")
_SWEEP_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_AUDIT_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


@dataclass(slots=True)
class _Shown:
    """What the registry shows of one policy. Looking series up by their labels costs more than deciding, so they are kept."""

    values: tuple[float | None, ...] = ()
    gauges: dict[Gauge, Gauge] = field(default_factory=dict)  # the series of each gauge that has a value
    decisions: dict[Reason, Counter] = field(default_factory=dict)
    state: Reason | None = None
    cause: Cause | None = None


class Metrics:
    """All metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        build = Gauge("floodwarden_build_info", "1, with the version that runs.", ("version",), registry=self.registry)
        build.labels(version("floodwarden")).set(1)
        self._shown: dict[Key, _Shown] = {}
        # In the order of the values in ``policy``.
        self._gauges = [
            Gauge(f"floodwarden_policy_{name}", text, _POLICY, registry=self.registry)
            for name, text in (
                ("lag_messages", "Messages that wait to be consumed; a lower bound while reading_exact is 0."),
                ("lag_seconds", "How long the oldest waiting message has waited."),
                ("reading_exact", "1 while every partition can be read, else 0."),
                ("produced_messages_per_second", "Messages that arrive."),
                ("consumed_messages_per_second", "Messages that the group commits."),
                ("replica_capacity_messages_per_second", "What one replica can consume, as learnt."),
                ("partitions", "Partitions the group reads."),
                ("replicas", "Replicas the target asks for."),
                ("replicas_desired", "Replicas that Floodwarden finds right."),
                ("replicas_ceiling", "Most replicas that can help."),
                ("within_limit", "1 while the lag is within maxLag, 0 while it is over; absent while not known."),
                ("stalled_partitions", "Partitions whose offset stands still under lag."),
            )
        ]
        self._state = Gauge(
            "floodwarden_policy_state",
            "1 for the policy's State, a reason of the reference.",
            (*_POLICY, "state"),
            registry=self.registry,
        )
        self._cause = Gauge(
            "floodwarden_policy_cause",
            "1 for why messages of the policy wait: a cause of the reference, or None.",
            (*_POLICY, "cause"),
            registry=self.registry,
        )
        self._decisions = Counter("floodwarden_decisions", "Decisions by reason.", (*_POLICY, "reason"), registry=self.registry)
        self._steps = Counter(
            "floodwarden_steps", "Changes of replicas that were made, by reason.", (*_POLICY, "reason"), registry=self.registry
        )
        self._sweeps = Histogram(
            "floodwarden_sweep_duration_seconds",
            "How long sweeps take: reading, deciding, acting.",
            _BROKER,
            registry=self.registry,
            buckets=_SWEEP_BUCKETS,
        )
        self._requests = Counter("floodwarden_broker_requests", "Requests sent to the brokers.", _BROKER, registry=self.registry)
        self._failures = Counter(
            "floodwarden_sweep_failures",
            "Sweeps that could read nothing, by reason.",
            (*_BROKER, "reason"),
            registry=self.registry,
        )
        self._nodes = Gauge(
            "floodwarden_broker_nodes_unreachable", "Broker nodes that did not answer.", _BROKER, registry=self.registry
        )
        self._compliant = Gauge(
            "floodwarden_delivery_compliant",
            "1 while everything found is as a DeliveryPolicy asks for; absent while not known.",
            _POLICY,
            registry=self.registry,
        )
        self._violations = Gauge(
            "floodwarden_delivery_violations",
            "Differences from a DeliveryPolicy, by what becomes of them.",
            (*_POLICY, "action"),
            registry=self.registry,
        )
        self._repairs = Counter(
            "floodwarden_delivery_repairs", "Settings written, by outcome.", (*_POLICY, "outcome"), registry=self.registry
        )
        self._audits = Histogram(
            "floodwarden_audit_duration_seconds",
            "How long audits take: reading, comparing, repairing.",
            _BROKER,
            registry=self.registry,
            buckets=_AUDIT_BUCKETS,
        )
        self._audit_requests = Counter(
            "floodwarden_audit_requests", "Requests sent to the brokers by audits.", _BROKER, registry=self.registry
        )
        self._audit_failures = Counter(
            "floodwarden_audit_failures",
            "Audits that could read nothing, by reason.",
            (*_BROKER, "reason"),
            registry=self.registry,
        )
        self.status_writes = Counter(
            "floodwarden_status_writes", "Writes of status, by outcome.", ("outcome",), registry=self.registry
        )
        for outcome in StatusOutcome:  # from zero on, so that the first one that fails is an increase
            self.status_writes.labels(outcome.name.lower())

    def count_dropped_events(self, dropped: Callable[[], int]) -> None:
        """Tell the recorder's own count of Events that could not be posted."""
        self.registry.register(_Dropped(dropped))

    def tell_shares(self, known: Callable[[], int], held: Callable[[], int], leading: Callable[[], bool]) -> None:
        """Tell what this replica knows of and what it holds, as it is at every scrape."""
        Gauge("floodwarden_brokers_known", "MessageBrokers that there are.", registry=self.registry).set_function(known)
        brokers = Gauge("floodwarden_brokers_held", "MessageBrokers that this replica sweeps.", registry=self.registry)
        brokers.set_function(held)
        leader = Gauge("floodwarden_leader", "1 on the replica that looks after what has no broker.", registry=self.registry)
        leader.set_function(leading)

    def policy(
        self, key: Key, state: Reason, seen: Assessment, decision: Decision, memory: Memory, target: Target | None
    ) -> None:
        """Everything that one decision says of a policy. ``state`` is the word of the State column."""
        capacity = memory.capacity.per_replica if memory.capacity else None
        known = seen.lag is not None
        values = (
            seen.lag,
            seen.seconds,
            int(seen.exact),
            seen.produced,
            seen.consumed,
            capacity,
            seen.partitions if known else None,
            target.replicas if target else None,
            decision.desired,
            decision.ceiling,
            None if decision.over is None else int(not decision.over),
            len(decision.stalled) if known else None,
        )
        shown = self._shown.setdefault(key, _Shown())
        if values != shown.values:
            shown.values = values
            for gauge, value in zip(self._gauges, values, strict=True):
                _set(gauge, shown.gauges, key, value)
        if state is not shown.state:
            self._set_state(key, shown, state)
        cause = memory.verdict.told.cause if memory.verdict is not None else Cause.NONE
        if cause is not shown.cause:
            self._set_cause(key, shown, cause)
        self.decided(key, decision.reason)

    def decided(self, key: Key, reason: Reason) -> None:
        """One decision more, or one that stands once more."""
        shown = self._shown.setdefault(key, _Shown())
        decisions = shown.decisions.get(reason)
        if decisions is None:
            decisions = shown.decisions[reason] = self._decisions.labels(key.namespace, key.name, reason.value)
        decisions.inc()

    def delivery(self, key: Key, outcome: Audited | Gap) -> None:
        """What one audit found of a DeliveryPolicy; nothing is shown of what could not be found out."""
        names = (key.namespace, key.name)
        if isinstance(outcome, Gap):
            for gauge in (self._compliant, self._violations):
                gauge.remove_by_labels({"namespace": key.namespace, "policy": key.name})
            return
        findings = outcome.findings
        counted = Counted(violation.action for violation in findings.violations)
        for action in Action:
            self._violations.labels(*names, action.value).set(counted[action])
        self._compliant.labels(*names).set(int(not findings.violations))
        for done, changes in (("written", outcome.written), ("failed", outcome.failed)):
            self._repairs.labels(*names, done).inc(len(changes))

    def audit(self, key: Key, seconds: float, requests: int) -> None:
        """An audit that read something."""
        self._audits.labels(key.namespace, key.name).observe(seconds)
        self._audit_requests.labels(key.namespace, key.name).inc(requests)

    def audit_failed(self, key: Key, reason: str) -> None:
        """An audit that could read nothing."""
        self._audit_failures.labels(key.namespace, key.name, reason).inc()

    def step(self, key: Key, decision: Decision) -> None:
        """A change of replicas was made."""
        self._steps.labels(key.namespace, key.name, decision.reason.value).inc()

    def sweep(self, key: Key, seconds: float, requests: int, unreachable: int) -> None:
        """A sweep that read something."""
        self._sweeps.labels(key.namespace, key.name).observe(seconds)
        self._requests.labels(key.namespace, key.name).inc(requests)
        self._nodes.labels(key.namespace, key.name).set(unreachable)

    def sweep_failed(self, key: Key, reason: str) -> None:
        """A sweep that could read nothing."""
        self._failures.labels(key.namespace, key.name, reason).inc()
        self._nodes.remove(key.namespace, key.name)  # not known now

    def forget_policy(self, key: Key) -> None:
        """The policy is gone, and its series with it."""
        shown = self._shown.pop(key, _Shown())
        for gauge in self._gauges:
            _set(gauge, shown.gauges, key, None)
        self._set_state(key, shown, None)
        self._set_cause(key, shown, None)
        for counter in (self._decisions, self._steps):
            counter.remove_by_labels({"namespace": key.namespace, "policy": key.name})

    def forget_delivery(self, key: Key) -> None:
        """The DeliveryPolicy is gone, and its series with it."""
        for metric in (self._compliant, self._violations, self._repairs):
            metric.remove_by_labels({"namespace": key.namespace, "policy": key.name})

    def forget_broker(self, key: Key) -> None:
        """The broker is gone, and its series with it."""
        for metric in (
            self._sweeps,
            self._requests,
            self._failures,
            self._nodes,
            self._audits,
            self._audit_requests,
            self._audit_failures,
        ):
            metric.remove_by_labels({"namespace": key.namespace, "broker": key.name})

    def _set_state(self, key: Key, shown: _Shown, state: Reason | None) -> None:
        """One series for each policy: that of the state before goes."""
        if shown.state is not None:
            self._state.remove(key.namespace, key.name, shown.state.value)
        if state is not None:
            self._state.labels(key.namespace, key.name, state.value).set(1)
        shown.state = state

    def _set_cause(self, key: Key, shown: _Shown, cause: Cause | None) -> None:
        """Likewise."""
        if shown.cause is not None:
            self._cause.remove(key.namespace, key.name, shown.cause.value)
        if cause is not None:
            self._cause.labels(key.namespace, key.name, cause.value).set(1)
        shown.cause = cause


def _set(gauge: Gauge, shown: dict[Gauge, Gauge], key: Key, value: float | None) -> None:
    """Show a value, or no series where it is not known."""
    if value is None:
        if shown.pop(gauge, None) is not None:
            gauge.remove(key.namespace, key.name)
        return
    if gauge not in shown:
        shown[gauge] = gauge.labels(key.namespace, key.name)
    shown[gauge].set(value)


class _Dropped(Collector):
    """A counter that is kept elsewhere."""

    def __init__(self, dropped: Callable[[], int]) -> None:
        self._dropped = dropped

    def collect(self) -> Iterator[CounterMetricFamily]:
        yield CounterMetricFamily("floodwarden_events_dropped", "Events that could not be posted.", value=self._dropped())
