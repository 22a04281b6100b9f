"""Rights that are taken away and given back, with the service account that the chart makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from floodhack.kustomize import BASE
from tests.conftest import Cluster
from tests.integration.faults.conftest import Run
from tests.integration.loop.shop import Shop
from tests.support.kubectl import Kubectl
from tests.support.operator_process import OperatorProcess

RBAC = "rbac.authorization.k8s.io/v1"


@dataclass(frozen=True)
class Account:
    """A service account with the rights of the chart, under a name of its own."""

    kubectl: Kubectl
    name: str
    rules: list[dict[str, Any]]

    def grant(self, *, without: str = "") -> None:
        """Give it all rights, or all but those on one resource."""
        rules = [rule for rule in self.rules if not without or without not in rule["resources"]]
        subject = {"kind": "ServiceAccount", "name": "floodwarden", "namespace": self.name}
        ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": self.name}
        self.kubectl.apply(
            [
                {"apiVersion": RBAC, "kind": "ClusterRole", "metadata": {"name": self.name}, "rules": rules},
                {
                    "apiVersion": RBAC,
                    "kind": "ClusterRoleBinding",
                    "metadata": {"name": self.name},
                    "roleRef": ref,
                    "subjects": [subject],
                },
            ]
        )

    def revoke(self) -> None:
        """Take all rights away."""
        self.kubectl.run("delete", "clusterrolebinding,clusterrole", self.name, "--ignore-not-found")


def rules() -> Iterator[dict[str, Any]]:
    """Every rule of the roles that the kustomize base, which is rendered from the chart, binds to the operator."""
    found = [one for one in yaml.safe_load_all((BASE / "operator.yaml").read_text()) if one]
    bound = {
        (one["roleRef"]["kind"], one["roleRef"]["name"])
        for one in found
        if one["kind"].endswith("RoleBinding") and one["subjects"][0]["name"] == "floodwarden"
    }
    assert bound, "the base binds the operator to its roles"
    for one in found:
        if (one["kind"], one["metadata"]["name"]) in bound:
            yield from one["rules"]


@pytest.fixture
def account(kubectl: Kubectl, namespace: str) -> Iterator[Account]:
    """The account, without any right yet."""
    kubectl.run("create", "serviceaccount", "floodwarden", "-n", namespace)
    account = Account(kubectl, namespace, list(rules()))
    yield account
    account.revoke()


@pytest.fixture
def kubeconfig(cluster: Cluster, kubectl: Kubectl, account: Account, tmp_path: Path) -> Path:
    """The way to the API server as that account."""
    token = kubectl.run("create", "token", "floodwarden", "-n", account.name).strip()
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    path = tmp_path / "account"
    path.write_text(yaml.safe_dump(config))
    return path


def test_rights_are_taken_away_and_given_back(
    account: Account, kubeconfig: Path, run: Run, open_shop: Callable[[OperatorProcess], Shop]
) -> None:
    """The process lives without rights, says what it lacks, and goes on by itself with the same replicas once it has them."""
    operator = run(kubeconfig=kubeconfig)
    shop = open_shop(operator)
    shop.until(lambda: "forbidden" in operator.log.read_text().lower(), "told in the log that a right is missing")
    assert operator.get("/readyz")[0] == 503
    account.grant()
    operator.await_ready()

    shop.make_topic(4)
    shop.produce(1)  # what waits has the target looked at in every sweep
    shop.idle(3)
    shop.broker()
    shop.policy(consumers={"minReplicas": 3})
    shop.await_condition("WithinLag", "True", "WithinLimit")
    account.grant(without="deployments/scale")
    assert "grant it" in shop.await_condition("Ready", "False", "TargetForbidden")
    account.grant()
    shop.await_condition("Ready", "True", "Watching")

    account.revoke()
    shop.until(
        lambda: bool(operator.value("floodwarden_status_writes_total", outcome="forbidden")),
        "told by the metrics that a status may not be written",
    )
    shop.scale(2)
    shop.let_it_decide(10)
    assert shop.replicas() == 2
    account.grant()
    shop.await_replicas(3)
    shop.await_condition("Ready", "True", "Watching")
    shop.until(lambda: operator.get("/readyz")[0] == 200, "ready")
    assert "TargetForbidden" in shop.reasons()
