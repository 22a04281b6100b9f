"""Topics that Strimzi has: what is changed in their KafkaTopics, so that its topic operator carries it out.

Pure. ``audit`` finds what differs, ``cluster.kafkatopics`` reads and patches, ``sweep.looks.kafkatopics`` asks and acts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from floodwarden.core.delivery.survey import Change
from floodwarden.core.delivery.wishes import Requirement


@dataclass(frozen=True, slots=True)
class KafkaTopic:
    """One KafkaTopic. ``topic`` is the name of its topic; ``topic_id`` that topic's id as Strimzi found it, as a UUID, empty
    where it has not said so; ``observed`` the generation that Strimzi has seen; ``config`` what ``spec.config`` sets."""

    namespace: str
    name: str
    topic: str
    api_version: str
    uid: str
    version: str
    generation: int = 0
    observed: int = 0
    topic_id: str = ""
    config: Mapping[str, object] = field(default_factory=dict)
    paused: bool = False

    def __str__(self) -> str:
        return f"KafkaTopic {self.namespace}/{self.name}"


def named(owners: Iterable[KafkaTopic]) -> str:
    """Whose a topic is, in words; there may be several by its name, of several Kafka clusters."""
    return " and ".join(str(owner) for owner in owners)


@dataclass(frozen=True, slots=True)
class Handed:
    """What is done about the differences of one topic: ``patch`` has what is to be merged into ``spec.config`` of ``target``,
    ``reasons`` what is said of each setting that is not in it."""

    target: KafkaTopic | None
    patch: Mapping[str, object]
    reasons: Mapping[str, str]


def handed(owners: Sequence[KafkaTopic], topic_id: str, changes: Sequence[Change], needs: Mapping[str, Requirement]) -> Handed:
    """``changes`` are those of one topic, whose id is ``topic_id`` by the broker; ``needs`` what is wanted, by setting.

    Only the KafkaTopic whose status names this very topic is changed: one of another Kafka cluster may have the same name.
    """
    target = next((owner for owner in owners if topic_id and owner.topic_id == topic_id), None)
    if target is None:
        why = f"{named(owners)} has this topic by its name: change it there (its status.topicId does not say that it is this one)"
        return Handed(None, {}, {change.setting: why for change in changes})
    if target.paused:
        why = f"{target} has this topic, and its reconciliation is paused: change it there"
        return Handed(target, {}, {change.setting: why for change in changes})
    patch: dict[str, object] = {}
    reasons: dict[str, str] = {}
    for change in changes:
        there = target.config.get(change.setting)
        if there is not None and needs[change.setting].met_by(_text(there)):
            reasons[change.setting] = _waits(target)
        elif change.value is not None:
            patch[change.setting] = change.value if isinstance(there, str) else _typed(change.value)
    return Handed(target, patch, reasons)


def _waits(target: KafkaTopic) -> str:
    if target.observed < target.generation:
        return f"{target} asks for it: Strimzi's topic operator has yet to carry it out"
    return f"{target} asks for it, but the topic does not follow: look at its status"


def _text(value: object) -> str:
    """A value of ``spec.config`` as the broker has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _typed(value: str) -> object:
    """A value as people write it into ``spec.config``: numbers and booleans as such."""
    if value in ("true", "false"):
        return value == "true"
    return int(value) if value.removeprefix("-").isdecimal() else value
