"""Which topics another controller has: Strimzi's KafkaTopics, whose topic operator removes what it does not know.

``await TopicOwners(rest, namespaces).read()`` lists them in all namespaces that are watched. RBAC needed: list on
kafkatopics.kafka.strimzi.io.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from floodwarden.cluster.rest import ApiError, Failure, Rest, path

GROUP = "kafka.strimzi.io"
VERSIONS = ("v1", "v1beta2")  # newest first: which one is served depends on Strimzi's release
UNMANAGED = "strimzi.io/managed"  # annotation; "false" leaves the topic to others


class TopicOwners:
    """Owners of topics in the watched namespaces (None: in all), by the topic's name whatever the cluster is called: there is no
    name of a Kafka cluster that both sides know."""

    def __init__(self, rest: Rest, namespaces: Collection[str] | None = None) -> None:
        self._rest = rest
        self._scopes = [[]] if namespaces is None else [["namespaces", namespace] for namespace in namespaces]

    async def read(self) -> Mapping[str, str] | str:
        """The owner of each owned topic, in words; or, where that cannot be told, why."""
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
            return {topic: owner for page in pages for topic, owner in _owned(page)}
        return {}


def _owned(listed: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for item in listed.get("items") or []:
        metadata = item["metadata"]
        if metadata.get("annotations", {}).get(UNMANAGED) == "false":
            continue
        topic = item.get("spec", {}).get("topicName") or metadata["name"]
        yield topic, f"KafkaTopic {metadata['namespace']}/{metadata['name']}"
