"""What the management API tells of all that an audit looks at, put into the terms of ``core``: pure.

``settings`` hands over its answers. ValueError where one cannot be read; for a single queue that is ``Unknown`` instead.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from floodwarden.core.delivery.rabbitmq.found import (
    CLASSIC,
    NEW_CLIENT,
    Binding,
    Bindings,
    ChannelFound,
    ConsumerFound,
    ExchangeFound,
    NodeFound,
    OperatorPolicy,
    QueueFound,
)
from floodwarden.core.observation import Unknown, UnknownReason

QUEUES: Final = (
    "name,type,durable,auto_delete,exclusive,arguments,policy,operator_policy,effective_policy_definition,state,node,members,online"
    ",message_stats.publish,message_stats.publish_details.rate"
)
OPERATOR_POLICIES: Final = "name,pattern,apply-to,definition,priority"
NODES: Final = "name,running,mem_alarm,disk_free_alarm,partitions"
EXCHANGES: Final = "name,type,arguments,policy"
BINDINGS: Final = "source,destination,destination_type,routing_key"
CONSUMERS: Final = (
    "queue.name,ack_required,prefetch_count,channel_details.connection_name,channel_details.peer_host,channel_details.user"
)
CHANNELS: Final = (
    "user,confirm,transactional,connection_details.name,connection_details.peer_host,message_stats.publish"
    ",message_stats.publish_details.rate,message_stats.drop_unroutable_details.rate"
)
CONNECTIONS: Final = "name,user_provided_name"
VHOSTS: Final = "name,message_stats.drop_unroutable"
OVERVIEW: Final = "rabbitmq_version,cluster_name,rates_mode"

Entry = Mapping[str, Any]
Names = Mapping[str, str | None] | None
"""See ``given_names``; None where they are not known."""


def queues(answer: Any, wanted: Callable[[str], bool]) -> dict[str, QueueFound | Unknown]:
    """The queues whose names are wanted, by name."""
    return {name: _queue(name, entry) for entry in _entries(answer) if wanted(name := _text(entry, "name"))}


def _queue(name: str, entry: Entry) -> QueueFound | Unknown:
    try:
        return QueueFound(
            name=name,
            kind=_text(entry, "type"),
            durable=_flag(entry, "durable"),
            auto_delete=entry.get("auto_delete") is True,
            exclusive=entry.get("exclusive") is True,
            arguments=_part(entry, "arguments"),
            policy=_name(entry, "policy"),
            operator_policy=_name(entry, "operator_policy"),
            effective=_effective(name, entry),
            state=_name(entry, "state") or "running",
            members=_members(name, entry),
            online=_nodes(name, entry, "online"),
            published=_whole(stats, "publish") if "publish" in (stats := _part_if_any(entry, "message_stats")) else None,
            receives=_rate(entry, "publish_details") > 0,
        )
    except ValueError as error:
        return Unknown(UnknownReason.BROKER_ERROR, f"what RabbitMQ tells of queue {name} cannot be read ({error})")


def _effective(name: str, entry: Entry) -> Mapping[str, Any] | Unknown:
    """Told by the queue's process, as it is told with its statistics."""
    found = entry.get("effective_policy_definition")
    if found is None:
        why = f"queue {name} does not tell its policies yet; it does within seconds of its declaration, or of its node's start"
        return Unknown(UnknownReason.COORDINATOR_UNAVAILABLE, why)
    return _part(entry, "effective_policy_definition")


def _members(name: str, entry: Entry) -> tuple[str, ...] | Unknown:
    """Of a classic queue the one node that has it."""
    if entry.get("type") != CLASSIC:
        return _nodes(name, entry, "members")
    node = _name(entry, "node")
    return (node,) if node is not None else ()


def _nodes(name: str, entry: Entry, key: str) -> tuple[str, ...] | Unknown:
    if isinstance(entry.get(key), list):
        return _names(entry, key)
    what = "members" if key == "members" else "members that run"
    why = f"queue {name} does not tell its {what} yet; it does within seconds of its declaration"
    return Unknown(UnknownReason.COORDINATOR_UNAVAILABLE, why)


def operator_policies(answer: Any) -> dict[str, OperatorPolicy]:
    """All of a virtual host, by name."""
    found = (
        OperatorPolicy(
            _text(entry, "name"),
            _text(entry, "pattern"),
            _whole(entry, "priority"),
            _part(entry, "definition"),
            _text(entry, "apply-to"),
        )
        for entry in _entries(answer)
    )
    return {policy.name: policy for policy in found}


def nodes(answer: Any) -> tuple[NodeFound, ...]:
    """All of the cluster."""
    return tuple(sorted((_node(entry) for entry in _entries(answer)), key=lambda node: node.name))


def _node(entry: Entry) -> NodeFound:
    return NodeFound(
        _text(entry, "name"),
        _flag(entry, "running"),
        _alarm(entry, "mem_alarm"),
        _alarm(entry, "disk_free_alarm"),
        _names(entry, "partitions") if "partitions" in entry else (),
    )


def _alarm(entry: Entry, key: str) -> bool | None:
    return _flag(entry, key) if key in entry else None


def exchanges(answer: Any) -> dict[str, ExchangeFound]:
    """All exchanges, by name; that of the default one is empty."""
    return {one.name: one for one in map(_exchange, _entries(answer))}


def _exchange(entry: Entry) -> ExchangeFound:
    alternate = _name(_part_if_any(entry, "arguments"), "alternate-exchange")
    return ExchangeFound(_text(entry, "name"), _text(entry, "type"), alternate, _name(entry, "policy"))


