"""The chart and the kustomize base on a real cluster: install, upgrade, uninstall, install again, and what the operator may do.

Uses the cluster of the current instance, where Floodwarden must not be installed yet: these tests do that themselves.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from floodhack.gobuild import KUBERNETES
from floodhack.instance import CHECKOUT, Instance
from floodhack.kustomize import BASE, CHART, NAMESPACE
from tests.conftest import Cluster
from tests.support import release as floodwarden
from tests.support.kubectl import Kubectl, KubectlError, conditions
from tests.support.release import Release

ACCOUNT = f"system:serviceaccount:{NAMESPACE}:floodwarden"
CRDS = {"messagebrokers.floodwarden.dev", "backlogpolicies.floodwarden.dev", "deliverypolicies.floodwarden.dev"}
SERVED = "chart-test"
# Nobody listens there: that the operator says so is enough.
BROKER = {
    "apiVersion": "floodwarden.dev/v1alpha1",
    "kind": "MessageBroker",
    "metadata": {"name": "main"},
    "spec": {"type": "Kafka", "kafka": {"bootstrapServers": ["127.0.0.1:1"]}},
}
SECRET = "kafka-user"
# Programs in the image: Python alone.
FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())"


@dataclass(frozen=True)
class Site:
    """The cluster, and the release in it."""

    kubectl: Kubectl
    release: Release

    def uids(self, kinds: str, namespace: str = "default") -> dict[str, str]:
        """The uid of every object of some kinds, by name: the same uid is the same object."""
        return {found["metadata"]["name"]: found["metadata"]["uid"] for found in self.kubectl.objects(kinds, namespace=namespace)}

    def left_of_release(self) -> str:
        """What Helm made and is still there, but for the CRDs."""
        kinds = "deployments,services,serviceaccounts,poddisruptionbudgets,clusterroles,clusterrolebindings,roles,rolebindings"
        return self.kubectl.run("get", kinds, "-A", "-l", "app.kubernetes.io/instance=floodwarden", "-o", "name")

    def fetch(self, path: str) -> str:
        """What the operator answers, asked in its own pod."""
        url = f"http://127.0.0.1:{floodwarden.port()}{path}"
        return self.kubectl.run("exec", "-n", NAMESPACE, "deployment/floodwarden", "--", "python3", "-c", FETCH, url)

    def allowed(self, rights: Sequence[str], namespace: str = "default") -> list[str]:
        """Those of the rights, such as `get secrets` or `patch deployments.apps/scale`, that the operator's account has."""
        groups = ["system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}"]
        reviews = [
            {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SubjectAccessReview",
                "spec": {"user": ACCOUNT, "groups": groups, "resourceAttributes": {**attributes(right), "namespace": namespace}},
            }
            for right in rights
        ]
        shown = ("-o", 'jsonpath={.status.allowed}{"\\n"}')
        answers = self.kubectl.run("create", "-f", "-", *shown, stdin=yaml.safe_dump_all(reviews)).split()
        return [right for right, answer in zip(rights, answers, strict=True) if answer == "true"]

    def may_get_secret(self, name: str, namespace: str) -> bool:
        """Whether the operator's account may read one Secret."""
        try:
            answer = self.kubectl.run("auth", "can-i", "get", f"secrets/{name}", f"--as={ACCOUNT}", "-n", namespace)
        except KubectlError as error:
            answer = str(error)
        assert answer.strip() in ("yes", "no"), answer
        return answer.strip() == "yes"

    def wait_for_report(self, kind: str, name: str, namespace: str = "default") -> None:
        """Wait until the operator has written the status of an object: it watches, and may write."""
        self.kubectl.wait_until(kind, name, lambda found: bool(conditions(found)), namespace=namespace)

    def remove_everything(self) -> None:
        """Take away all that these tests make, in whatever state they left it."""
        self.release.remove()
        self.kubectl.run("delete", "crd", *CRDS, "--ignore-not-found")
        self.kubectl.run("delete", "namespace", NAMESPACE, SERVED, "--ignore-not-found", within=120)


def with_secret(name: str) -> dict[str, Any]:
    """A MessageBroker of a Secret's name that connects with it."""
    security = {"protocol": "SASL_PLAINTEXT", "mechanism": "SCRAM-SHA-512", "credentialsSecretRef": {"name": name}}
    kafka = {"bootstrapServers": ["127.0.0.1:1"], "security": security}
    return {**BROKER, "metadata": {"name": name}, "spec": {"type": "Kafka", "kafka": kafka}}


