"""Posts Events, so that ``kubectl describe`` and ``kubectl events`` tell what Floodwarden did and why.

``Recorder.record(event_type, reason, message, *about)`` returns at once; a task of its own does the posting. ``await
close()`` posts what is left. Whether something is worth an Event (transitions only) is decided by ``sweep``.
Core/v1 rather than events.k8s.io: only there are the time stamps set that ``kubectl get events`` and dashboards sort by.
RBAC needed: create on events.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

import structlog

from floodwarden.cluster.rest import ApiError, Failure, Rest, path
from floodwarden.core.target import Target, TargetRef
from floodwarden.core.text import plain

COMPONENT = "floodwarden"
QUEUE_SIZE = 4096  # Events; a broker lost takes two for each of its policies at once
MESSAGE_BYTES = 1024
LATEST = 60.0  # seconds an Event is tried for while the API server cannot take it
FIRST_DELAY, LONGEST_DELAY = 0.25, 5.0  # seconds between two tries

_log = structlog.get_logger(__name__)


class EventType(StrEnum):
    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """What an Event is about; ``kubectl describe`` finds it by all five."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str

    @classmethod
    def of(cls, ref: TargetRef, target: Target) -> Self:
        """The scaled object itself."""
        return cls(ref.api_version, ref.kind, ref.namespace, ref.name, target.uid)


@dataclass(frozen=True, slots=True)
class _Queued:
    event: dict[str, Any]
    since: float  # of the loop's clock, seconds


class Recorder:
    """A bounded queue of Events and the task that posts them in order, each at most once.

    What does not fit, is refused, or could not be posted for LATEST seconds is dropped and counted in ``dropped``.
    """

    def __init__(self, rest: Rest, instance: str) -> None:
        """``instance`` is the name of the pod. Must be made inside the event loop that runs it."""
        self._rest = rest
        self._instance = instance
        self._queue: asyncio.Queue[_Queued] = asyncio.Queue(QUEUE_SIZE)
        self._dropping = False
        self._worker = asyncio.create_task(self._work(), name="event-recorder")
        self.posted = 0
        self.dropped = 0

    def record(self, event_type: EventType, reason: str, message: str, *about: ObjectRef) -> None:
        """Queue one Event for each object that it is about; never waits. Messages are cut at MESSAGE_BYTES.

        ``reason`` is one UpperCamelCase word of at most 128 characters.
        """
        for regarding in about:
            event = _event(event_type, reason, message, regarding, self._instance, datetime.now(UTC))
            if self._worker.done():
                self._drop(event, "Floodwarden ends")
                continue
            try:
                self._queue.put_nowait(_Queued(event, asyncio.get_running_loop().time()))
            except asyncio.QueueFull:
                self._drop(event, f"{QUEUE_SIZE} Events are waiting already")

    async def close(self, within: float = 5.0) -> None:
        """Post what is queued, for at most ``within`` seconds, drop the rest, and end. Safe to call twice."""
        try:
            async with asyncio.timeout(within):
                await self._queue.join()
        except TimeoutError:
            while not self._queue.empty():
                self._drop(self._queue.get_nowait().event, "Floodwarden ends")
                self._queue.task_done()
        self._worker.cancel()
        await asyncio.wait([self._worker])

    async def _work(self) -> None:
        while True:
            queued = await self._queue.get()
            try:
                await self._deliver(queued)
                self.posted += 1
                self._dropping = False
            except ApiError as error:
                self._drop(queued.event, str(error))
            except asyncio.CancelledError:
                self._drop(queued.event, "Floodwarden ends")
                raise
            finally:
                self._queue.task_done()

    async def _deliver(self, queued: _Queued) -> None:
        """Post one Event, again and again while the API server cannot take it; ApiError when it never will."""
        where = path("v1", "namespaces", queued.event["metadata"]["namespace"], "events")
        delay = FIRST_DELAY
        while True:
            try:
                await self._rest.send("POST", where, body=queued.event)
            except ApiError as error:
                if error.failure is Failure.CONFLICT:
                    return  # an earlier try arrived although its answer did not
                late = asyncio.get_running_loop().time() - queued.since + delay > LATEST
                if error.failure is not Failure.UNREACHABLE or late:
                    raise
            else:
                return
            await asyncio.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY)

    def _drop(self, event: dict[str, Any], why: str) -> None:
        self.dropped += 1
        if not self._dropping:  # one line until Events arrive again; the counter has the rest
            _log.warning("event dropped", reason=event["reason"], regarding=event["involvedObject"]["name"], why=why)
        self._dropping = True


def _event(
    event_type: EventType, reason: str, message: str, regarding: ObjectRef, instance: str, now: datetime
) -> dict[str, Any]:
    seconds = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        # Our own unique name rather than one by the server: a second try of the same Event is refused.
        "metadata": {"namespace": regarding.namespace, "name": f"{regarding.name[:220].rstrip('.-')}.{uuid.uuid4().hex[:16]}"},
        "involvedObject": {
            "apiVersion": regarding.api_version,
            "kind": regarding.kind,
            "namespace": regarding.namespace,
            "name": regarding.name,
            "uid": regarding.uid,
        },
        "type": event_type.value,
        "reason": reason,
        "message": plain(message, MESSAGE_BYTES),
        "firstTimestamp": seconds,
        "lastTimestamp": seconds,
        "count": 1,
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": instance,
    }
