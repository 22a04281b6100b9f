"""Who the operator under measurement is: a service account of its own, whose requests the API server counts apart.

Three FlowSchemas of the API server's own fairness sort them into leases, other writes, and reads; its metrics tell how many
of each it let in. So nothing has to be switched on in a cluster that runs already, and other clients do not count.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from api import Api, Object, samples
from ground import Ground, namespace

from floodhack.errors import HackError

ACCOUNT = "operator"
FLOWS = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
WRITES = ["create", "update", "patch", "delete", "deletecollection"]
# In the order of precedence: the first that fits counts.
SORTS: dict[str, tuple[list[str], list[str]]] = {
    "bench-leases": (WRITES, ["leases"]),
    "bench-writes": (WRITES, ["*"]),
    "bench-reads": (["*"], ["*"]),
}


@dataclass(frozen=True)
class Counts:
    """Requests of the account that the API server has let in so far."""

    leases: int
    writes: int  # leases not among them
    reads: int


@dataclass(frozen=True)
class Account:
    """The account, and a kubeconfig that speaks for it."""

    api: Api
    namespace: str
    kubeconfig: Path

    def counts(self) -> Counts:
        """As the API server counts now."""
        text = self.api.text("/metrics")
        found = dict.fromkeys(SORTS, 0.0)
        for labels, value in samples(text, "apiserver_flowcontrol_dispatched_requests_total").items():
            for name in SORTS:
                if f'flow_schema="{name}"' in labels:
                    found[name] += value
        if not found["bench-reads"]:
            raise HackError("the API server counts nothing of the operator's: are its FlowSchemas in force?")
        return Counts(int(found["bench-leases"]), int(found["bench-writes"]), int(found["bench-reads"]))


@contextmanager
def account(ground: Ground) -> Iterator[Account]:
    """Make the account with its rights and counters; all is gone at the end."""
    api = ground.api
    with namespace(api, "bench-system") as space, ExitStack() as stack:
        where = f"/api/v1/namespaces/{space}/serviceaccounts"
        meta = {"name": ACCOUNT, "namespace": space}
        api.apply(where, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "bench-operator"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", **meta}],
        }
        stack.callback(api.delete, f"{BINDINGS}/bench-operator")
        api.apply(BINDINGS, binding)
        for precedence, (name, (verbs, resources)) in enumerate(SORTS.items(), 100):
            stack.callback(api.delete, f"{FLOWS}/{name}")
            api.apply(FLOWS, _flow(space, name, precedence, verbs, resources))
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 4 * 3600}}
        token = api.send("POST", f"{where}/{ACCOUNT}/token", request)["status"]["token"]
        path = ground.instance.run / "bench" / "kubeconfig"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(json.dumps(_kubeconfig(api, token)))
        stack.callback(path.unlink, missing_ok=True)
        yield Account(api, space, path)


def _flow(space: str, name: str, precedence: int, verbs: list[str], resources: list[str]) -> Object:
    """The priority is that of any service account, which is what the operator has without the bench."""
    everything = {"verbs": verbs, "apiGroups": ["*"], "resources": resources, "namespaces": ["*"], "clusterScope": True}
    subject = {"kind": "ServiceAccount", "serviceAccount": {"namespace": space, "name": ACCOUNT}}
    rule: Object = {"subjects": [subject], "resourceRules": [everything]}
    if resources == ["*"] and verbs == ["*"]:
        rule["nonResourceRules"] = [{"verbs": ["*"], "nonResourceURLs": ["*"]}]
    return {
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
        "kind": "FlowSchema",
        "metadata": {"name": name},
        "spec": {
            "priorityLevelConfiguration": {"name": "workload-low"},
            "matchingPrecedence": precedence,
            "distinguisherMethod": {"type": "ByUser"},
            "rules": [rule],
        },
    }


def _kubeconfig(api: Api, token: str) -> Object:
    authority = base64.b64encode(api.authority.read_bytes()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "bench", "cluster": {"server": api.server, "certificate-authority-data": authority}}],
        "users": [{"name": ACCOUNT, "user": {"token": token}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": ACCOUNT}}],
        "current-context": "bench",
    }