def attributes(right: str) -> dict[str, str]:
    """A right as an access review asks for it: `verb resource.group/subresource`."""
    verb, _, what = right.partition(" ")
    path, _, subresource = what.partition("/")
    resource, _, group = path.partition(".")
    return {"verb": verb, "group": group, "resource": resource, "subresource": subresource}


@pytest.fixture(scope="module")
def site(cluster: Cluster, kubectl: Kubectl) -> Iterator[Site]:
    """The instance's cluster with the image in its node, without Floodwarden before and after."""
    found = Site(kubectl, Release(cluster.kubeconfig))
    assert not found.left_of_release(), "Floodwarden is installed in this cluster: uninstall it first"
    floodwarden.load_image()
    yield found
    found.remove_everything()


@pytest.fixture
def clean(site: Site) -> Site:
    """The cluster without Floodwarden, its CRDs and its namespaces."""
    site.remove_everything()
    return site


@pytest.fixture(scope="module")
def installed(site: Site) -> Site:
    """The cluster with the chart installed, for tests that only look."""
    site.remove_everything()
    site.release.put()
    return site


def commands_of(notes: str) -> list[str]:
    """The commands in the notes of a release, each with its here-document."""
    commands: list[str] = []
    within = False
    for line in notes.splitlines():
        if within:
            commands[-1] += f"\n{line}"
            within = line != "END"
        elif line.startswith("kubectl "):
            commands.append(line)
            within = line.endswith("<<'END'")
    return commands


MAY = [
    "list messagebrokers.floodwarden.dev",
    "watch backlogpolicies.floodwarden.dev",
    "patch messagebrokers.floodwarden.dev/status",
    "patch backlogpolicies.floodwarden.dev/status",
    "watch deliverypolicies.floodwarden.dev",
    "patch deliverypolicies.floodwarden.dev/status",
    "get secrets",
    "list pods",
    "get deployments.apps/scale",
    "update deployments.apps/scale",
    "update statefulsets.apps/scale",
    "update replicasets.apps/scale",
    "list horizontalpodautoscalers.autoscaling",
    "list scaledobjects.keda.sh",
    "list kafkatopics.kafka.strimzi.io",
    "list deployments.apps",
    "list statefulsets.apps",
    "list daemonsets.apps",
    "get configmaps",
    "create configmaps",
    "patch configmaps",
    "create events",
]
MAY_NOT = [
    "list secrets",
    "watch secrets",
    "create secrets",
    "update messagebrokers.floodwarden.dev",
    "patch backlogpolicies.floodwarden.dev",
    "delete backlogpolicies.floodwarden.dev",
    "patch deliverypolicies.floodwarden.dev",
    "patch kafkatopics.kafka.strimzi.io",
    "create messagebrokers.floodwarden.dev",
    "get deployments.apps",
    "update deployments.apps",
    "patch deployments.apps",
    "delete deployments.apps",
    "watch deployments.apps",
    "patch statefulsets.apps",
    "patch daemonsets.apps",
    "list configmaps",
    "delete configmaps",
    "create pods",
    "delete pods",
    "create pods/exec",
    "get pods/log",
    "patch horizontalpodautoscalers.autoscaling",
    "patch scaledobjects.keda.sh",
    "delete events",
    "list namespaces",
    "patch customresourcedefinitions.apiextensions.k8s.io",
    "create serviceaccounts/token",
    "create clusterrolebindings.rbac.authorization.k8s.io",
    "impersonate users",
    "* *.*",
]


# Which replica lives, and which has which MessageBroker: in the release's namespace only.
LEASES = [f"{verb} leases.coordination.k8s.io" for verb in ("get", "list", "create", "update", "delete")]


def test_what_the_operator_may_do(installed: Site) -> None:
    """The operator's account has the rights that its work needs, in namespaces that are not its own, and no other."""
    assert installed.allowed(MAY) == MAY
    assert installed.allowed(MAY_NOT + LEASES) == []
    assert installed.allowed(LEASES, NAMESPACE) == LEASES
    assert installed.allowed(MAY_NOT, NAMESPACE) == []


def test_the_operator_answers(installed: Site) -> None:
    """The pod is alive and ready and shows metrics, and has not been restarted on the way."""
    (pod,) = installed.kubectl.objects("pods", namespace=NAMESPACE)
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
    assert "floodwarden_" in installed.fetch("/metrics")
    for path in ("/healthz", "/readyz"):
        installed.fetch(path)


