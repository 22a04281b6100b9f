"""Objects from the text of an ordinary manifest file, checked as strictly as the API server would.

The API server refuses wrong manifests by the CRD's schema and CEL rules. Where nobody stands in between (``floodwarden
simulate``, ``floodwarden check``), fields that do not exist and rules without which a policy means nothing are checked here.
No message quotes a value of a file: it may hold Secrets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final, TypeVar

import yaml

from floodwarden.api.backlogpolicy import BacklogPolicy
from floodwarden.api.blocks import Block
from floodwarden.api.crd import object_schema
from floodwarden.api.deliverypolicy import DeliveryPolicy
from floodwarden.api.deliveryspec import ASKED, READ, REPLICATED_IN_SYNC, Flush, FlushMode, Replication
from floodwarden.api.messagebroker import MessageBroker
from floodwarden.api.resource import GROUP, VERSION, InvalidManifest, Resource
from floodwarden.api.schema import Schema
from floodwarden.api.shared import LABEL_PATTERN, SUBDOMAIN_PATTERN

LARGEST: Final = 1_000_000  # bytes of a file
DEFAULT_NAMESPACE: Final = "default"  # as with ``kubectl apply``, where a namespace is left out

Kind = TypeVar("Kind", bound=Resource)


class ManifestError(ValueError):
    """A manifest that cannot be used; the text says what is wrong and what to do, and quotes no value."""


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a file and the line it begins in. The body is left out of ``repr``: it may be a Secret."""

    body: Mapping[str, Any] = field(repr=False)
    line: int

    @property
    def kind(self) -> str:
        return str(self.body.get("kind", "no kind"))

    @property
    def metadata(self) -> Mapping[str, Any]:
        return _metadata(self.body)

    @property
    def name(self) -> str:
        return str(self.metadata.get("name", ""))

    @property
    def namespace(self) -> str:
        return str(self.metadata.get("namespace", DEFAULT_NAMESPACE))


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, as the API server does; YAML alone would take the last one."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        assert isinstance(node, yaml.MappingNode)
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = {key.value: key for key in keys}
        for key in keys:
            if twice[key.value] is not key:
                raise yaml.MarkedYAMLError(problem="a field stands there twice: remove one", problem_mark=key.start_mark)
        return node


def documents(text: str) -> list[Document]:
    """Every object of a YAML file, also those in a List as ``kubectl get --output yaml`` prints it.

    ManifestError where it is no YAML, or holds something else than objects.
    """
    try:
        return list(_documents(text))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        problem = _unquoted(getattr(error, "problem", None) or "it cannot be read")
    except RecursionError:
        where, problem = "", "it is nested too deep"
    # Outside of the except clauses: the errors of YAML quote the file.
    raise ManifestError(f"{where}it is not YAML: {problem}")


def _documents(text: str) -> Iterator[Document]:
    loader = _Loader(text)
    try:
        while loader.check_node():
            for node in _objects(loader.get_node()):
                body = _constructed(loader, node)
                if body is None:
                    continue
                if not isinstance(body, dict):
                    raise ManifestError("it is YAML, but no manifest: a manifest begins with apiVersion and kind")
                yield Document(body, node.start_mark.line + 1)
    finally:
        loader.dispose()


def _objects(document: yaml.Node | None) -> list[yaml.Node]:
    """The document itself, or what is in it where it is a List."""
    if not isinstance(document, yaml.MappingNode):
        return [document] if document is not None else []
    parts = {key.value: value for key, value in document.value if isinstance(key, yaml.ScalarNode)}
    kind, items = parts.get("kind"), parts.get("items")
    if isinstance(kind, yaml.ScalarNode) and kind.value == "List" and isinstance(items, yaml.SequenceNode):
        return list(items.value)
    return [document]


