"""The policy to try, from the text of an ordinary manifest file.

The API server refuses wrong manifests by the CRD's schema and CEL rules. Here nobody stands in between, so fields that do
not exist and the rules that matter to a simulation are checked too: a policy that runs here can be applied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import yaml

from floodwarden.api.backlogpolicy import BacklogPolicy, Mode
from floodwarden.api.crd import object_schema
from floodwarden.api.messagebroker import MessageBroker
from floodwarden.api.resource import GROUP, VERSION, InvalidManifest
from floodwarden.core.policy import Policy
from floodwarden.sim.scenario import WrongInput

LARGEST = 1_000_000  # bytes of a file
USUAL_INTERVAL = 1.0  # seconds: the default of a MessageBroker's sweepInterval


Kind = TypeVar("Kind", BacklogPolicy, MessageBroker)


@dataclass(frozen=True, slots=True)
class Subject:
    """The policy that is tried: its name, what it wants, and what the reader should know about it."""

    name: str
    policy: Policy
    notes: tuple[str, ...]


def subject(text: str, name: str | None = None) -> Subject:
    """The BacklogPolicy of a YAML file, or the one of that name where it holds several.

    A MessageBroker in the same file gives the sweep interval. WrongInput says what is wrong and what to do.
    """
    documents = list(_documents(text))
    found = [document for document in documents if document.get("kind") == BacklogPolicy.definition.kind]
    names = [str(_metadata(document).get("name", "")) for document in found]
    if not found:
        kinds = ", ".join(str(document.get("kind", "no kind")) for document in documents) or "nothing"
        raise WrongInput(f"there is no BacklogPolicy in it, only {kinds}; give the file that holds one")
    if name is not None and name not in names:
        raise WrongInput(f"there is no BacklogPolicy {name} in it; choose from: {', '.join(names)}")
    if name is None and len(found) > 1:
        raise WrongInput(f"it holds {len(found)} BacklogPolicies; choose one with --policy: {', '.join(names)}")
    body = found[names.index(name) if name is not None else 0]
    policy = _parsed(BacklogPolicy, body)
    _check_rules(policy)
    brokers = [_parsed(MessageBroker, document) for document in documents if document.get("kind") == "MessageBroker"]
    broker = next((one for one in brokers if (one.metadata.namespace, one.metadata.name) == policy.broker), None)
    interval = broker.spec.sweep_interval.seconds if broker else USUAL_INTERVAL
    notes = []
    if broker is None:
        notes.append(f"its MessageBroker {policy.broker[1]} is not in the file: a sweep every {interval:g} s is assumed")
    if policy.spec.mode is Mode.DRY_RUN:
        notes.append("its mode is DryRun: what is shown is what Enforce would do")
    return Subject(policy.metadata.name, replace(policy.wishes(interval), dry_run=False), tuple(notes))


def _documents(text: str) -> Iterator[Mapping[str, Any]]:
    try:
        for document in yaml.safe_load_all(text):
            if document is None:
                continue
            if not isinstance(document, dict):
                raise WrongInput("it is YAML, but no manifest: a manifest begins with apiVersion and kind")
            yield document
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise WrongInput(f"{where}it is not YAML: {getattr(error, 'problem', None) or 'it cannot be read'}") from error


def _metadata(document: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = document.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _parsed(resource: type[Kind], body: Mapping[str, Any]) -> Kind:
    """The typed object. A namespace may be left out, as with ``kubectl apply``."""
    kind = resource.definition.kind
    wanted = f"{GROUP}/{VERSION}"
    if body.get("apiVersion") != wanted:
        raise WrongInput(f"{kind}: apiVersion is {body.get('apiVersion')!r}; write {wanted}")
    unknown = next(_unknown_fields(object_schema(resource), body, ""), None)
    if unknown is not None:
        raise WrongInput(f"{kind}: {unknown}")
    try:
        return resource.parse({**body, "metadata": {"namespace": "default", **_metadata(body)}})
    except InvalidManifest as error:
        raise WrongInput(f"{kind}: {error}") from error


def _unknown_fields(schema: Mapping[str, Any], value: Any, path: str) -> Iterator[str]:
    """What stands in a manifest that its schema does not know: most often a typing error, and never without effect."""
    known = schema.get("properties")
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from _unknown_fields(schema["items"], item, f"{path}[{index}]")
    if not isinstance(value, dict) or known is None:
        return
    for name, part in value.items():
        where = f"{path}.{name}" if path else str(name)
        if name in known:
            yield from _unknown_fields(known[name], part, where)
        else:
            yield f"{where} is no field; known here: {', '.join(known)}"


def _check_rules(policy: BacklogPolicy) -> None:
    """The CEL rules of the CRD that a simulation cannot do without."""
    limit, consumers = policy.spec.max_lag, policy.spec.consumers
    if limit.messages is None and limit.seconds is None:
        raise WrongInput("BacklogPolicy: spec.maxLag: set messages, seconds or both: without a limit there is nothing to hold")
    if consumers.max_replicas is not None and consumers.max_replicas < consumers.min_replicas:
        raise WrongInput("BacklogPolicy: spec.consumers.maxReplicas must not be below minReplicas: raise it or lower minReplicas")
