"""The policy to try, from the text of an ordinary manifest file, which ``api.manifests`` reads: what runs here can be applied."""

from __future__ import annotations

from dataclasses import dataclass, replace

from floodwarden.api.backlogpolicy import BacklogPolicy, Mode
from floodwarden.api.manifests import ManifestError, documents, parsed
from floodwarden.api.messagebroker import MessageBroker
from floodwarden.core.capabilities import Capability
from floodwarden.core.policy import Policy

USUAL_INTERVAL = 1.0  # seconds: the default of a MessageBroker's sweepInterval


@dataclass(frozen=True, slots=True)
class Subject:
    """The policy that is tried: its name, what it wants, and what the reader should know about it."""

    name: str
    policy: Policy
    notes: tuple[str, ...]


def subject(text: str, name: str | None = None) -> Subject:
    """The BacklogPolicy of a YAML file, or the one of that name where it holds several.

    A MessageBroker in the same file gives the sweep interval. ManifestError says what is wrong and what to do.
    """
    objects = documents(text)
    found = [one for one in objects if one.kind == BacklogPolicy.definition.kind]
    names = [one.name for one in found]
    if not found:
        kinds = ", ".join(one.kind for one in objects) or "nothing"
        raise ManifestError(f"there is no BacklogPolicy in it, only {kinds}; give the file that holds one")
    if name is not None and name not in names:
        raise ManifestError(f"there is no BacklogPolicy {name} in it; choose from: {', '.join(names)}")
    if name is None and len(found) > 1:
        raise ManifestError(f"it holds {len(found)} BacklogPolicies; choose one with --policy: {', '.join(names)}")
    policy = parsed(BacklogPolicy, found[names.index(name) if name is not None else 0].body)
    if Capability.QUEUES in policy.needs:
        raise ManifestError(
            f"BacklogPolicy {policy.metadata.name} reads queues; the model has partitions only: try one with a group"
        )
    brokers = [parsed(MessageBroker, one.body) for one in objects if one.kind == MessageBroker.definition.kind]
    broker = next((one for one in brokers if (one.metadata.namespace, one.metadata.name) == policy.broker), None)
    interval = broker.spec.sweep_interval.seconds if broker else USUAL_INTERVAL
    notes = []
    if broker is None:
        notes.append(f"its MessageBroker {policy.broker[1]} is not in the file: a sweep every {interval:g} s is assumed")
    if policy.spec.mode is Mode.DRY_RUN:
        notes.append("its mode is DryRun: what is shown is what Enforce would do")
    return Subject(policy.metadata.name, replace(policy.wishes(interval), dry_run=False), tuple(notes))