def bindings(answer: Any) -> Bindings:
    """All bindings, by the exchange they come from; each queue is bound to the default one."""
    found: dict[str, list[Binding]] = defaultdict(list)
    for entry in _entries(answer):
        to_queue = _text(entry, "destination_type") == "queue"
        found[_text(entry, "source")].append(Binding(_text(entry, "routing_key"), _text(entry, "destination"), to_queue))
    return dict(found)


def given_names(answer: Any) -> dict[str, str | None]:
    """The names that programs gave their connections, None where they gave none, by RabbitMQ's own, which has a port in it."""
    return {_text(entry, "name"): _name(entry, "user_provided_name") for entry in _entries(answer)}


def consumers(answer: Any, names: Names, wanted: Callable[[str], bool]) -> tuple[ConsumerFound, ...]:
    """The consumers of queues whose names are wanted; ``names`` as ``given_names``."""
    found = ((_text(_part(entry, "queue"), "name"), entry) for entry in _entries(answer))
    return tuple(_consumer(queue, entry, names) for queue, entry in found if wanted(queue))


def _consumer(queue: str, entry: Entry, names: Names) -> ConsumerFound:
    # A channel that was opened just now has no details yet, or an empty list of them.
    channel = _part_if_any(entry, "channel_details")
    client, user = _client(channel, "connection_name", names), _name(channel, "user") or "not known"
    return ConsumerFound(queue, client, user, _flag(entry, "ack_required"), _whole(entry, "prefetch_count"))


def _client(details: Entry, key: str, names: Names) -> str:
    """Whose connection it is: the name that was given to it and its host, which stay the same when it is opened anew."""
    connection = _name(details, key)
    if connection is None or (names is not None and connection not in names):
        return NEW_CLIENT
    host = _name(details, "peer_host") or connection.partition(" -> ")[0].rpartition(":")[0] or connection
    given = names[connection] if names is not None else None
    return f"{given} at {host}" if given is not None else host


def channels(answer: Any, names: Names) -> tuple[ChannelFound, ...]:
    """The open channels of a virtual host; ``names`` as ``given_names``. One that was opened just now tells nothing yet, and has
    published nothing."""
    return tuple(_channel(entry, names) for entry in _entries(answer) if "confirm" in entry)


def _channel(entry: Entry, names: Names) -> ChannelFound:
    stats = _part_if_any(entry, "message_stats")
    published = _whole(stats, "publish") if "publish" in stats else 0
    return ChannelFound(
        _client(_part_if_any(entry, "connection_details"), "name", names),
        _name(entry, "user") or "not known",
        _flag(entry, "confirm") or entry.get("transactional") is True,
        published > 0 or _rate(entry, "publish_details") > 0,
        _rate(entry, "drop_unroutable_details") > 0,
    )


def unroutable(answer: Any, vhost: str) -> int:
    """What a virtual host has counted of messages that no queue took: nothing is counted before the first publisher."""
    entry = next((entry for entry in _entries(answer) if entry.get("name") == vhost), None)
    if entry is None:
        raise ValueError("the virtual host is missing")
    counted = _part_if_any(entry, "message_stats")
    return _whole(counted, "drop_unroutable") if "drop_unroutable" in counted else 0


def about(answer: Any) -> tuple[str | None, str, bool]:
    """The version, the cluster's name, empty where it has none, and whether rates are kept."""
    if not isinstance(answer, dict):
        raise ValueError("no overview")
    return _name(answer, "rabbitmq_version"), given_name(_name(answer, "cluster_name")), answer.get("rates_mode") != "none"


def given_name(name: str | None) -> str:
    """A cluster's name where somebody gave it one; empty for the usual one, which is that of the node that answers."""
    return "" if name is None or "@" in name else name


def operator_policy(text: str) -> Mapping[str, Any]:
    """What is to be sent for an operator policy, from ``operator_policies.dumped``."""
    found = json.loads(text)
    return found if isinstance(found, dict) else {}


def _entries(answer: Any) -> Iterator[Entry]:
    if not isinstance(answer, list) or not all(isinstance(entry, dict) for entry in answer):
        raise ValueError("no list")
    return iter(answer)


def _text(entry: Entry, key: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str):
        raise ValueError(f"no {key}")
    return value


def _name(entry: Entry, key: str) -> str | None:
    """A name that may be missing, which RabbitMQ tells in several ways."""
    value = entry.get(key)
    return value if isinstance(value, str) and value else None


def _names(entry: Entry, key: str) -> tuple[str, ...]:
    value = entry.get(key)
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"no {key}")
    return tuple(sorted(value))


def _flag(entry: Entry, key: str) -> bool:
    value = entry.get(key)
    if not isinstance(value, bool):
        raise ValueError(f"no {key}")
    return value


def _whole(entry: Entry, key: str) -> int:
    value = entry.get(key)
    if type(value) is not int:
        raise ValueError(f"no {key}")
    return value


def _part(entry: Entry, key: str) -> Mapping[str, Any]:
    """A part by names; one that is empty may come as an empty list."""
    value = entry.get(key)
    if value == []:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"no {key}")
    return value


def _part_if_any(entry: Entry, key: str) -> Mapping[str, Any]:
    return _part(entry, key) if entry.get(key) is not None else {}


def _rate(entry: Entry, key: str) -> float:
    """Messages per second, 0 where none were ever counted."""
    rate = _part_if_any(_part_if_any(entry, "message_stats"), key).get("rate")
    return float(rate) if isinstance(rate, int | float) else 0.0
