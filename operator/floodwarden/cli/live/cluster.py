"""BacklogPolicies and their Events as they are in the cluster that the kubeconfig names; errors say what to do next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from floodwarden.api.backlogpolicy import BacklogPolicy
from floodwarden.api.resource import GROUP, VERSION, InvalidManifest
from floodwarden.cluster.client import ClusterConfigError, connect
from floodwarden.cluster.rest import ApiError, Failure, Rest, path

API: Final = f"{GROUP}/{VERSION}"
PLURAL: Final = "backlogpolicies"
PATIENCE: Final = 5.0  # seconds for an answer
EVENTS_AT_MOST: Final = 12


class NotTold(Exception):
    """The cluster did not tell; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Told:
    """One Event: when it was last posted, in UTC as the API server has it."""

    at: str
    reason: str
    message: str


@asynccontextmanager
async def connected() -> AsyncIterator[Rest]:
    """The way to the API server. NotTold where no configuration names one."""
    try:
        client = await connect()
    except ClusterConfigError as error:
        raise NotTold(str(error)) from error
    try:
        yield Rest(client, within=PATIENCE)
    finally:
        await client.close()  # type: ignore[no-untyped-call]


async def policy_of(rest: Rest, namespace: str, name: str) -> BacklogPolicy:
    """One policy. NotTold where there is none, or it may not be read."""
    try:
        found = await rest.get(path(API, "namespaces", namespace, PLURAL, name))
    except ApiError as error:
        if error.failure is Failure.MISSING:
            raise NotTold(
                f"there is no BacklogPolicy {name} in namespace {namespace}: give another namespace with -n, "
                "or list all with floodwarden top"
            ) from error
        raise _not_told(error) from error
    return _parsed(found)


async def policies_in(rest: Rest, namespace: str | None) -> list[BacklogPolicy]:
    """The policies of a namespace, or of all; sorted by namespace and name."""
    scope = [] if namespace is None else ["namespaces", namespace]
    try:
        found = await rest.get(path(API, *scope, PLURAL), resourceVersion="0")  # from its cache: asked for again and again
    except ApiError as error:
        if error.failure is Failure.MISSING:
            raise NotTold(
                "the cluster does not know BacklogPolicies: install Floodwarden's chart, or name another cluster"
            ) from error
        raise _not_told(error) from error
    policies = [_parsed(one) for one in found.get("items") or []]
    return sorted(policies, key=lambda one: (one.metadata.namespace, one.metadata.name))


async def events_of(rest: Rest, policy: BacklogPolicy) -> list[Told]:
    """The last Events about a policy, oldest first; none where they may not be read: the status tells what is now."""
    about = f"involvedObject.kind=BacklogPolicy,involvedObject.uid={policy.metadata.uid}"
    try:
        found = await rest.get(path("v1", "namespaces", policy.metadata.namespace, "events"), fieldSelector=about)
    except ApiError:
        return []
    events = [_event(one) for one in found.get("items") or []]
    return sorted(events, key=lambda one: one.at)[-EVENTS_AT_MOST:]


async def told_about(namespace: str, name: str) -> tuple[BacklogPolicy, list[Told]]:
    """A policy and its Events, over a connection of its own."""
    async with connected() as rest:
        policy = await policy_of(rest, namespace, name)
        return policy, await events_of(rest, policy)


def told_about_now(namespace: str, name: str) -> tuple[BacklogPolicy, list[Told]]:
    """The same for commands that are not asynchronous."""
    return asyncio.run(told_about(namespace, name))


def _event(event: Mapping[str, Any]) -> Told:
    at = event.get("lastTimestamp") or event.get("eventTime") or ""
    return Told(str(at), str(event.get("reason", "")), str(event.get("message", "")))


def _parsed(body: Mapping[str, Any]) -> BacklogPolicy:
    try:
        return BacklogPolicy.parse(body)
    except InvalidManifest as error:
        meta = body.get("metadata", {})
        raise NotTold(
            f"BacklogPolicy {meta.get('namespace')}/{meta.get('name')} is of another version ({error}): "
            "use the floodwarden of the version that runs in the cluster"
        ) from error


def _not_told(error: ApiError) -> NotTold:
    if error.failure is Failure.FORBIDDEN:
        return NotTold(f"{error}: ask for get and list on backlogpolicies.{GROUP}, or name a namespace of yours with -n")
    return NotTold(f"{error}: check KUBECONFIG and that the cluster is up")
