"""The chart with other values than its defaults, as `helm template` renders it; no cluster needed.

The defaults are judged in tests/unit/test_chart_values.py, installing in tests/e2e/test_chart.py.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from floodhack.gobuild import HELM
from floodhack.kustomize import CHART, RENDERED, render

Manifest = dict[str, Any]

DIGEST = f"sha256:{'a' * 64}"


@pytest.fixture(scope="session")
def helm() -> Path:
    """The helm program, built when it is not cached."""
    return HELM.ensure() / "helm"


def run(helm: Path, *args: str, values: Manifest | None = None) -> subprocess.CompletedProcess[str]:
    """Run helm, with values of our own where they are given."""
    command = [str(helm), *args, *(["--values", "-"] if values else [])]
    return subprocess.run(command, input=json.dumps(values), capture_output=True, text=True, check=False)


def template(helm: Path, values: Manifest | None = None, release: str = "fw") -> list[Manifest]:
    """The objects that the chart makes with some values set."""
    shown = run(helm, "template", release, str(CHART), "--namespace", "system", values=values)
    assert shown.returncode == 0, shown.stderr
    return [found for found in yaml.safe_load_all(shown.stdout) if found]


def pod(objects: list[Manifest]) -> Manifest:
    """The pod spec of the Deployment."""
    (deployment,) = [found for found in objects if found["kind"] == "Deployment"]
    spec: Manifest = deployment["spec"]["template"]["spec"]
    return spec


def container(objects: list[Manifest]) -> Manifest:
    """The pod's only container."""
    (found,) = pod(objects)["containers"]
    assert isinstance(found, dict)
    return found


def kinds(objects: list[Manifest]) -> set[str]:
    return {found["kind"] for found in objects}


def operator_rules(objects: list[Manifest]) -> list[Manifest]:
    """The rules of the (first) role which the operator's account is bound to."""
    reference = next(found["roleRef"] for found in objects if found["kind"].endswith("Binding"))
    named = (reference["kind"], reference["name"])
    role = next(found for found in objects if (found["kind"], found["metadata"]["name"]) == named)
    rules: list[Manifest] = role["rules"]
    return rules


def test_lint_finds_nothing(helm: Path) -> None:
    """helm lint has neither an error nor a warning."""
    shown = run(helm, "lint", "--strict", str(CHART))
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert not [line for line in shown.stdout.splitlines() if line.startswith("[")], shown.stdout


def test_the_kustomize_base_is_what_helm_renders() -> None:
    """The committed base is, to the byte, what the chart renders now."""
    assert RENDERED.read_text() == render()


def test_an_unknown_value_is_named(helm: Path) -> None:
    """helm refuses a misspelt value and says where it is."""
    shown = run(helm, "template", "fw", str(CHART), values={"image": {"tga": "1"}})
    assert shown.returncode != 0
    assert "/image" in shown.stderr
    assert "'tga' not allowed" in shown.stderr


def test_an_old_cluster_is_refused(helm: Path) -> None:
    """A cluster without CEL rules is refused before anything is installed."""
    shown = run(helm, "template", "fw", str(CHART), "--kube-version", "1.28.9")
    assert shown.returncode != 0
    assert ">=1.29.0-0" in shown.stderr


def test_served_namespaces_replace_the_rights_in_the_cluster(helm: Path) -> None:
    """With watchNamespaces the operator's account has a Role in each of them, and no right in the cluster."""
    everywhere, served = template(helm), template(helm, {"watchNamespaces": ["shop", "bank"]})
    assert "ClusterRoleBinding" not in kinds(served)
    for kind in ("Role", "RoleBinding"):
        assert [found["metadata"]["namespace"] for found in served if found["kind"] == kind] == ["shop", "bank"]
    for binding in (found for found in served if found["kind"] == "RoleBinding"):
        assert binding["roleRef"]["kind"] == "Role"
        assert [(subject["name"], subject["namespace"]) for subject in binding["subjects"]] == [("fw-floodwarden", "system")]
    assert operator_rules(served) == operator_rules(everywhere)
    assert "--namespaces=shop,bank" in container(served)["args"]
    assert not [arg for arg in container(everywhere)["args"] if arg.startswith("--namespaces")]


def test_rights_follow_their_values(helm: Path) -> None:
    """secretNames narrows, extraScaleTargets adds the scale subresource and nothing else."""
    plain = operator_rules(template(helm))
    chosen = operator_rules(
        template(
            helm,
            {
                "rbac": {
                    "secretNames": ["kafka-user"],
                    "extraScaleTargets": [{"apiGroups": ["argoproj.io"], "resources": ["rollouts"]}],
                }
            },
        )
    )
    assert [rule for rule in chosen if rule not in plain] == [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["kafka-user"]},
        {"apiGroups": ["argoproj.io"], "resources": ["rollouts/scale"], "verbs": ["get", "update"]},
    ]
    assert [rule for rule in plain if rule not in chosen] == [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]


def test_parts_can_be_left_to_others(helm: Path) -> None:
    """Roles, account and CRDs are left out when somebody else makes them."""
    bare = template(
        helm,
        {
            "rbac": {"create": False, "aggregateToDefaultRoles": False},
            "serviceAccount": {"create": False, "name": "theirs"},
            "crds": {"install": False},
        },
    )
    assert kinds(bare) == {"Deployment", "Service"}
    assert pod(bare)["serviceAccountName"] == "theirs"
    assert pod(template(helm, {"serviceAccount": {"create": False}}))["serviceAccountName"] == "default"


