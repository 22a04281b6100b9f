"""Looks at Kafka, the Deployment and the policy twice a second, with clients of the demo's own, and fills a Timeline.

Lag, members and replicas come from Kafka and the Deployment, not from Floodwarden; only `seconds`, `desired`, `state` and the
Events are Floodwarden's words. Neighbours: `demo_timeline` (what is filled), `demo_view` (who looks on).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import kubernetes
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from floodhack.demo_plan import Plan
from floodhack.demo_timeline import Said, Sample, Timeline

INTERVAL_SECONDS = 0.5
TIMEOUT_SECONDS = 3.0
GROUP, VERSION = "floodwarden.dev", "v1alpha1"


class KafkaLook:
    """Reads a topic's end, a group's commits and its members."""

    def __init__(self, bootstrap: str, plan: Plan) -> None:
        self.plan = plan
        self.admin = AdminClient({"bootstrap.servers": bootstrap, "client.id": "demo-view", "log_level": 0})
        self.partitions = [TopicPartition(plan.topic, number) for number in range(plan.partitions)]
        self.latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]

    def read(self) -> dict[str, int]:
        """`produced`, `committed`, `members`, `owners`; raises KafkaException."""
        # Commits are read first: messages that arrive between the two readings then count as lag, not against it.
        ask = [ConsumerGroupTopicPartitions(self.plan.group, self.partitions)]
        [fetched] = self.admin.list_consumer_group_offsets(ask, request_timeout=TIMEOUT_SECONDS).values()
        ends = self.admin.list_offsets(dict.fromkeys(self.partitions, self.latest), request_timeout=TIMEOUT_SECONDS)
        [described] = self.admin.describe_consumer_groups([self.plan.group], request_timeout=TIMEOUT_SECONDS).values()
        members = described.result().members
        return {
            # A partition without a commit yet is read from its beginning.
            "committed": sum(max(0, partition.offset) for partition in fetched.result().topic_partitions),
            "produced": sum(end.result().offset for end in ends.values()),
            "members": len(members),
            "owners": sum(bool(member.assignment and member.assignment.topic_partitions) for member in members),
        }


class ClusterLook:
    """Reads the Deployment, the policy's status and Floodwarden's Events."""

    def __init__(self, kubeconfig: Path, plan: Plan) -> None:
        self.plan = plan
        client = kubernetes.config.new_client_from_config(str(kubeconfig))  # type: ignore[no-untyped-call]
        # The API server's own schema says what is there; the client's types call almost everything optional.
        self.apps: Any = kubernetes.client.AppsV1Api(client)
        self.core: Any = kubernetes.client.CoreV1Api(client)
        self.custom: Any = kubernetes.client.CustomObjectsApi(client)

    def deployment(self) -> dict[str, int]:
        """`replicas` as its spec wants them, `ready` as its pods are."""
        seen = self.apps.read_namespaced_deployment(self.plan.deployment, self.plan.namespace, _request_timeout=TIMEOUT_SECONDS)
        return {"replicas": seen.spec.replicas, "ready": seen.status.ready_replicas or 0}

    def policy(self) -> dict[str, Any]:
        """`seconds`, `desired` and `state` from the policy's status, as far as they are there."""
        seen = self.custom.get_namespaced_custom_object(
            GROUP, VERSION, self.plan.namespace, "backlogpolicies", self.plan.policy, _request_timeout=TIMEOUT_SECONDS
        )
        status = seen.get("status") or {}
        return {
            "seconds": (status.get("lag") or {}).get("seconds"),
            "desired": (status.get("replicas") or {}).get("desired"),
            "state": status.get("state") or "",
        }

    def events(self) -> list[tuple[str, Said]]:
        """Every Event about a Floodwarden resource of the namespace, with a key that changes when it happens again."""
        ours = f"involvedObject.apiVersion={GROUP}/{VERSION}"
        found = self.core.list_namespaced_event(self.plan.namespace, field_selector=ours, _request_timeout=TIMEOUT_SECONDS)
        return sorted(((f"{event.metadata.uid}/{event.count}", _said(event)) for event in found.items), key=lambda one: one[1].at)


def _said(event: Any) -> Said:
    at: datetime = event.last_timestamp or event.event_time or event.metadata.creation_timestamp
    about = f"{event.involved_object.kind}/{event.involved_object.name}"
    return Said(at.timestamp(), event.reason or "", event.message or "", about, event.type == "Warning")


class Sampler(threading.Thread):
    """Fills a Timeline until it is told to stop; `seen` is called after each round, in this thread."""

    def __init__(self, timeline: Timeline, kafka: KafkaLook, cluster: ClusterLook, seen: Callable[[list[Said]], None]) -> None:
        super().__init__(name="sampler", daemon=True)
        self.timeline = timeline
        self.kafka = kafka
        self.cluster = cluster
        self.seen = seen
        self.trouble = ""
        self._known: set[str] = set()
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """Look, remember, wait out the rest of the half second."""
        # urllib3 warns on every retry; a reading that fails is a gap in the picture, and said in `trouble`.
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        while not self._stop_asked.is_set():
            began = time.monotonic()
            self.timeline.samples.append(self._sample())
            self.seen(self._news())
            self._stop_asked.wait(max(0.05, INTERVAL_SECONDS - (time.monotonic() - began)))

    def stop(self) -> None:
        """End the thread after its current round."""
        self._stop_asked.set()
        self.join(timeout=4 * TIMEOUT_SECONDS)

    def _sample(self) -> Sample:
        at = time.time()
        values: dict[str, Any] = {}
        trouble = ""
        for look in (self.kafka.read, self.cluster.deployment, self.cluster.policy):
            try:
                values |= look()
            except (KafkaException, ApiException, HTTPError, OSError) as error:
                trouble = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        self.trouble = trouble
        return Sample(at=at, **values)

    def _news(self) -> list[Said]:
        try:
            fresh = [(key, said) for key, said in self.cluster.events() if key not in self._known]
        except (ApiException, HTTPError, OSError):
            return []
        self._known |= {key for key, _ in fresh}
        news = [said for _, said in fresh]
        self.timeline.said += news
        return news
