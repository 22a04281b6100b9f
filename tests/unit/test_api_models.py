"""The models: manifests as the API server delivers them become typed, immutable objects, and a status goes back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from floodhack.instance import CHECKOUT
from floodwarden.api.backlogpolicy import (
    BacklogPolicy,
    BacklogPolicyStatus,
    Capacity,
    Lag,
    LastStep,
    Mode,
    PartitionsStatus,
    Rates,
    Replicas,
)
from floodwarden.api.durations import Duration
from floodwarden.api.messagebroker import MessageBroker, MessageBrokerStatus
from floodwarden.api.resource import ApiModel, InvalidManifest
from floodwarden.api.shared import MAX_NAMED, Condition, ConditionStatus, bounded
from floodwarden.brokers.kafka.kind import Kafka, SecurityProtocol
from floodwarden.core.memory import Basis, Phase
from floodwarden.core.observation import Subscription
from floodwarden.core.target import TargetRef

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def policy(**spec: Any) -> dict[str, Any]:
    """A minimal BacklogPolicy as delivered, with what is given added to its spec."""
    return {
        "apiVersion": "floodwarden.dev/v1alpha1",
        "kind": "BacklogPolicy",
        "metadata": {
            "name": "billing",
            "namespace": "shop",
            "uid": "u",
            "generation": 3,
            "resourceVersion": "7",
            "managedFields": [],
        },
        "spec": {
            "brokerRef": {"name": "main"},
            "subscription": {"group": "billing"},
            "maxLag": {"seconds": 30},
            "consumers": {"targetRef": {"name": "billing"}},
            **spec,
        },
    }


def broker(**spec: Any) -> dict[str, Any]:
    """A minimal MessageBroker as delivered, with what is given added to its spec."""
    return {
        "metadata": {"name": "main", "namespace": "platform"},
        "spec": {"type": "Kafka", "kafka": {"bootstrapServers": ["a:9092", "b:9092"]}, **spec},
    }


def test_policy_defaults() -> None:
    """What a manifest leaves out has the promised value."""
    spec = BacklogPolicy.parse(policy()).spec
    assert (spec.catch_up.seconds, spec.mode, spec.subscription.topics) == (60, Mode.ENFORCE, None)
    assert (spec.max_lag.seconds, spec.max_lag.messages) == (30, None)
    assert (spec.consumers.min_replicas, spec.consumers.max_replicas) == (1, None)
    assert spec.consumers.scale_down.stabilization.seconds == 120


def test_policy_in_the_terms_of_core() -> None:
    """Broker, subscription and target are handed on with their defaults resolved."""
    found = BacklogPolicy.parse(policy(subscription={"group": "billing", "topics": ["orders", "refunds"]}))
    assert found.broker == ("shop", "main")
    assert found.subscription == Subscription("billing", ("orders", "refunds"))
    assert found.target == TargetRef("shop", "apps/v1", "Deployment", "billing")
    elsewhere = BacklogPolicy.parse(policy(brokerRef={"name": "main", "namespace": "platform"}))
    assert elsewhere.broker == ("platform", "main")
    assert elsewhere.subscription == Subscription("billing")


def test_broker_defaults() -> None:
    """A broker without a word on security is reached in plain text, once a second, by policies of its own namespace."""
    found = MessageBroker.parse(broker())
    assert found.spec.type == "Kafka"
    assert isinstance(found.spec.block, Kafka)
    assert found.spec.block.bootstrap_servers == ("a:9092", "b:9092")
    assert found.spec.block.security.protocol is SecurityProtocol.PLAINTEXT
    assert found.spec.sweep_interval.seconds == 1


@pytest.mark.parametrize(
    ("allowed", "namespace", "answer"),
    [
        ([], "platform", True),
        ([], "shop", False),
        (["shop"], "shop", True),
        (["shop"], "platform", True),
        (["shop"], "reports", False),
        (["*"], "reports", True),
    ],
)
def test_who_may_bind(allowed: list[str], namespace: str, answer: bool) -> None:
    """Its own namespace always may, others as listed, everybody with a star."""
    assert MessageBroker.parse(broker(allowedNamespaces=allowed)).allows(namespace) is answer


@pytest.mark.parametrize(
    ("protocol", "encrypted", "authenticated"),
    [("PLAINTEXT", False, False), ("SSL", True, False), ("SASL_PLAINTEXT", False, True), ("SASL_SSL", True, True)],
)
def test_protocols(protocol: str, encrypted: bool, authenticated: bool) -> None:
    """What each security protocol gives."""
    assert (SecurityProtocol(protocol).encrypted, SecurityProtocol(protocol).authenticated) == (encrypted, authenticated)


@pytest.mark.parametrize(("value", "answer"), [("true", True), ("false", False), ("True", True), (None, False)])
def test_paused(value: str | None, answer: bool) -> None:
    """The annotation floodwarden.dev/paused stops an object when it is "true", however that is written."""
    manifest = policy()
    manifest["metadata"]["annotations"] = {} if value is None else {"floodwarden.dev/paused": value}
    assert BacklogPolicy.parse(manifest).paused is answer


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"maxLag": {"messages": 0}}, "spec.maxLag.messages: Input should be greater than or equal to 1"),
        ({"catchUp": "1d"}, "spec.catchUp: "),
        ({"catchUp": "48h"}, "must be a duration from 1s to 24h"),
        ({"mode": "Audit"}, "spec.mode: Input should be 'Enforce' or 'DryRun'"),
        ({"consumers": {}}, "spec.consumers.targetRef: Field required"),
    ],
)
def test_invalid_manifest(spec: dict[str, Any], says: str) -> None:
    """An object that its CRD should have refused is refused here, with the field and the fault."""
    with pytest.raises(InvalidManifest) as refusal:
        BacklogPolicy.parse(policy(**spec))
    assert says in str(refusal.value)


def test_unknown_fields_are_ignored() -> None:
    """What a newer version has written does not hinder this one."""
    assert BacklogPolicy.parse({**policy(throttle={"when": "Always"}), "status": {"mood": "Calm"}}).spec.mode is Mode.ENFORCE


def test_models_are_immutable() -> None:
    """A spec in the store cannot be changed by who reads it."""
    found = BacklogPolicy.parse({**policy(), "metadata": {"name": "a", "namespace": "b", "annotations": {"x": "y"}}})
    with pytest.raises(ValidationError):
        found.spec.mode = Mode.DRY_RUN  # type: ignore[misc]
    with pytest.raises(TypeError):
        found.metadata.annotations["x"] = "z"  # type: ignore[index]


@pytest.mark.parametrize("path", sorted((CHECKOUT / "deploy/examples").glob("*.yaml")), ids=lambda path: str(path.stem))
def test_examples_are_understood(path: Any) -> None:
    """Every example's resources parse, and their spec written out parses to the same."""
    for manifest in yaml.safe_load_all(path.read_text()):
        for resource in (MessageBroker, BacklogPolicy):
            if manifest["kind"] == resource.definition.kind:
                found = resource.parse(manifest)
                assert resource.parse({**manifest, "spec": found.spec.to_api()}) == found


