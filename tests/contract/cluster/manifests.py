"""Manifests that these tests apply: workloads, custom resources, accounts."""

from __future__ import annotations

from typing import Any

from floodwarden.cluster.status import Resource

Object = dict[str, Any]

GROUP = "contract.floodwarden.dev"
WIDGETS = f"{GROUP}/v1"
WIDGET_RESOURCE = Resource(WIDGETS, "widgets")
NO_NODE = "none"  # a scheduler that does not exist: pods are made and stay where they are


def pod_template(labels: dict[str, str], image: str = "none", *, scheduler: str = NO_NODE) -> Object:
    """A pod on the host's network with one container of the image."""
    return {
        "metadata": {"labels": labels},
        "spec": {
            "schedulerName": scheduler,
            "hostNetwork": True,
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": image, "imagePullPolicy": "Never"}],
        },
    }


def workload(kind: str, name: str, replicas: int, template: Object | None = None) -> Object:
    """A Deployment, StatefulSet or ReplicaSet whose pods carry the label app=NAME."""
    labels = {"app": name}
    spec: Object = {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": template or pod_template(labels),
    }
    if kind == "StatefulSet":
        spec["serviceName"] = name
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def crd(kind: str, *, scale: Object | None, group: str = GROUP, version: str = "v1") -> Object:
    """A custom resource whose spec takes anything and whose status knows a number, with or without a scale subresource."""
    plural = f"{kind.lower()}s"
    status = {
        "type": "object",
        "properties": {"lag": {"type": "integer"}, "note": {"type": "string"}, "selector": {"type": "string"}},
    }
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}, "status": status},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}} | ({"scale": scale} if scale else {}),
                }
            ],
        },
    }


def strimzi_crd(version: str) -> Object:
    """Strimzi's KafkaTopic in one of the versions that its releases serve, with the fields of its own definition."""
    found = crd("KafkaTopic", scale=None, group="kafka.strimzi.io", version=version)
    text, number = {"type": "string"}, {"type": "integer"}
    one_or_more = {**number, "minimum": 1}
    config = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    condition = dict.fromkeys(("type", "status", "lastTransitionTime", "reason", "message"), text)
    schema = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"] = {
        "spec": {
            "type": "object",
            "properties": {"partitions": one_or_more, "replicas": one_or_more, "config": config, "topicName": text},
        },
        "status": {
            "type": "object",
            "properties": {
                "conditions": {"type": "array", "items": {"type": "object", "properties": condition}},
                "observedGeneration": number,
                "topicName": text,
                "topicId": text,
            },
        },
    }
    return found


SCALE = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.lag", "labelSelectorPath": ".status.selector"}
SCALE_WITHOUT_SELECTOR = {name: where for name, where in SCALE.items() if name != "labelSelectorPath"}


def widget(name: str, **spec: Any) -> Object:
    """A custom resource of the kind Widget."""
    return {"apiVersion": WIDGETS, "kind": "Widget", "metadata": {"name": name}, "spec": spec}


def autoscaler(name: str, api_version: str, kind: str, target: str) -> Object:
    """A HorizontalPodAutoscaler."""
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"apiVersion": api_version, "kind": kind, "name": target},
            "maxReplicas": 3,
            "metrics": [metric],
        },
    }


def scaled_object(name: str, target: dict[str, str]) -> Object:
    """A ScaledObject of KEDA."""
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name},
        "spec": {"scaleTargetRef": target, "triggers": []},
    }


def account(name: str, namespace: str, rules: list[Object]) -> list[Object]:
    """A service account that may do what the rules say in its namespace, and nothing else."""
    group = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}},
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": {"name": name}, "rules": rules},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        },
    ]


def rule(group: str, resource: str, *verbs: str) -> Object:
    """One rule of a role."""
    return {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}
