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
    spec: Manifest = deployment(objects)["template"]["spec"]
    return spec


def deployment(objects: list[Manifest]) -> Manifest:
    """The spec of the Deployment."""
    (found,) = [found for found in objects if found["kind"] == "Deployment"]
    assert isinstance(found["spec"], dict)
    return found["spec"]


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
        where = {found["metadata"]["namespace"] for found in served if found["kind"] == kind and not _for_leases(found)}
        assert where == {"shop", "bank"}
        assert [found["metadata"]["namespace"] for found in served if found["kind"] == kind and _for_leases(found)] == ["system"]
    for binding in (found for found in served if found["kind"] == "RoleBinding"):
        assert binding["roleRef"]["kind"] == "Role"
        assert [(subject["name"], subject["namespace"]) for subject in binding["subjects"]] == [("fw-floodwarden", "system")]
    assert operator_rules(served) == operator_rules(everywhere)
    assert "--namespaces=shop,bank" in container(served)["args"]
    assert not [arg for arg in container(everywhere)["args"] if arg.startswith("--namespaces")]


def _for_leases(found: Manifest) -> bool:
    return bool(found["metadata"]["name"].endswith("-leases"))


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


def test_rights_to_write_workloads_are_asked_for(helm: Path) -> None:
    """Deployments and KafkaTopics are written only where their values say so, and ConfigMaps unless theirs says not to."""
    plain = operator_rules(template(helm))
    values = {"rbac": {"patchWorkloads": True, "patchKafkaTopics": True, "publishClientSettings": False}}
    chosen = operator_rules(template(helm, values))
    assert [rule for rule in chosen if rule not in plain] == [
        {"apiGroups": ["kafka.strimzi.io"], "resources": ["kafkatopics"], "verbs": ["list", "patch"]},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["patch"]},
    ]
    assert [rule for rule in plain if rule not in chosen] == [
        {"apiGroups": ["kafka.strimzi.io"], "resources": ["kafkatopics"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "patch"]},
    ]


def test_parts_can_be_left_to_others(helm: Path) -> None:
    """Roles, account and CRDs are left out when somebody else makes them."""
    bare = template(
        helm,
        {
            "rbac": {"create": False, "aggregateToDefaultRoles": False},
            "serviceAccount": {"create": False, "name": "theirs"},
            "crds": {"install": False},
            "podDisruptionBudget": {"enabled": False},
        },
    )
    assert kinds(bare) == {"Deployment", "Service"}
    assert pod(bare)["serviceAccountName"] == "theirs"
    assert pod(template(helm, {"serviceAccount": {"create": False}}))["serviceAccountName"] == "default"


