"""The chart and the kustomize base as far as they can be judged without helm: values, schema, rendered defaults.

What only helm can tell (other values than the defaults) is in tests/e2e/test_chart_rendering.py.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml

from floodhack.instance import CHECKOUT
from floodhack.kustomize import CHART, RENDERED, header

Values = dict[str, Any]

VALUES: Values = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA: Values = yaml.safe_load((CHART / "values.schema.json").read_text())
TEMPLATES = "\n".join(path.read_text() for path in (CHART / "templates").rglob("*.*"))
OBJECTS: list[Values] = [found for found in yaml.safe_load_all(RENDERED.read_text()) if found]


def closed_objects(schema: Values, path: str = "") -> Iterator[tuple[str, Values]]:
    """Every object of the schema that lists its properties, with its dotted path."""
    if "properties" in schema:
        yield path, schema
        for name, inner in schema["properties"].items():
            yield from closed_objects(inner, f"{path}.{name}" if path else name)


def leaves(schema: Values) -> set[str]:
    """The dotted paths of the values that can be set."""
    inner = {path for path, _ in closed_objects(schema)}
    return {
        f"{path}.{name}" if path else name
        for path, found in closed_objects(schema)
        for name in found["properties"]
        if (f"{path}.{name}" if path else name) not in inner
    }


def at(values: Values, path: str) -> Any:
    """The value at a dotted path; KeyError when there is none."""
    found = values
    for name in filter(None, path.split(".")):
        found = found[name]
    return found


def granted(kind: str, name: str = "floodwarden") -> set[tuple[str, str, str]]:
    """Group, resource and verb of every right that a role of the rendered base grants."""
    return {
        (group, resource, verb)
        for rule in one(kind, name)["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def one(kind: str, name: str = "floodwarden") -> Values:
    """The object of the rendered base."""
    (found,) = [item for item in OBJECTS if item["kind"] == kind and item["metadata"]["name"] == name]
    return found


def test_the_defaults_meet_their_schema() -> None:
    """What values.yaml says is accepted as it is."""
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(VALUES, SCHEMA)


def test_every_value_is_in_the_schema_and_in_the_defaults() -> None:
    """The schema knows exactly the values that values.yaml explains; `global` belongs to Helm."""
    for path in leaves(SCHEMA) - {"global"}:
        at(VALUES, path)
    for path, found in closed_objects(SCHEMA):
        assert found["additionalProperties"] is False, path
        assert set(at(VALUES, path)) == set(found["properties"]) - {"global"}, path


@pytest.mark.parametrize("path", sorted(leaves(SCHEMA) - {"global"}))
def test_every_value_does_something(path: str) -> None:
    """No value is offered that no template uses."""
    assert re.search(rf"\.Values\.{re.escape(path)}\b", TEMPLATES), path


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"replicaCount": 3}, id="unknown value"),
        pytest.param({"replicas": 0}, id="no replica"),
        pytest.param({"podDisruptionBudget": {"maxUnavailable": 0}}, id="nodes that can never be drained"),
        pytest.param({"networkPolicy": {"brokerPorts": []}}, id="brokers at no port"),
        pytest.param({"metrics": {"serviceMonitor": {"interval": "30"}}}, id="duration without its unit"),
        pytest.param({"image": {"tga": "1"}}, id="misspelt value"),
        pytest.param({"image": {"tag": 1}}, id="tag that YAML reads as a number"),
        pytest.param({"image": {"digest": "1234"}}, id="digest without algorithm"),
        pytest.param({"log": {"level": "loud"}}, id="unknown log level"),
        pytest.param({"listen": {"port": 0}}, id="port 0"),
        pytest.param({"listen": {"address": "[::]"}}, id="brackets around an address"),
        pytest.param({"watchNamespaces": ["shop", "shop"]}, id="namespace named twice"),
        pytest.param({"watchNamespaces": "shop"}, id="one namespace, not a list"),
        pytest.param({"rbac": {"extraScaleTargets": [{"apiGroups": ["*"], "resources": ["rollouts"]}]}}, id="every API group"),
        pytest.param({"rbac": {"extraScaleTargets": [{"apiGroups": ["x.io"], "resources": ["*"]}]}}, id="every resource"),
        pytest.param({"rbac": {"extraScaleTargets": [{"resources": ["rollouts"]}]}}, id="target without its group"),
        pytest.param({"rbac": {"secretNames": ["*"]}}, id="every Secret by a star"),
    ],
)
def test_wrong_values_are_refused(wrong: Values) -> None:
    """A mistake in the values is refused before anything is installed."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)


