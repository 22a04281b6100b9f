"""Looks at the broker, the Deployment and the policy twice a second, with clients of the demo's own, and fills a Timeline.

Lag, members and replicas come from the broker and the Deployment, not from Floodwarden; only what is read from the policy and
the Events are Floodwarden's words. Neighbours: `demo_timeline` (what is filled), `demo_view` (who looks on).
"""

from __future__ import annotations

import http
import json
import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from kubernetes.client.configuration import Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.client.rest import RESTClientObject
from kubernetes.config import load_kube_config
from urllib3.exceptions import HTTPError

from floodhack.demo_broker import Look, UnreadError
from floodhack.demo_plan import Plan
from floodhack.demo_timeline import Said, Sample, Timeline

INTERVAL_SECONDS = 0.5
TIMEOUT_SECONDS = 3.0
API = "floodwarden.dev/v1alpha1"


class ClusterLook:
    """Reads the Deployment, the policy's status and Floodwarden's Events, as plain JSON over one kept connection.

    Not by the library's typed calls: they take seconds to load, and this asks six times a second.
    """

    def __init__(self, kubeconfig: Path, plan: Plan) -> None:
        self.plan = plan
        self.server = Configuration()
        load_kube_config(str(kubeconfig), client_configuration=self.server)  # type: ignore[no-untyped-call]
        self.rest: Any = RESTClientObject(self.server)

    def deployment(self) -> dict[str, int]:
        """`replicas` as its spec wants them, `ready` as its pods are."""
        seen = self._get(f"/apis/apps/v1/namespaces/{self.plan.namespace}/deployments/{self.plan.deployment}")
        return {"replicas": seen["spec"]["replicas"], "ready": seen["status"].get("readyReplicas", 0)}

    def policy(self) -> dict[str, Any]:
        """`messages`, `seconds`, `desired` and `state` from the policy's status, as far as they are there."""
        seen = self._get(f"/apis/{API}/namespaces/{self.plan.namespace}/backlogpolicies/{self.plan.policy}")
        status = seen.get("status", {})
        return {
            "messages": status.get("lag", {}).get("messages"),
            "seconds": status.get("lag", {}).get("seconds"),
            "desired": status.get("replicas", {}).get("desired"),
            "state": status.get("state", ""),
        }

    def events(self) -> list[tuple[str, Said]]:
        """Every Event about a Floodwarden resource of the namespace, oldest first, with a key that changes when it recurs."""
        ours = urlencode({"fieldSelector": f"involvedObject.apiVersion={API}"})
        found = self._get(f"/api/v1/namespaces/{self.plan.namespace}/events?{ours}")["items"]
        told = ((f"{event['metadata']['uid']}/{event.get('count')}", said(event)) for event in found)
        return sorted(told, key=lambda one: one[1].at)

    def _get(self, path: str) -> Any:
        headers = {"authorization": self.server.get_api_key_with_prefix("authorization") or ""}
        answer = self.rest.request("GET", self.server.host + path, headers=headers, _request_timeout=TIMEOUT_SECONDS)
        body = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise ApiException(status=answer.status, reason=answer.reason)
        return json.loads(body)


def said(event: dict[str, Any]) -> Said:
    """One Event of the API server (core/v1)."""
    # An Event made over events.k8s.io has its time, with microseconds, in a field of its own.
    at = event.get("eventTime") or event.get("lastTimestamp") or event["metadata"]["creationTimestamp"]
    about = event["involvedObject"]
    return Said(
        at=datetime.fromisoformat(at).timestamp(),
        reason=event.get("reason", ""),
        message=event.get("message", ""),
        about=f"{about['kind']}/{about['name']}",
        warning=event.get("type") == "Warning",
    )


class Sampler(threading.Thread):
    """Fills a Timeline until it is told to stop; `seen` is called after each round, in this thread."""

    def __init__(self, timeline: Timeline, broker: Look, cluster: ClusterLook, seen: Callable[[list[Said]], None]) -> None:
        super().__init__(name="sampler", daemon=True)
        self.timeline = timeline
        self.broker = broker
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
        for look in (self.broker.read, self.cluster.deployment, self.cluster.policy):
            try:
                values |= look()
            except UnreadError as error:
                trouble = str(error).splitlines()[0]
            except (ApiException, HTTPError, OSError) as error:
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
