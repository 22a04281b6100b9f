"""A type of brokers is what it tells of itself: one that nobody has heard of is served like the others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import create_model

from floodwarden import brokers
from floodwarden.api.blocks import Address, Block, CredentialsSecretRef, SecretRef, wrong_ports
from floodwarden.api.crd import object_schema
from floodwarden.api.manifests import ManifestError, parsed
from floodwarden.api.messagebroker import MessageBroker, spec_of
from floodwarden.api.resource import InvalidManifest
from floodwarden.brokers.kind import Kind
from floodwarden.brokers.kinds import KINDS
from floodwarden.brokers.secrets import Secrets, UnusableSecret
from floodwarden.cli.checking.run import ask
from floodwarden.cli.checking.secrets import secrets_for
from floodwarden.cluster.secrets import HiddenValues, SecretData, SecretReader
from floodwarden.core.assess import Gap
from floodwarden.core.capabilities import Capability
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.survey import Change
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import Query, Snapshot, Unknown
from floodwarden.core.reasons import Reason
from floodwarden.sweep.audits import audit_of
from floodwarden.sweep.audits.plain import PlainAudit
from floodwarden.sweep.binding import lacking
from floodwarden.sweep.connect import open_broker, open_delivery, open_settings, read_secrets
from floodwarden.sweep.ledger import BrokerLedger
from floodwarden.sweep.services import Services
from tests.support.resources import backlog_policy, delivery_policy


class Pigeons(Block):
    """How to reach pigeons."""

    loft: Address
    """Where they live."""
    keeper: CredentialsSecretRef
    """Who feeds them."""

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.loft,)

    @property
    def secrets(self) -> tuple[SecretRef, ...]:
        return (self.keeper,)

    def faults(self) -> Iterator[str]:
        yield from wrong_ports("loft", (self.loft,))


class Loft:
    """An adapter for sweeps and for audits."""

    requests = 0
    cluster = "loft"

    def __init__(self, pigeons: Pigeons, secrets: Secrets) -> None:
        self.keeper = secrets.text(pigeons.keeper.name, pigeons.keeper.username_key)
        if self.keeper == "cat":
            raise UnusableSecret("cats keep no pigeons")

    async def observe(self, queries: Collection[Query]) -> Snapshot:
        raise AssertionError("nobody asks")

    async def survey(self, wanted: Callable[[str], bool]) -> Loft:
        return self

    def judge(self, found: Loft, policies: Collection[Wishes], beside: Collection[Wishes] = ()) -> Mapping[str, Findings]:
        return {wishes.name: Findings(7, 1, kind="perch") for wishes in policies}

    def made(self, found: Loft) -> Mapping[str, Change]:
        raise AssertionError("nobody asks")

    async def write(self, changes: Collection[Change]) -> Mapping[Change, Unknown]:
        raise AssertionError("nobody asks")

    async def close(self) -> None:
        pass


CAN = frozenset({Capability.QUEUES, Capability.DELIVERY, Capability.DEAD_LETTERS})
PIGEONS = Kind(name="Pigeons", block=Pigeons, capabilities=CAN, open=Loft, open_delivery=Loft)
KEEPER = {"username": b"anna\n", "password": b"corn"}
REACH = {"loft": "loft:4242", "keeper": {"name": "keeper"}}


@pytest.fixture
def resource() -> type[MessageBroker]:
    """MessageBrokers where pigeons are one more type."""
    return cast(
        type[MessageBroker], create_model("MessageBroker", __base__=MessageBroker, spec=(spec_of((*KINDS, PIGEONS)), ...))
    )


@pytest.fixture
def pigeons(resource: type[MessageBroker]) -> MessageBroker:
    return resource.parse({"metadata": {"name": "main", "namespace": "shop"}, "spec": {"type": "Pigeons", "pigeons": REACH}})


def secrets(**values: bytes) -> Secrets:
    return Secrets({"keeper": SecretData("1", HiddenValues(values))})


def test_it_is_read_from_manifests(pigeons: MessageBroker) -> None:
    """The type, its block, what can be done on it and where it is."""
    assert pigeons.spec.type == "Pigeons"
    assert pigeons.kind is PIGEONS
    assert isinstance(pigeons.spec.block, Pigeons)
    assert pigeons.addresses == ("loft:4242",)
    assert pigeons.capabilities == CAN
    assert pigeons.spec.sweep_interval.seconds == 1


def test_elsewhere_it_is_not_known() -> None:
    """And what is known is said."""
    with pytest.raises(InvalidManifest, match=r"spec\.type: Input should be 'Kafka', 'RabbitMQ', 'RocketMQ' or 'Prometheus'"):
        MessageBroker.parse({"metadata": {"name": "main", "namespace": "shop"}, "spec": {"type": "Pigeons", "pigeons": REACH}})


def test_it_is_in_the_schema(resource: type[MessageBroker]) -> None:
    """Among the types, as a block next to theirs, and bound to it by a rule."""
    spec = object_schema(resource)["properties"]["spec"]
    assert spec["properties"]["type"]["enum"] == ["Kafka", "RabbitMQ", "RocketMQ", "Prometheus", "Pigeons"]
    assert list(spec["properties"])[:7] == ["type", "kafka", "rabbitmq", "rocketmq", "prometheus", "pigeons", "sweepInterval"]
    block = spec["properties"]["pigeons"]
    assert block["description"] == "How to reach the brokers; required with type Pigeons."
    assert list(block["properties"]) == ["loft", "keeper"]
    assert spec["x-kubernetes-validations"][-1]["rule"] == "(self.type == 'Pigeons') == has(self.pigeons)"


WRONG = {
    "no block": ({"type": "Pigeons"}, "spec.pigeons: type Pigeons needs the block of that name"),
    "the block of another": (
        {"type": "Kafka", "kafka": {"bootstrapServers": ["a:1"]}, "pigeons": REACH},
        "spec.pigeons: only used with type Pigeons",
    ),
    "no port": ({"type": "Pigeons", "pigeons": {**REACH, "loft": "loft:99999"}}, "spec.pigeons.loft: a port must be from"),
}


@pytest.mark.parametrize(("spec", "says"), WRONG.values(), ids=WRONG)
def test_wrong_files_are_refused(resource: type[MessageBroker], spec: dict[str, Any], says: str) -> None:
    """As the API server would, by what the block itself says."""
    head = {"apiVersion": "floodwarden.dev/v1alpha1", "kind": "MessageBroker", "metadata": {"name": "main"}}
    with pytest.raises(ManifestError, match=says):
        parsed(resource, {**head, "spec": spec})


async def test_its_adapters_are_opened(pigeons: MessageBroker) -> None:
    """With what its Secrets hold, without the newline that editors leave; settings by the way that it has."""
    for opened in (open_broker(pigeons, secrets(**KEEPER)), open_delivery(pigeons, secrets(**KEEPER))):
        assert isinstance(opened, Loft)
        assert opened.keeper == "anna"
        await opened.close()
    other = open_settings(pigeons, secrets(**KEEPER))
    assert isinstance(other, Gap)
    assert other.reason is Reason.BROKER_NOT_CAPABLE


async def test_its_settings_are_audited(pigeons: MessageBroker) -> None:
    """By the audit for adapters that judge, in the operator and in `floodwarden check`."""
    services = cast(Services, SimpleNamespace(secrets=None, ledgers=None))
    assert isinstance(audit_of(pigeons, services, BrokerLedger(services.ledgers, "pigeons")), PlainAudit)
    wishes = delivery_policy().wishes
    assert await ask(pigeons, secrets(**KEEPER), [wishes]) == {wishes.name: Findings(7, 1, kind="perch")}


UNUSABLE = {
    "a key is missing": ({"password": b"corn"}, Reason.SECRET_MISSING, "Secret keeper has no key username"),
    "no text": ({"username": b"\xff"}, Reason.SECRET_INVALID, "key username of Secret keeper is not UTF-8 text"),
    "what only the type knows": ({"username": b"cat"}, Reason.SECRET_INVALID, "cats keep no pigeons"),
}


@pytest.mark.parametrize(("values", "reason", "says"), UNUSABLE.values(), ids=UNUSABLE)
def test_secrets_that_cannot_be_used(pigeons: MessageBroker, values: dict[str, bytes], reason: Reason, says: str) -> None:
    """What to do is said."""
    found = open_broker(pigeons, secrets(**values))
    assert isinstance(found, Gap)
    assert found.reason is reason
    assert says in found.message


async def test_its_secrets_are_read(pigeons: MessageBroker) -> None:
    """In the cluster those that its block names, and for `floodwarden check` from the environment, by the same variables."""
    asked: list[tuple[str, str]] = []

    class Reader:
        async def read(self, namespace: str, name: str) -> SecretData:
            asked.append((namespace, name))
            return SecretData("7", HiddenValues(KEEPER))

    found = await read_secrets(pigeons, cast(SecretReader, Reader()))
    assert isinstance(found, Secrets)
    assert (asked, found.versions) == ([("shop", "keeper")], {"keeper": "7"})
    environment = {"FLOODWARDEN_USERNAME": "anna", "FLOODWARDEN_PASSWORD": "corn"}
    held = secrets_for(pigeons, {}, environment, str.encode).held
    assert {name: dict(secret.data) for name, secret in held.items()} == {"keeper": {"username": b"anna", "password": b"corn"}}


def test_policies_are_held_against_what_it_can(pigeons: MessageBroker) -> None:
    """What it lacks is refused with a reason, what it has is not."""
    assert lacking(backlog_policy(), pigeons) == "which has no consumer groups: name queues in spec.subscription"
    assert lacking(backlog_policy(subscription={"queues": ["post"]}), pigeons) is None
    assert lacking(delivery_policy(), pigeons) is None
    limited = delivery_policy(consumption={"acknowledge": "AfterProcessing", "deliveryLimit": 5})
    counts_none = "which counts no deliveries: leave deliveryLimit out of spec.consumption"
    assert lacking(limited, pigeons) == counts_none
    both = delivery_policy(consumption={"deliveryLimit": 5}, transactions={"hungAfter": "20m"})
    assert lacking(both, pigeons) == (
        f"which has no transactions that can be told: leave spec.transactions out; and {counts_none}"
    )


AUDITS: dict[str, dict[str, Any]] = {
    "none, although it says so": {"capabilities": CAN},
    "one, and says nothing of it": {"capabilities": frozenset({Capability.QUEUES}), "open_delivery": Loft},
    "two": {"capabilities": CAN, "open_settings": Loft, "open_delivery": Loft},
}


@pytest.mark.parametrize("told", AUDITS.values(), ids=AUDITS)
def test_a_type_opens_settings_where_it_says_so(told: dict[str, Any]) -> None:
    """In one way: audits choose by it."""
    with pytest.raises(ValueError, match="Pigeons: DeliverySettings takes one way to open settings"):
        Kind(name="Pigeons", block=Pigeons, open=Loft, **told)


def test_a_type_without_settings_has_no_way_to_them() -> None:
    """Backlogs alone will do."""
    assert Kind(name="Pigeons", block=Pigeons, open=Loft, capabilities=frozenset({Capability.QUEUES})).open_delivery is None


def test_every_folder_is_listed() -> None:
    """By the name of its block, once."""
    folders = [path.parent.name for path in Path(brokers.__path__[0]).glob("*/kind.py")]
    assert sorted(kind.field for kind in KINDS) == sorted(folders)