def test_the_chart_is_of_the_projects_version() -> None:
    """Chart, image tag and package say one version."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    assert chart["version"] == chart["appVersion"] == project["version"]


def test_the_kustomize_base_is_rendered_from_this_chart() -> None:
    """Neither the chart nor the rendered file was changed without `make generate`."""
    text = RENDERED.read_text()
    body = "".join(text.splitlines(keepends=True)[2:])
    assert text == header(body) + body, "run `make generate` and commit what it changes"


def test_the_operator_has_the_least_rights() -> None:
    """No wildcard; Secrets and ConfigMaps by name only; workloads through their scale subresource only; resources' specs never
    written, and nothing but ConfigMaps and Events created."""
    rules = one("ClusterRole")["rules"]
    rights = granted("ClusterRole")
    assert not [right for right in rights if "*" in right]
    assert not [rule for rule in rules if "nonResourceURLs" in rule]
    reading = {"get", "list", "watch"}
    assert {verb for _, name, verb in rights if name == "secrets"} == {"get"}
    assert {verb for _, name, verb in rights if name == "configmaps"} == {"get", "create", "patch"}
    assert {verb for _, name, verb in rights if name in ("deployments", "statefulsets", "daemonsets", "kafkatopics")} == {"list"}
    writing = {(group, name, verb) for group, name, verb in rights if verb not in reading}
    assert {name for _, name, _ in writing} == {
        "messagebrokers/status",
        "backlogpolicies/status",
        "deliverypolicies/status",
        "deployments/scale",
        "statefulsets/scale",
        "replicasets/scale",
        "events",
        "configmaps",
    }
    assert {verb for _, _, verb in writing} == {"create", "patch", "update"}
    assert {name for _, name, verb in writing if verb == "create"} == {"events", "configmaps"}


def test_leases_are_written_in_the_own_namespace_only() -> None:
    """What the replicas share their work by is theirs in the release's namespace, and nothing else is."""
    role = one("Role", "floodwarden-leases")
    assert role["metadata"]["namespace"] == one("Deployment")["metadata"]["namespace"]
    verbs = ("get", "list", "create", "update", "delete")
    leases = {("coordination.k8s.io", "leases", verb) for verb in verbs}
    ledgers = {("", "configmaps", verb) for verb in ("get", "create", "update")}
    assert granted("Role", "floodwarden-leases") == leases | ledgers


def test_the_rights_go_to_the_operators_account_alone() -> None:
    """One binding for each role, to the account the pod runs as, and no other."""
    account = one("ServiceAccount")
    bindings = [found for found in OBJECTS if found["kind"].endswith("Binding")]
    roles = {(binding["roleRef"]["kind"], binding["roleRef"]["name"]) for binding in bindings}
    assert roles == {("ClusterRole", "floodwarden"), ("Role", "floodwarden-leases")}
    for binding in bindings:
        assert [(subject["kind"], subject["name"], subject["namespace"]) for subject in binding["subjects"]] == [
            ("ServiceAccount", account["metadata"]["name"], account["metadata"]["namespace"])
        ]
    assert one("Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == account["metadata"]["name"]


def test_one_replica_may_be_lost() -> None:
    """Two replicas, apart where the cluster has room, replaced one by one; a drain takes one of them at a time."""
    deployment, budget = one("Deployment")["spec"], one("PodDisruptionBudget")["spec"]
    assert deployment["replicas"] == 2
    assert deployment["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    spread = deployment["template"]["spec"]["topologySpreadConstraints"]
    assert {rule["topologyKey"] for rule in spread} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
    assert {rule["whenUnsatisfiable"] for rule in spread} == {"ScheduleAnyway"}
    selected = deployment["selector"]["matchLabels"]
    assert [rule["labelSelector"]["matchLabels"] for rule in spread] == [selected, selected]
    assert budget["selector"]["matchLabels"] == selected
    assert budget["maxUnavailable"] == 1


def test_the_pod_is_confined() -> None:
    """Non-root, no capability, read-only root, the runtime's seccomp profile, nothing of the host, limits set."""
    pod = one("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert [set(volume) for volume in pod["volumes"]] == [{"name", "emptyDir"}]
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]


def test_the_service_finds_the_pod() -> None:
    """The metrics Service selects the Deployment's pods and a port that they name; so do the probes."""
    deployment, service = one("Deployment"), one("Service", "floodwarden-metrics")
    template = deployment["spec"]["template"]
    (container,) = template["spec"]["containers"]
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    ports = {port["name"] for port in container["ports"]}
    assert service["spec"]["ports"][0]["targetPort"] in ports
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {probe["port"] for probe in probes.values()} == ports
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startup": "/healthz",
        "liveness": "/healthz",
        "readiness": "/readyz",
    }


def test_nothing_in_the_base_claims_to_be_helms() -> None:
    """Without Helm no label says that Helm manages an object."""
    for found in OBJECTS:
        assert not re.search(r"helm", yaml.safe_dump(found["metadata"]), re.I)
