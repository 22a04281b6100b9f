"""One tenant cannot reach what is another's: Secrets and targets are looked for in the own namespace, whatever is written."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.integration.loop.shop import BROKER, POLICY, Shop
from tests.integration.wrong_manifests import BROKER as GOOD_BROKER
from tests.integration.wrong_manifests import POLICY as GOOD_POLICY
from tests.integration.wrong_manifests import SASL
from tests.support.kubectl import Kubectl, KubectlError, Object

TLS: Object = {**SASL, "caSecretRef": {"name": "ca"}, "clientCertificateSecretRef": {"name": "client"}}
SECURED: Object = {**GOOD_BROKER, "spec": {"type": "Kafka", "kafka": {**GOOD_BROKER["spec"]["kafka"], "security": TLS}}}
REFERENCES = {
    "credentials": (SECURED, ("kafka", "security", "credentialsSecretRef")),
    "authority": (SECURED, ("kafka", "security", "caSecretRef")),
    "client certificate": (SECURED, ("kafka", "security", "clientCertificateSecretRef")),
    "target": (GOOD_POLICY, ("consumers", "targetRef")),
}
CLIMBING = [
    "../other/secrets/vault",
    "..",
    "vault/../../other",
    "vault%2f..%2fother",
    "vault?namespace=other",
    "other/vault",
    "vault ",
]


def changed(good: Object, path: tuple[str, ...], field: str, value: str) -> Object:
    """A good manifest with one field of its spec set."""
    manifest = copy.deepcopy(good)
    place: Any = manifest["spec"]
    for name in path:
        place = place[name]
    place[field] = value
    return manifest


@pytest.mark.usefixtures("crds")
@pytest.mark.parametrize("reference", REFERENCES.values(), ids=REFERENCES)
def test_a_reference_cannot_name_another_namespace(kubectl: Kubectl, reference: tuple[Object, tuple[str, ...]]) -> None:
    """There is no such field: the API server refuses it, and drops it where a client asks for less care."""
    good, path = reference
    manifest = changed(good, path, "namespace", "other")
    with pytest.raises(KubectlError, match="unknown field"):
        kubectl.would_store(manifest)
    stored: Any = kubectl.would_store(manifest, careless=True)["spec"]
    for name in path:
        stored = stored[name]
    assert "namespace" not in stored


@pytest.mark.usefixtures("crds")
@pytest.mark.parametrize("reference", REFERENCES.values(), ids=REFERENCES)
def test_a_name_cannot_climb_out_of_its_namespace(kubectl: Kubectl, reference: tuple[Object, tuple[str, ...]]) -> None:
    """A name that would mean something in a path is refused."""
    good, path = reference
    for name in CLIMBING:
        with pytest.raises(KubectlError, match="must be the name of a Kubernetes object"):
            kubectl.would_store(changed(good, path, "name", name))


def test_a_secret_of_another_namespace_is_not_read(shop: Shop) -> None:
    """A Secret that exists under its name in another namespace only is missing, and opens nothing."""
    other = shop.add_namespace(f"{shop.namespace}-other")
    facts = shop.kafka.facts["scram"]
    shop.secret("vault", namespace=other, username=facts["username"], password=facts["password"])
    security = {"protocol": "SASL_PLAINTEXT", "mechanism": "SCRAM-SHA-512", "credentialsSecretRef": {"name": "vault"}}
    reach = {"bootstrapServers": shop.kafka.facts["bootstrap"]["SASL_PLAINTEXT"], "security": security}
    shop.broker(kafka=reach)
    message = shop.await_condition("Ready", "False", "SecretMissing", kind="fwmb", name=BROKER)
    assert shop.namespace in message
    shop.broker(kafka=reach, namespace=other)
    shop.kubectl.wait_for_condition("fwmb", BROKER, "Ready", namespace=other)
    assert shop.condition("Ready", BROKER, kind="fwmb") == ("False", "SecretMissing")


def test_a_target_of_another_namespace_is_not_scaled(shop: Shop) -> None:
    """A Deployment of the target's name in another namespace is left alone, to its last field."""
    other = shop.add_namespace(f"{shop.namespace}-other")
    shop.make_topic(4)
    shop.produce(1)
    shop.idle(1, namespace=other)
    shop.broker()
    before = shop.kubectl.get("deployment", POLICY, namespace=other)["metadata"]["generation"]
    shop.policy(consumers={"minReplicas": 3})
    shop.await_condition("Ready", "False", "TargetMissing")
    shop.let_it_decide(4)
    shop.idle(1)
    shop.await_replicas(3)
    assert shop.kubectl.get("deployment", POLICY, namespace=other)["metadata"]["generation"] == before