def test_the_pod_would_be_admitted_where_pods_are_restricted(installed: Site) -> None:
    """With default values the pod meets the Pod Security Standard `restricted`, and the base's namespace asks for it."""
    objects = list(yaml.safe_load_all(installed.kubectl.run("kustomize", str(BASE))))
    namespace = next(found for found in objects if found["kind"] == "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    namespace["metadata"]["name"] = SERVED
    installed.kubectl.apply(namespace)
    deployment = next(found for found in objects if found["kind"] == "Deployment")
    spec = {**deployment["spec"]["template"]["spec"], "serviceAccountName": "default"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "namespace": SERVED}, "spec": spec}
    with pytest.raises(KubectlError, match="violates PodSecurity"):
        installed.kubectl.would_store({**pod, "spec": {**spec, "hostNetwork": True}})
    installed.kubectl.would_store(pod)


def test_everything_optional_is_accepted(installed: Site) -> None:
    """The API server takes the objects of a chart with everything switched on (but for those of the Prometheus Operator)."""
    on = {"enabled": True}
    values = {
        "networkPolicy": {**on, "metricsFrom": [{"namespaceSelector": {}}], "brokersTo": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]},
        "metrics": {"dashboard": on, "serviceMonitor": on, "prometheusRule": on},
        "crds": {"install": False},
    }
    shown = installed.release.run("template", "optional", str(CHART), "--values", "-", stdin=json.dumps(values))
    objects = [found for found in yaml.safe_load_all(shown) if found]
    foreign = [found["kind"] for found in objects if found["apiVersion"].startswith("monitoring.coreos.com/")]
    assert sorted(foreign) == ["PrometheusRule", "ServiceMonitor"]
    ours = [found for found in objects if found["kind"] not in foreign]
    assert {"NetworkPolicy", "PodDisruptionBudget", "ConfigMap"} <= {found["kind"] for found in ours}
    installed.kubectl.apply(ours, "--dry-run=server")


def test_a_release_through_its_life(clean: Site, tmp_path: Path) -> None:
    """Install, do as the notes say, upgrade with other values and CRDs, uninstall, install again: no custom resource is lost."""
    clean.release.put()
    environment = {
        "PATH": f"{KUBERNETES.bin}:{os.environ['PATH']}",
        "KUBECONFIG": str(Instance.current().kubeconfig),
        "HOME": str(tmp_path),  # without one kubectl keeps its cache here
    }
    commands = commands_of(clean.release.run("get", "notes", "floodwarden"))
    assert len(commands) == 3
    for command in commands:
        subprocess.run(["bash", "-euc", command], env=environment, check=True)
    clean.wait_for_report("fwmb", "main")
    clean.wait_for_report("fwbp", "billing")
    resources, definitions = clean.uids("fwmb,fwbp"), clean.uids("crd")
    assert resources.keys() == {"main", "billing"}
    assert definitions.keys() >= CRDS

    newer = tmp_path / "floodwarden"
    shutil.copytree(CHART, newer)
    template = newer / "templates" / "crds" / "backlogpolicies.yaml"
    template.write_text(template.read_text().replace("shortNames:\n", "shortNames:\n      - newer\n", 1))
    clean.release.put(chart=newer, more={"log": {"level": "debug"}, "podLabels": {"step": "second"}})
    assert clean.uids("newer").keys() == {"billing"}, "the upgrade did not reach the CRD"
    (pod,) = clean.kubectl.objects("pods", namespace=NAMESPACE)
    assert pod["metadata"]["labels"]["step"] == "second"
    assert "--log-level=debug" in pod["spec"]["containers"][0]["args"]

    said = clean.release.remove()
    assert all(name in said for name in CRDS), said
    assert clean.left_of_release() == ""
    assert clean.uids("fwmb,fwbp") == resources

    clean.release.put()
    assert clean.uids("crd") == definitions
    assert clean.uids("fwmb,fwbp") == resources


def test_crds_that_somebody_applied_can_be_taken_over(clean: Site) -> None:
    """`kubectl apply -f crds/` first is no dead end: Helm refuses to take what is not its own, and takes it when told to."""
    clean.kubectl.apply(CHECKOUT / "crds")
    definitions = clean.uids("crd")
    refused = clean.release.attempt("install", floodwarden.NAME, str(CHART), "--create-namespace")
    assert "invalid ownership metadata" in refused.stderr
    clean.release.put("--take-ownership")
    assert clean.uids("crd") == definitions