def _constructed(loader: _Loader, node: yaml.Node) -> Any:
    try:
        return loader.construct_document(node)
    except (ValueError, OverflowError):  # such as the date 2026-13-01
        pass
    raise ManifestError(f"line {node.start_mark.line + 1}: a value in it looks like a number or a date and is none: quote it")


def _unquoted(problem: str) -> str:
    """What YAML says, without what it quotes of the file; a single character may stay."""
    return re.sub(r"""'(?!\\?.')[^']*'|"(?!\\?.")[^"]*\"""", "…", problem)


def _metadata(body: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = body.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def parsed(resource: type[Kind], body: Mapping[str, Any]) -> Kind:
    """The typed object; ManifestError where the API server would refuse it. A namespace may be left out."""
    kind = resource.definition.kind
    wanted = f"{GROUP}/{VERSION}"
    if body.get("apiVersion") != wanted:
        raise ManifestError(f"{kind}: apiVersion is {body.get('apiVersion')!r}; write {wanted}")
    schema = object_schema(resource)
    wrong = next(chain(_unknown_fields(schema, body), _unmatched(schema, body)), None)
    if wrong is not None:
        raise ManifestError(f"{kind}: {wrong}")
    try:
        found = resource.parse({**body, "metadata": {"namespace": DEFAULT_NAMESPACE, **_metadata(body)}})
    except InvalidManifest as error:
        raise ManifestError(f"{kind}: {error}") from error
    against = next(chain(_misnamed(found), _against(found)), None)
    if against is not None:
        raise ManifestError(f"{kind}: {against}")
    return found


def _places(schema: Schema, value: Any, path: str = "") -> Iterator[tuple[Schema, Any, str]]:
    """Every part of an object that its schema knows, with that part's schema and path."""
    yield schema, value, path
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from _places(schema["items"], item, f"{path}[{index}]")
    if isinstance(value, dict):
        known = schema.get("properties", {})
        for name, part in value.items():
            if name in known:
                yield from _places(known[name], part, _joined(path, name))


def _joined(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)


def _unknown_fields(schema: Schema, body: Mapping[str, Any]) -> Iterator[str]:
    """What stands in a manifest that its schema does not know: most often a typing error, and never without effect."""
    for part, value, path in _places(schema, body):
        known = part.get("properties")
        if isinstance(value, dict) and known is not None:
            for name in value:
                if name not in known:
                    yield f"{_joined(path, name)} is no field; known here: {', '.join(known)}"


_MATCHES: Final = re.compile(r"self\.matches\('([^']*)'\)")


def _unmatched(schema: Schema, body: Mapping[str, Any]) -> Iterator[str]:
    """The rules that are just a pattern, such as those of names."""
    for part, value, path in _places(schema, body):
        for rule in part.get("x-kubernetes-validations", ()):
            pattern = _MATCHES.match(rule["rule"])
            if pattern and "||" not in rule["rule"] and isinstance(value, str) and not _fits(pattern[1], value):
                yield f"{path}: {rule['message']}"


def _fits(pattern: str, value: str) -> bool:
    return re.fullmatch(pattern.replace("\\\\", "\\"), value) is not None


def _misnamed(found: Resource) -> Iterator[str]:
    if not _fits(SUBDOMAIN_PATTERN, found.metadata.name):
        yield "metadata.name: must be lower case letters, digits, '-' and '.', such as orders-db"
    if not _fits(LABEL_PATTERN, found.metadata.namespace):
        yield "metadata.namespace: must be lower case letters, digits and '-', such as shop"


def _against(found: Resource) -> Iterator[str]:
    """The CEL rules that are about more than one field."""
    match found:
        case BacklogPolicy():
            yield from _against_backlog(found)
        case DeliveryPolicy():
            yield from _against_delivery(found)
        case MessageBroker():
            yield from _against_broker(found)


def _against_backlog(policy: BacklogPolicy) -> Iterator[str]:
    limit, consumers, asked = policy.spec.max_lag, policy.spec.consumers, policy.spec.subscription
    if (asked.group is None) == (asked.queues is None):
        yield "spec.subscription: set group (Kafka, RocketMQ) or queues (RabbitMQ), and not both"
    if asked.topics is not None and asked.group is None:
        yield "spec.subscription.topics: only used with group: remove it, or name the group that reads the topics"
    if asked.queues is not None and consumers.max_replicas is None:
        yield "spec.consumers.maxReplicas: any number of consumers can share a queue: set it"
    if limit.messages is None and limit.seconds is None:
        yield "spec.maxLag: set messages, seconds or both: without a limit there is nothing to hold"
    if consumers.max_replicas is not None and consumers.max_replicas < consumers.min_replicas:
        yield "spec.consumers.maxReplicas must not be below minReplicas: raise it or lower minReplicas"


def _against_delivery(policy: DeliveryPolicy) -> Iterator[str]:
    spec, flush, replication, retention = policy.spec, policy.spec.flush, policy.spec.replication, policy.spec.retention
    if all(part is None for part in (spec.acks, flush, replication, retention, spec.consumption, spec.transactions)):
        yield f"spec: set {ASKED}: a policy that asks for nothing keeps nothing"
    if retention is not None and retention.at_least is None and retention.guard is None:
        yield "spec.retention: set atLeast or guard: an empty retention asks for nothing"
    if flush is not None:
        yield from _against_flush(flush, replication)
    if replication is not None:
        yield from _against_replication(replication)
    if spec.consumption is not None and not spec.consumption.to_api():
        yield f"spec.consumption: set {READ}: an empty consumption asks for nothing"


def _against_flush(flush: Flush, replication: Replication | None) -> Iterator[str]:
    if flush.mode is not FlushMode.REPLICATED:
        return
    if flush.every_messages is not None or flush.every is not None:
        yield "spec.flush: mode Replicated leaves flushing to the operating system: remove everyMessages and every"
    if replication is not None and replication.min_in_sync is not None and replication.min_in_sync < REPLICATED_IN_SYNC:
        yield "spec.replication.minInSync: flush mode Replicated stands on two copies in sync: raise it to 2 or more"
    if replication is not None and replication.factor is not None and replication.factor < REPLICATED_IN_SYNC:
        yield "spec.replication.factor: flush mode Replicated asks for another broker: raise it to 2 or more"
    if replication is not None and replication.unclean_election:
        yield "spec.replication.uncleanElection: flush mode Replicated allows no unclean election: set it to false"


def _against_replication(wanted: Replication) -> Iterator[str]:
    if wanted.factor is None and wanted.min_in_sync is None and wanted.unclean_election is None:
        yield "spec.replication: set factor, minInSync or uncleanElection: an empty replication asks for nothing"
    if wanted.factor is not None and wanted.min_in_sync is not None and wanted.min_in_sync > wanted.factor:
        yield (
            "spec.replication.minInSync must not be above factor: older brokers refuse every write with acks=all, "
            "newer ones quietly lower it"
        )


def _against_broker(broker: MessageBroker) -> Iterator[str]:
    spec, allowed = broker.spec, broker.spec.allowed_namespaces
    if "*" in allowed and len(allowed) > 1:
        yield 'spec.allowedNamespaces: "*" allows every namespace: remove the other entries'
    if not all(name == "*" or _fits(LABEL_PATTERN, name) for name in allowed):
        yield 'spec.allowedNamespaces: each must be the name of a namespace, such as shop, or "*" for all'
    for kind in spec.kinds.values():
        block: Block | None = getattr(spec, kind.field)
        if block is None and spec.kind is kind:
            yield f"spec.{kind.field}: type {kind.name} needs the block of that name"
        if block is not None and spec.kind is not kind:
            yield f"spec.{kind.field}: only used with type {kind.name}: remove it"
        if block is not None:
            yield from (f"spec.{kind.field}.{fault}" for fault in block.faults())
