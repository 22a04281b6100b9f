"""Tells on an object that its manifest cannot be understood. A CRD refuses such objects, but an older CRD may have let one in."""

from __future__ import annotations

from floodwarden.api.resource import GROUP, VERSION
from floodwarden.cluster.events import ObjectRef
from floodwarden.cluster.status import Resource as StatusResource
from floodwarden.cluster.status import StatusOutcome
from floodwarden.core.conditions import Notice, Type, condition_of
from floodwarden.core.reasons import Reason
from floodwarden.sweep.report import to_api
from floodwarden.sweep.services import Services
from floodwarden.sweep.store import Refused


async def tell_refused(refused: Refused, services: Services) -> bool:
    """A condition and an Event; the rest of the status would describe a spec that nobody follows. False where it has to be
    tried again."""
    condition = condition_of(Type.READY, False, Reason.INVALID_SPEC, refused.why[:800])
    shown = to_api({Type.READY: condition}, (), refused.generation)
    status = {"observedGeneration": refused.generation, "conditions": [one.to_api() for one in shown]}
    resource = StatusResource(f"{GROUP}/{VERSION}", refused.plural)
    result = await services.write_status(resource, refused.key.namespace, refused.key.name, refused.uid, status)
    if result.outcome is StatusOutcome.WRITTEN:
        services.tell(
            Notice(True, condition.reason, condition.message),
            ObjectRef(f"{GROUP}/{VERSION}", refused.kind, refused.key.namespace, refused.key.name, refused.uid),
        )
    return result.outcome in (StatusOutcome.WRITTEN, StatusOutcome.GONE)
