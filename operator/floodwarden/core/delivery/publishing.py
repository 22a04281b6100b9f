"""The ConfigMap that tells clients of a policy's settings: when it is written, and when it is left alone. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from floodwarden.core.delivery.violations import Action, Violation

SETTING: Final = "client settings"
NAME_AT_MOST: Final = 253  # of an object in the API server


@dataclass(frozen=True, slots=True)
class Published:
    """A ConfigMap as it is found. ``owners`` are the uids of what it belongs to; ``digest`` is what was noted on it when
    Floodwarden wrote it last, empty where nothing was."""

    namespace: str
    name: str
    version: str
    data: Mapping[str, str] = field(repr=False)
    owners: frozenset[str] = frozenset()
    digest: str = ""

    def __str__(self) -> str:
        return f"ConfigMap {self.namespace}/{self.name}"


class Step(Enum):
    """What becomes of it."""

    NONE = auto()
    CREATE = auto()
    WRITE = auto()
    TELL = auto()  # somebody changed it, and the policy only looks
    FOREIGN = auto()  # somebody else's: never touched


def name_of_settings(policy: str) -> str | None:
    """The ConfigMap's name for the policy of that name; None where it would be too long."""
    name = f"{policy}-client-settings"
    return name if len(name) <= NAME_AT_MOST else None


def digest_of(data: Mapping[str, str]) -> str:
    """What tells the texts that Floodwarden wrote from those that somebody changed since."""
    return hashlib.sha256(json.dumps(sorted(data.items())).encode()).hexdigest()[:16]


def step(found: Published | None, owner: str, data: Mapping[str, str], *, acts: bool) -> Step:
    """``owner`` is the policy's uid, ``data`` what it wants to be there. What Floodwarden wrote and nobody changed follows the
    policy in any mode; what somebody changed is put right only where the policy ``acts``."""
    if found is None:
        return Step.CREATE
    if owner not in found.owners:
        return Step.FOREIGN
    if found.data == data:
        return Step.NONE
    return Step.WRITE if acts or found.digest == digest_of(found.data) else Step.TELL


def told(found: Published, data: Mapping[str, str], taken: Step) -> Violation | None:
    """What is wrong with it and is left so; None where nothing is."""
    if taken is Step.FOREIGN:
        wanted, reason = "published by Floodwarden", "it is left alone: rename or delete it, and Floodwarden publishes its own"
        where = "it has no owner reference to this policy"
        return Violation(str(found), SETTING, wanted, "somebody else's", where, Action.REPORT, reason)
    if taken is Step.TELL:
        keys = sorted(key for key in {*found.data, *data} if found.data.get(key) != data.get(key))
        wanted, reason = "as the policy asks", "mode Enforce would put it right"
        return Violation(str(found), SETTING, wanted, "changed by hand", f"key {', '.join(keys)}", Action.REPAIR, reason)
    return None
