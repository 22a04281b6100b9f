"""What is to be checked, from the texts of manifest files: policies, the MessageBrokers they bind to, Secrets. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from floodwarden.api.deliverypolicy import DeliveryPolicy
from floodwarden.api.manifests import Document, ManifestError, parsed
from floodwarden.api.messagebroker import MessageBroker
from floodwarden.api.resource import GROUP, VERSION
from floodwarden.cli.checking.secrets import secret_of
from floodwarden.cluster.secrets import SecretData
from floodwarden.sweep.binding import lacking
from floodwarden.sweep.store import Key, key_of


class InputError(ValueError):
    """What was given cannot be checked; ``what`` is at fault, the text says why and what to do. Neither quotes a Secret."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(why)
        self.what = what


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object stands: a file as it was named, and a line counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}"


@dataclass(frozen=True, slots=True)
class Placed:
    """A policy, and where it stands."""

    policy: DeliveryPolicy
    place: Place


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that the files hold; of other kinds nothing is kept."""

    policies: tuple[Placed, ...]
    brokers: Mapping[Key, MessageBroker]
    secrets: Mapping[Key, SecretData]


@dataclass(frozen=True, slots=True)
class Task:
    """One MessageBroker and all policies that are bound to it, which are judged together."""

    broker: MessageBroker
    policies: tuple[Placed, ...]


def read_inputs(files: Iterable[tuple[str, Sequence[Document]]]) -> Inputs:
    """The objects of files that were read, by the files' names. InputError where one is wrong or stands there twice."""
    policies: list[Placed] = []
    brokers: dict[Key, MessageBroker] = {}
    secrets: dict[Key, SecretData] = {}
    seen: dict[tuple[str, Key], Place] = {}
    for file, objects in files:
        for one in objects:
            place = Place(file, one.line)
            try:
                match one.kind:
                    case "DeliveryPolicy":
                        policies.append(Placed(parsed(DeliveryPolicy, one.body), place))
                    case "MessageBroker":
                        broker = parsed(MessageBroker, one.body)
                        brokers[key_of(broker)] = broker
                    case "Secret":
                        secrets[Key(one.namespace, one.name)] = secret_of(one)
                    case _:
                        continue
            except ManifestError as error:
                raise InputError(str(place), str(error)) from error
            about = one.kind, Key(one.namespace, one.name)
            if about in seen:
                raise InputError(str(place), f"{one.kind} {about[1]} stands in {seen[about]} too: remove one of them")
            seen[about] = place
    if not policies:
        raise InputError("the files", "there is no DeliveryPolicy in them: give a file that holds one")
    return Inputs(tuple(policies), brokers, secrets)


def tasks(inputs: Inputs, bootstrap_servers: str | None = None) -> list[Task]:
    """What to do, MessageBroker by MessageBroker; ``bootstrap_servers`` stands in for those that are not in the files."""
    by_broker: dict[Key, list[Placed]] = {}
    for placed in inputs.policies:
        by_broker.setdefault(Key(*placed.policy.broker), []).append(placed)
    missing = [key for key in by_broker if key not in inputs.brokers]
    if bootstrap_servers is not None and not missing:
        raise InputError("--bootstrap-servers", "every MessageBroker that a policy names is in the files: leave it out")
    if bootstrap_servers is not None and len(missing) > 1:
        names = ", ".join(map(str, missing))
        raise InputError("--bootstrap-servers", f"it can stand in for one MessageBroker, and these are in no file: {names}")
    found = []
    for key, policies in by_broker.items():
        broker = inputs.brokers.get(key) or _stand_in(key, policies[0], bootstrap_servers, inputs)
        for placed in policies:
            lacks = lacking(placed.policy, broker)
            if lacks is not None:
                raise InputError(str(placed.place), f"MessageBroker {key} is of type {broker.spec.type}, {lacks}")
            namespace = placed.policy.metadata.namespace
            if key in inputs.brokers and not broker.allows(namespace):
                why = f"MessageBroker {key} does not allow namespace {namespace}: add it to allowedNamespaces there"
                raise InputError(str(placed.place), why)
        found.append(Task(broker, tuple(policies)))
    return found


def _stand_in(key: Key, placed: Placed, bootstrap_servers: str | None, inputs: Inputs) -> MessageBroker:
    if bootstrap_servers is None:
        there = f", only {', '.join(map(str, inputs.brokers))}" if inputs.brokers else ""
        why = f"its MessageBroker {key} is not in the files{there}: give its file too, or --bootstrap-servers"
        raise InputError(str(placed.place), why)
    addresses = [address.strip() for address in bootstrap_servers.split(",")]
    try:
        return parsed(
            MessageBroker,
            {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": "MessageBroker",
                "metadata": {"namespace": key.namespace, "name": key.name},
                "spec": {"type": "Kafka", "kafka": {"bootstrapServers": addresses}},
            },
        )
    except ManifestError as error:
        raise InputError("--bootstrap-servers", str(error)) from error