def built(model: type[ApiModel], **parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Models from parts by their Python names; st.builds would infer the aliases as well."""
    return st.fixed_dictionaries(parts).map(lambda given: model(**given))


def whole_milliseconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


rates = st.floats(min_value=0, max_value=1e9)
counts = st.integers(min_value=0, max_value=2**53)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)).map(whole_milliseconds)
words = st.text(min_size=1, max_size=40)
names = st.lists(words, max_size=30).map(bounded)
conditions = built(
    Condition,
    type=words,
    status=st.sampled_from(ConditionStatus),
    reason=words,
    message=words,
    last_transition_time=moments,
    observed_generation=st.none() | counts,
)
steps = built(
    LastStep, at=moments, from_=counts, to=counts, reason=words, phase=st.sampled_from(Phase), throughput_before=st.none() | rates
)
statuses = built(
    BacklogPolicyStatus,
    observed_generation=st.none() | counts,
    state=st.none() | words,
    message=st.none() | words,
    lag=st.none() | built(Lag, messages=counts, seconds=st.none() | rates, exact=st.booleans()),
    rates=st.none() | built(Rates, produced=st.none() | rates, consumed=rates, per_replica=st.none() | rates),
    capacity=st.none() | built(Capacity, per_replica=rates, measured_at=moments, basis=st.sampled_from(Basis)),
    partitions=st.none() | built(PartitionsStatus, total=counts, unknown=counts, stalled=names, hot=names),
    replicas=st.none() | built(Replicas, current=st.none() | counts, desired=counts, ceiling=st.none() | counts),
    drain_eta=st.none() | st.floats(0, 1e8).map(Duration.of),
    last_step=st.none() | steps,
    conditions=st.lists(conditions, max_size=4).map(tuple),
)


@given(statuses)
def test_status_round_trip(status: BacklogPolicyStatus) -> None:
    """Any status that can be built comes back equal after it was written: nothing is lost over a restart."""
    written = status.to_api()
    assert BacklogPolicy.parse({**policy(), "status": written}).status == status
    assert "from_" not in str(written)


def test_status_as_written() -> None:
    """A status is written in camelCase, rounded, in UTC, without what is not known."""
    status = BacklogPolicyStatus(
        lag=Lag(messages=5, exact=False),
        rates=Rates(produced=1234.567, consumed=0.01234567),
        drain_eta=Duration.of(80),
        last_step=LastStep(
            at=datetime(2026, 11, 23, 14, 0, 0, 120_999, tzinfo=timezone(timedelta(hours=2))),
            from_=2,
            to=8,
            reason="ScaledUp",
            phase=Phase.SETTLING,
        ),
    )
    assert status.to_api() == {
        "lag": {"messages": 5, "exact": False},
        "rates": {"produced": 1235, "consumed": 0.01235},
        "drainETA": "1m20s",
        "lastStep": {"at": "2026-11-23T12:00:00.120Z", "from": 2, "to": 8, "reason": "ScaledUp", "phase": "Settling"},
        "gaps": [],
        "conditions": [],
    }
    sweep = {"at": NOON, "duration": "42ms", "requests": 9}
    assert MessageBrokerStatus.model_validate({"lastSweep": sweep}).to_api()["lastSweep"]["at"] == "2026-11-23T12:00:00Z"


def test_naive_times_are_refused() -> None:
    """A time without its zone is a mistake."""
    with pytest.raises(ValidationError):
        Capacity(per_replica=1, measured_at=datetime(2026, 11, 23, 12), basis=Basis.MEASURED)


def test_bounded_names() -> None:
    """A long list of names is cut to fit the status, and says how many it leaves out."""
    assert bounded(["a", "b"]) == ("a", "b")
    cut = bounded(str(number) for number in range(100))
    assert len(cut) == MAX_NAMED
    assert cut[-2:] == ("18", "and 81 more")