def test_an_operator_for_some_namespaces(clean: Site) -> None:
    """With watchNamespaces and secretNames the operator serves with rights on those namespaces and Secrets alone."""
    clean.kubectl.run("create", "namespace", SERVED)
    given = {"rbac": {"secretNames": [SECRET]}}
    clean.release.put(more={"watchNamespaces": [SERVED], **given})
    for namespace in (SERVED, "default"):
        for name in (SECRET, "other"):
            data = {"username": "floodwarden", "password": "chart-test-canary"}
            secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}
            clean.kubectl.apply([secret, with_secret(name)], namespace=namespace)
    rights = [right for right in MAY if right != "get secrets"]
    assert clean.allowed(MAY, SERVED) == rights
    assert clean.allowed(MAY) == []
    assert clean.allowed(MAY_NOT, SERVED) == []
    assert clean.allowed(LEASES, NAMESPACE) == LEASES
    assert [clean.may_get_secret(name, SERVED) for name in (SECRET, "other")] == [True, False]
    assert not clean.may_get_secret(SECRET, "default")
    # The one is connected to (nobody listens there), the other refused by name.
    clean.kubectl.wait_for_condition("fwmb", SECRET, "Ready", status="False", reason="BrokerUnreachable", namespace=SERVED)
    refused = clean.kubectl.wait_for_condition("fwmb", "other", "Ready", status="False", namespace=SERVED)
    assert refused["reason"] == "SecretForbidden"
    for name in (SECRET, "other"):
        assert not conditions(clean.kubectl.get("fwmb", name)), "the operator reports on a namespace that it was not given"
    assert "chart-test-canary" not in clean.kubectl.run("logs", "-n", NAMESPACE, "deployment/floodwarden")

    clean.release.put(more=given)
    clean.kubectl.wait_for_condition("fwmb", SECRET, "Ready", status="False", reason="BrokerUnreachable")
    assert clean.allowed(MAY) == rights
    assert [clean.may_get_secret(name, "default") for name in (SECRET, "other")] == [True, False]
    for name in (SECRET, "other"):
        clean.kubectl.delete("fwmb", name)
        clean.kubectl.delete("secret", name)


def test_the_base_without_helm(clean: Site, tmp_path: Path) -> None:
    """`kubectl apply -k` with an overlay for this cluster gives a ready operator with the same rights; `delete -k` removes it."""
    values = floodwarden.values()
    image, api, listen = values["image"], values["apiServer"], values["listen"]
    container = "/spec/template/spec/containers/0"
    # What replicas, hostNetwork, listen and apiServer are for in the chart.
    patches = [
        {"op": "replace", "path": "/spec/replicas", "value": 1},
        {"op": "add", "path": "/spec/template/spec/hostNetwork", "value": True},
        {"op": "replace", "path": f"{container}/imagePullPolicy", "value": "Never"},
        {"op": "add", "path": f"{container}/args/-", "value": f"--listen={listen['address']}:{listen['port']}"},
        {"op": "replace", "path": f"{container}/ports/0/containerPort", "value": listen["port"]},
        {"op": "add", "path": f"{container}/env/-", "value": {"name": "KUBERNETES_SERVICE_HOST", "value": api["host"]}},
        {"op": "add", "path": f"{container}/env/-", "value": {"name": "KUBERNETES_SERVICE_PORT", "value": str(api["port"])}},
        *(
            {"op": "add", "path": f"{container}/{name}Probe/httpGet/host", "value": listen["address"]}
            for name in ("startup", "liveness", "readiness")
        ),
    ]
    unrestricted = [{"op": "replace", "path": "/metadata/labels/pod-security.kubernetes.io~1enforce", "value": "privileged"}]
    overlay = {
        "resources": [os.path.relpath(BASE, tmp_path.resolve())],
        "images": [{"name": "floodwarden", "newName": image["repository"], "newTag": image["tag"]}],
        "patches": [
            {"target": {"kind": "Deployment"}, "patch": json.dumps(patches)},
            {"target": {"kind": "Namespace"}, "patch": json.dumps(unrestricted)},
        ],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    clean.kubectl.run("apply", "--server-side", "-k", str(tmp_path))
    clean.kubectl.run("rollout", "status", "-n", NAMESPACE, "deployment/floodwarden", "--timeout=120s", within=130)
    assert clean.allowed(MAY) == MAY
    assert clean.allowed(MAY_NOT) == []
    clean.kubectl.apply(BROKER, namespace="default")
    clean.wait_for_report("fwmb", "main")
    clean.fetch("/readyz")
    clean.kubectl.run("delete", "-k", str(tmp_path), within=130)
    assert clean.uids("crd").keys().isdisjoint(CRDS)
    assert clean.left_of_release() == ""
