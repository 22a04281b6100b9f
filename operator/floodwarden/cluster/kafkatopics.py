"""Which topics another controller has: Strimzi's KafkaTopics, whose topic operator removes what it does not know.

``await TopicOwners(rest, namespaces).read()`` lists them in all namespaces that are watched, ``.patch(kafka_topic, config)``
changes ``spec.config`` of one. RBAC needed: list on kafkatopics.kafka.strimzi.io, and patch where they are to be changed.
"""

from __future__ import annotations

import asyncio
import base64
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from floodwarden.cluster.rest import FIELD_MANAGER, MERGE_PATCH, ApiError, Failure, Rest, lacks_right, parse, path
from floodwarden.core.delivery.owned import KafkaTopic

GROUP = "kafka.strimzi.io"
VERSIONS = ("v1", "v1beta2")  # newest first: which one is served depends on Strimzi's release
UNMANAGED = "strimzi.io/managed"  # annotation; "false" leaves the topic to others
PAUSED = "strimzi.io/pause-reconciliation"  # annotation; "true" lets the KafkaTopic be for a while


@dataclass(frozen=True, slots=True)
class KafkaTopicProblem:
    """Why a KafkaTopic was not changed; says what to do next. ``denied``: the right is missing for all of them."""

    message: str
    denied: bool = False


class TopicOwners:
    """Owners of topics in the watched namespaces (None: in all), by the topic's name whatever the cluster is called: there is no
    name of a Kafka cluster that both sides know."""

    def __init__(self, rest: Rest, namespaces: Collection[str] | None = None) -> None:
        self._rest = rest
        self._scopes = [[]] if namespaces is None else [["namespaces", namespace] for namespace in namespaces]

    async def read(self) -> Mapping[str, Sequence[KafkaTopic]] | str:
        """The KafkaTopics of each owned topic; or, where that cannot be told, why."""
        for version in VERSIONS:
            try:
                pages = await asyncio.gather(
                    *(self._rest.get(path(f"{GROUP}/{version}", *scope, "kafkatopics")) for scope in self._scopes)
                )
            except ApiError as error:
                if error.failure is Failure.MISSING:
                    continue
                advice = "; grant list on kafkatopics.kafka.strimzi.io (see the Helm chart)"
                return f"cannot tell which topics are Strimzi's: {error}{advice if error.failure is Failure.FORBIDDEN else ''}"
            owners: dict[str, list[KafkaTopic]] = defaultdict(list)
            for page in pages:
                for owner in _owners(page, f"{GROUP}/{version}"):
                    owners[owner.topic].append(owner)
            return dict(owners)
        return {}

    async def patch(self, owner: KafkaTopic, config: Mapping[str, object]) -> KafkaTopicProblem | None:
        """Set these keys of ``spec.config``, and touch nothing else; only if nobody changed the object since it was read."""
        body = {"metadata": {"resourceVersion": owner.version}, "spec": {"config": dict(config)}}
        try:
            where = path(owner.api_version, "namespaces", owner.namespace, "kafkatopics", owner.name)
            query = {"fieldManager": FIELD_MANAGER}
            parse(await self._rest.send("PATCH", where, query=query, body=body, content_type=MERGE_PATCH))
        except ApiError as error:
            return _problem(owner, error)
        return None


def _owners(listed: Mapping[str, Any], api_version: str) -> Iterator[KafkaTopic]:
    for item in listed.get("items") or []:
        metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
        annotations = metadata.get("annotations") or {}
        if annotations.get(UNMANAGED) == "false":
            continue
        yield KafkaTopic(
            namespace=metadata["namespace"],
            name=metadata["name"],
            topic=spec.get("topicName") or metadata["name"],
            api_version=api_version,
            uid=metadata["uid"],
            version=metadata["resourceVersion"],
            generation=metadata.get("generation", 0),
            observed=status.get("observedGeneration") or 0,
            topic_id=_uuid(status.get("topicId") or ""),
            config=spec.get("config") or {},
            paused=annotations.get(PAUSED) == "true",
        )


def _uuid(text: str) -> str:
    """A topic's id as Kafka writes it (16 bytes, base64 for URLs), as a UUID; empty where it is none."""
    try:
        return str(UUID(bytes=base64.urlsafe_b64decode(f"{text}==")))
    except ValueError:
        return ""


def denied(owner: KafkaTopic) -> str:
    """What is said where the right to change KafkaTopics is missing."""
    return f"Floodwarden may not change {owner}: set the chart's value rbac.patchKafkaTopics, or change it there"


def _problem(owner: KafkaTopic, error: ApiError) -> KafkaTopicProblem:
    match error.failure:
        case Failure.FORBIDDEN if lacks_right(error):
            return KafkaTopicProblem(denied(owner), denied=True)
        case Failure.CONFLICT | Failure.MISSING:
            return KafkaTopicProblem(
                f"{owner} was changed by somebody else at this moment: it is tried again with the next audit"
            )
        case _:
            return KafkaTopicProblem(f"{owner} could not be changed: {error}; it is tried again with the next audit")