def test_custom_resources_outlive_the_release_unless_told(helm: Path) -> None:
    """All CRDs are templates of the release; Helm keeps them on uninstall by default, and not with crds.keep=false."""
    for keep, expected in ((True, {"helm.sh/resource-policy": "keep"}), (False, None)):
        objects = template(helm, {"crds": {"keep": keep}})
        crds = {found["metadata"]["name"]: found for found in objects if found["kind"] == "CustomResourceDefinition"}
        assert crds.keys() == {
            "messagebrokers.floodwarden.dev",
            "backlogpolicies.floodwarden.dev",
            "deliverypolicies.floodwarden.dev",
        }
        assert [found["metadata"].get("annotations") for found in crds.values()] == [expected] * 3


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
    # A node has each port once: the old pod has to go first.
    assert deployment(objects)["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_an_ipv6_address_is_put_in_brackets(helm: Path) -> None:
    """Listening on all IPv6 addresses is written as programs read it, and the kubelet probes the pod's own."""
    chosen = container(template(helm, {"listen": {"address": "::"}}))
    assert "--listen=[::]:8080" in chosen["args"]
    assert "host" not in chosen["livenessProbe"]["httpGet"]


@pytest.mark.parametrize(
    ("values", "image"),
    [
        pytest.param({}, "floodwarden:0.2.0", id="the chart's appVersion"),
        pytest.param({"repository": "r.example/fw", "tag": "edge"}, "r.example/fw:edge", id="another one"),
        pytest.param({"digest": DIGEST}, f"floodwarden:0.2.0@{DIGEST}", id="pinned"),
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
    objects = template(helm, values, release)
    assert [found["metadata"]["name"] for found in objects if found["kind"] in ("Deployment", "PodDisruptionBudget")] == [
        name
    ] * 2
    assert {"name": "FLOODWARDEN_RELEASE", "value": name} in container(objects)["env"]


def test_replicas_and_how_they_are_replaced(helm: Path) -> None:
    """Replicas, strategy and budget are what the values say."""
    objects = template(
        helm,
        {"replicas": 3, "strategy": {"type": "Recreate"}, "podDisruptionBudget": {"maxUnavailable": "50%"}},
    )
    assert deployment(objects)["replicas"] == 3
    assert deployment(objects)["strategy"] == {"type": "Recreate"}
    assert one(objects, "PodDisruptionBudget")["spec"]["maxUnavailable"] == "50%"


def one(objects: list[Manifest], kind: str) -> Manifest:
    """The only object of its kind."""
    (found,) = [found for found in objects if found["kind"] == kind]
    return found


def test_nothing_for_monitoring_unless_asked_for(helm: Path) -> None:
    """What needs other CRDs, or may cut connections, comes on request only."""
    assert not kinds(template(helm)) & {"NetworkPolicy", "ServiceMonitor", "PrometheusRule", "ConfigMap"}


def test_the_service_monitor(helm: Path) -> None:
    """It selects the metrics Service by its labels and port, keeps the series' own `namespace`, and carries our labels."""
    objects = template(
        helm,
        {"metrics": {"serviceMonitor": {"enabled": True, "labels": {"release": "prom"}, "interval": "15s", "namespace": "mon"}}},
    )
    monitor, service = one(objects, "ServiceMonitor"), one(objects, "Service")
    assert monitor["metadata"]["namespace"] == "mon"
    assert monitor["metadata"]["labels"]["release"] == "prom"
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["system"]}
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint == {"port": service["spec"]["ports"][0]["name"], "honorLabels": True, "interval": "15s"}


def test_the_prometheus_rule(helm: Path) -> None:
    """It holds the alerts of the file, word for word, but for those that are left out."""
    groups = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())["groups"]
    on: Manifest = {"enabled": True, "labels": {"release": "prom"}}
    rule = one(template(helm, {"metrics": {"prometheusRule": on}}), "PrometheusRule")
    assert rule["spec"]["groups"] == groups
    assert rule["metadata"]["labels"]["release"] == "prom"
    on["disabled"] = [groups[0]["rules"][0]["alert"], *(found["alert"] for found in groups[1]["rules"])]
    fewer = one(template(helm, {"metrics": {"prometheusRule": on}}), "PrometheusRule")
    assert fewer["spec"]["groups"] == [{**groups[0], "rules": groups[0]["rules"][1:]}, *groups[2:]]


def test_the_dashboard(helm: Path) -> None:
    """The ConfigMap holds the dashboard as it is in the file, under the label that Grafana's sidecar looks for."""
    shown = template(helm, {"metrics": {"dashboard": {"enabled": True, "annotations": {"grafana_folder": "Messaging"}}}})
    found = one(shown, "ConfigMap")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["metadata"]["annotations"] == {"grafana_folder": "Messaging"}
    assert json.loads(found["data"]["floodwarden.json"]) == json.loads((CHART / "files" / "dashboard.json").read_text())


def test_the_network_policy(helm: Path) -> None:
    """In: the metrics port, from whom the values say. Out: DNS, the API server and brokers, and nothing else."""
    prometheus = {"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}
    brokers = {"ipBlock": {"cidr": "10.0.0.0/8"}}
    chosen = {
        "enabled": True,
        "metricsFrom": [prometheus],
        "apiServerPorts": [8443],
        "brokerPorts": [9095],
        "brokersTo": [brokers],
    }
    objects = template(helm, {"networkPolicy": chosen})
    spec = one(objects, "NetworkPolicy")["spec"]
    assert spec["podSelector"]["matchLabels"] == deployment(objects)["selector"]["matchLabels"]
    assert set(spec["policyTypes"]) == {"Ingress", "Egress"}
    assert spec["ingress"] == [{"ports": [{"protocol": "TCP", "port": "http"}], "from": [prometheus]}]
    assert spec["egress"] == [
        {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]},
        {"ports": [{"protocol": "TCP", "port": 8443}]},
        {"ports": [{"protocol": "TCP", "port": 9095}], "to": [brokers]},
    ]


def test_a_network_policy_without_power_is_refused(helm: Path) -> None:
    """Nobody is left to believe that pods on the node's network are shut off."""
    shown = run(helm, "template", "fw", str(CHART), values={"hostNetwork": True, "networkPolicy": {"enabled": True}})
    assert shown.returncode != 0
    assert "no power over pods with hostNetwork" in shown.stderr