def test_custom_resources_outlive_the_release_unless_told(helm: Path) -> None:
    """Both CRDs are templates of the release; Helm keeps them on uninstall by default, and not with crds.keep=false."""
    for keep, expected in ((True, {"helm.sh/resource-policy": "keep"}), (False, None)):
        objects = template(helm, {"crds": {"keep": keep}})
        crds = {found["metadata"]["name"]: found for found in objects if found["kind"] == "CustomResourceDefinition"}
        assert crds.keys() == {"messagebrokers.floodwarden.dev", "backlogpolicies.floodwarden.dev"}
        assert [found["metadata"].get("annotations") for found in crds.values()] == [expected, expected]


def test_the_nodes_network(helm: Path) -> None:
    """On the node's network the pod listens, is probed and finds the API server where it is told."""
    objects = template(
        helm,
        {
            "hostNetwork": True,
            "listen": {"address": "127.0.0.1", "port": 18080},
            "apiServer": {"host": "127.0.0.1", "port": 6443},
        },
    )
    probes = [container(objects)[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")]
    assert pod(objects)["hostNetwork"] is True
    assert pod(objects)["dnsPolicy"] == "ClusterFirstWithHostNet"
    assert "--listen=127.0.0.1:18080" in container(objects)["args"]
    assert {probe["host"] for probe in probes} == {"127.0.0.1"}
    env = {entry["name"]: entry.get("value") for entry in container(objects)["env"]}
    assert (env["KUBERNETES_SERVICE_HOST"], env["KUBERNETES_SERVICE_PORT"]) == ("127.0.0.1", "6443")
    assert container(objects)["ports"][0]["containerPort"] == 18080


def test_an_ipv6_address_is_put_in_brackets(helm: Path) -> None:
    """Listening on all IPv6 addresses is written as programs read it, and the kubelet probes the pod's own."""
    chosen = container(template(helm, {"listen": {"address": "::"}}))
    assert "--listen=[::]:8080" in chosen["args"]
    assert "host" not in chosen["livenessProbe"]["httpGet"]


@pytest.mark.parametrize(
    ("values", "image"),
    [
        pytest.param({}, "floodwarden:0.1.0", id="the chart's appVersion"),
        pytest.param({"repository": "r.example/fw", "tag": "edge"}, "r.example/fw:edge", id="another one"),
        pytest.param({"digest": DIGEST}, f"floodwarden:0.1.0@{DIGEST}", id="pinned"),
    ],
)
def test_the_image(helm: Path, values: Manifest, image: str) -> None:
    """Repository, tag and digest make the image's name."""
    assert container(template(helm, {"image": values}))["image"] == image


def test_everything_for_the_pod_reaches_it(helm: Path) -> None:
    """Placement, labels, environment, log settings and resources are the pod's."""
    objects = template(
        helm,
        {
            "podLabels": {"team": "platform"},
            "podAnnotations": {"note": "x"},
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"key": "a", "operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
            "topologySpreadConstraints": [{"maxSkew": 1}],
            "imagePullSecrets": [{"name": "pull"}],
            "priorityClassName": "system-cluster-critical",
            "extraEnv": [{"name": "TZ", "value": "UTC"}],
            "log": {"level": "debug", "format": "console"},
            "resources": {"limits": {"memory": "1Gi"}},
            "image": {"pullPolicy": "Never"},
        },
    )
    spec, chosen = pod(objects), container(objects)
    metadata = next(found for found in objects if found["kind"] == "Deployment")["spec"]["template"]["metadata"]
    assert metadata["labels"]["team"] == "platform"
    assert metadata["annotations"]["note"] == "x"
    assert spec["nodeSelector"] == {"disk": "ssd"}
    assert spec["tolerations"] == [{"key": "a", "operator": "Exists"}]
    assert spec["affinity"] == {"nodeAffinity": {}}
    assert spec["topologySpreadConstraints"] == [{"maxSkew": 1}]
    assert spec["imagePullSecrets"] == [{"name": "pull"}]
    assert spec["priorityClassName"] == "system-cluster-critical"
    assert {"name": "TZ", "value": "UTC"} in chosen["env"]
    assert {"--log-level=debug", "--log-format=console"} <= set(chosen["args"])
    assert chosen["resources"]["limits"] == {"memory": "1Gi"}
    assert chosen["imagePullPolicy"] == "Never"


def test_prometheus_can_find_the_service(helm: Path) -> None:
    """Annotations for scraping come on request, beside others."""
    values = {"metrics": {"prometheusAnnotations": True, "service": {"port": 9100, "annotations": {"owner": "us"}}}}
    (service,) = [found for found in template(helm, values) if found["kind"] == "Service"]
    assert service["metadata"]["annotations"] == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": "9100",
        "prometheus.io/path": "/metrics",
        "owner": "us",
    }
    assert service["spec"]["ports"][0]["port"] == 9100


@pytest.mark.parametrize(
    ("release", "values", "name"),
    [
        pytest.param("floodwarden", {}, "floodwarden", id="the release is named like the chart"),
        pytest.param("prod", {}, "prod-floodwarden", id="it is not"),
        pytest.param("prod", {"nameOverride": "warden"}, "prod-warden", id="another name for the chart"),
        pytest.param("prod", {"fullnameOverride": "fw"}, "fw", id="another name for all"),
        pytest.param("r" * 53, {}, "r" * 52, id="the longest name of a release"),
    ],
)
def test_names(helm: Path, release: str, values: Manifest, name: str) -> None:
    """Objects are named after the release, so that two releases do not collide, and never too long for their suffixes."""
    (deployment,) = [found for found in template(helm, values, release) if found["kind"] == "Deployment"]
    assert deployment["metadata"]["name"] == name
