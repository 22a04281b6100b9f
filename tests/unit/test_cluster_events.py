"""``Recorder``: which Events are tried again, which are dropped, and that nobody waits for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from kubernetes.aio.client import ApiClient
from structlog.testing import capture_logs

from floodwarden.cluster import events
from floodwarden.cluster.events import EventType, ObjectRef, Recorder
from floodwarden.cluster.rest import ApiError, Failure, Rest

ABOUT = ObjectRef("apps/v1", "Deployment", "shop", "billing", "uid")
DOWN = ApiError(Failure.UNREACHABLE, "the API server cannot be reached")


class Answers(Rest):
    """An API server that answers as it is told, and then takes everything."""

    def __init__(self, client: ApiClient, answers: Iterable[ApiError | None]) -> None:
        super().__init__(client)
        self.answers = list(answers)
        self.tried: list[Any] = []

    async def send(self, method: str, path: str, *, body: Any = None, **options: Any) -> bytes:
        self.tried.append(body)
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        return b"{}"


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ApiClient]:
    """A client that is never used, and a recorder that tries again soon."""
    monkeypatch.setattr(events, "FIRST_DELAY", 0.001)
    monkeypatch.setattr(events, "LONGEST_DELAY", 0.002)
    async with ApiClient() as client:
        yield client


@pytest.mark.parametrize(
    ("answers", "tries", "posted", "dropped"),
    [
        pytest.param([], 1, 1, 0, id="taken"),
        pytest.param([DOWN, DOWN, DOWN], 4, 1, 0, id="taken when the API server is back"),
        pytest.param([DOWN, ApiError(Failure.CONFLICT, "exists")], 2, 1, 0, id="arrived although the answer did not"),
        pytest.param([ApiError(Failure.FORBIDDEN, "no")], 1, 0, 1, id="forbidden"),
        pytest.param([ApiError(Failure.MISSING, "no")], 1, 0, 1, id="namespace gone"),
        pytest.param([ApiError(Failure.REFUSED, "no")], 1, 0, 1, id="refused"),
    ],
)
async def test_each_event_arrives_at_most_once(
    client: ApiClient, answers: list[ApiError | None], tries: int, posted: int, dropped: int
) -> None:
    """Tried again, under the same name, only while the API server cannot take it."""
    rest = Answers(client, answers)
    recorder = Recorder(rest, "pod")
    recorder.record(EventType.NORMAL, "ScaledUp", "from 2 to 12", ABOUT)
    await recorder.close()
    assert (len(rest.tried), recorder.posted, recorder.dropped) == (tries, posted, dropped)
    assert len({event["metadata"]["name"] for event in rest.tried}) == 1


async def test_an_event_too_old_makes_room(client: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """After LATEST seconds of no answer an Event is dropped, and the next one has its turn."""
    monkeypatch.setattr(events, "LATEST", 0.01)
    rest = Answers(client, [DOWN] * 1000)
    recorder = Recorder(rest, "pod")
    for message in ("one", "two"):
        recorder.record(EventType.NORMAL, "ScaledUp", message, ABOUT)
    await recorder.close()
    assert (recorder.posted, recorder.dropped) == (0, 2)
    assert {event["message"] for event in rest.tried} == {"one", "two"}


async def test_recording_never_waits_and_the_queue_is_bounded(client: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit is counted and said once, not once for each."""
    monkeypatch.setattr(events, "QUEUE_SIZE", 3)
    rest = Answers(client, [])
    recorder = Recorder(rest, "pod")
    with capture_logs() as logs:
        for number in range(5):
            recorder.record(EventType.NORMAL, "ScaledUp", str(number), ABOUT)
    await recorder.close()
    assert [event["message"] for event in rest.tried] == ["0", "1", "2"]
    assert (recorder.posted, recorder.dropped) == (3, 2)
    assert [log["event"] for log in logs] == ["event dropped"]


@pytest.mark.parametrize(
    ("message", "cut"),
    [
        ("short", "short"),
        ("x" * 1024, "x" * 1024),
        ("x" * 1025, "x" * 1021 + "…"),
        ("€" * 342, "€" * 340 + "…"),  # three bytes each: 1026
    ],
)
async def test_messages_are_cut_between_characters(client: ApiClient, message: str, cut: str) -> None:
    """At most 1024 bytes, valid UTF-8, and visibly cut."""
    rest = Answers(client, [])
    recorder = Recorder(rest, "pod")
    recorder.record(EventType.NORMAL, "ScaledUp", message, ABOUT)
    await recorder.close()
    assert rest.tried[0]["message"] == cut
