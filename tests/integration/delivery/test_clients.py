"""What clients are to set: published as a ConfigMap, looked for in labelled workloads, and corrected one rollout at a time."""

from __future__ import annotations

from typing import Any

from floodwarden.core.delivery.workloads import LABEL
from tests.contract.cluster.manifests import pod_template, workload
from tests.integration.delivery.settings_shop import SettingsShop
from tests.support.kubectl import KubectlError, Object

CLIENTS: Object = {"acks": "All", "consumption": {"acknowledge": "AfterProcessing"}}
SETTINGS = "safe-client-settings"
SAFE_ENV: list[Object] = [{"name": "KAFKA_ACKS", "value": "all"}, {"name": "ENABLE_AUTO_COMMIT", "value": "false"}]
WRONG_ENV: list[Object] = [{"name": "KAFKA_ACKS", "value": "1"}, {"name": "ENABLE_AUTO_COMMIT", "value": "true"}]


def labelled(
    shop: SettingsShop, name: str, env: list[Object], *, kind: str = "Deployment", replicas: int = 0, **pod: Any
) -> None:
    """Apply a workload with the policy's label. Without replicas it has rolled out at once; with some it never has."""
    template = pod_template({"app": name})
    template["spec"] |= pod
    template["spec"]["containers"][0] |= {"env": env}
    found = workload(kind, name, replicas, template)
    found["metadata"]["labels"] = {LABEL: "safe"}
    shop.kubectl.apply(found, namespace=shop.namespace)


def env_of(shop: SettingsShop, name: str) -> dict[str, str]:
    """The plain variables of a Deployment's container."""
    found = shop.kubectl.get("deployment", name, namespace=shop.namespace)
    return {entry["name"]: entry.get("value", "") for entry in found["spec"]["template"]["spec"]["containers"][0]["env"]}


def published(shop: SettingsShop) -> Object | None:
    """The ConfigMap, if there is one."""
    try:
        return shop.kubectl.get("configmap", SETTINGS, namespace=shop.namespace)
    except KubectlError:
        return None


def violations(shop: SettingsShop) -> dict[tuple[str, str], Object]:
    """What the policy's status lists, by what it is about."""
    status = shop.kubectl.get("fwdp", "safe", namespace=shop.namespace).get("status", {})
    return {(one["resource"], one["setting"]): one for one in status.get("violations", [])}


def await_reason(shop: SettingsShop, resource: str, setting: str, text: str) -> Object:
    """Wait until a violation says so; the violation."""
    last: Object = {}

    def look() -> bool:
        last.clear()
        last.update(violations(shop).get((resource, setting), {}))
        return text in last.get("reason", "")

    shop.until(look, f"{resource}, {setting}: {text}")
    return dict(last)


def test_settings_are_published_and_follow_the_policy(shop: SettingsShop) -> None:
    """In mode Audit too, for a ConfigMap is no broker. A change by hand is told there, and put right in Enforce."""
    shop.make_topic(1, read=False)
    shop.delivery(**CLIENTS)
    message = shop.await_event("ClientSettingsPublished", name="safe", kind="DeliveryPolicy")
    assert message.startswith(f"ConfigMap {shop.namespace}/{SETTINGS} has the settings that clients are to use")
    found = published(shop)
    assert found is not None
    assert found["data"]["producer.properties"].endswith("\nacks=all\nenable.idempotence=true\n")
    assert found["data"]["SPRING_KAFKA_CONSUMER_ENABLEAUTOCOMMIT"] == "false"
    (owner,) = found["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("DeliveryPolicy", "safe")
    version = found["metadata"]["resourceVersion"]
    shop.let_it_audit()
    again = published(shop)
    assert again is not None
    assert again["metadata"]["resourceVersion"] == version, "it is written only where something differs"

    shop.delivery(acks="Leader", workloads="Audit")
    shop.until(lambda: "acks=1" in str((published(shop) or {})["data"]), "the text follows the policy")

    shop.patch("configmap", SETTINGS, {"data": {"producer.properties": "acks=0\n"}})
    about = f"ConfigMap {shop.namespace}/{SETTINGS}", "client settings"
    told = await_reason(shop, *about, "mode Enforce would put it right")
    assert (told["action"], told["where"]) == ("Repair", "key producer.properties")
    found = published(shop)
    assert found is not None
    assert found["data"]["producer.properties"] == "acks=0\n"
    shop.patch("fwdp", "safe", {"spec": {"mode": "Enforce"}})
    shop.until(lambda: "acks=1" in str((published(shop) or {})["data"]), "it is put right")
    shop.until(lambda: about not in violations(shop), "nothing is wrong with it any more")
    reasons = [reason for reason in shop.reasons("safe", kind="DeliveryPolicy") if reason == "ClientSettingsPublished"]
    assert len(reasons) == 3

    shop.kubectl.run("delete", "fwdp", "safe", "-n", shop.namespace)
    shop.until(lambda: published(shop) is None, "the ConfigMap goes with its policy")


def test_somebody_elses_configmap_is_left_alone(shop: SettingsShop) -> None:
    """It is told with what to do; once it is gone, the policy's own is published."""
    shop.make_topic(1, read=False)
    shop.kubectl.run("create", "configmap", SETTINGS, "--from-literal=a=b", "-n", shop.namespace)
    shop.delivery(mode="Enforce", **CLIENTS)
    await_reason(shop, f"ConfigMap {shop.namespace}/{SETTINGS}", "client settings", "rename or delete it")
    found = published(shop)
    assert found is not None
    assert found["data"] == {"a": "b"}
    shop.kubectl.delete("configmap", SETTINGS, namespace=shop.namespace)
    shop.await_event("ClientSettingsPublished", name="safe", kind="DeliveryPolicy")


def test_a_paused_policy_publishes_nothing(shop: SettingsShop) -> None:
    """Nor does one that asks nothing of clients."""
    shop.make_topic(1, read=False)
    labelled(shop, "producer", WRONG_ENV)
    paused = {"floodwarden.dev/paused": "true"}
    shop.delivery(annotations=paused, mode="Enforce", workloads="Patch", **CLIENTS)
    shop.delivery(name="other", retention={"atLeast": "1m"})
    shop.await_condition("Ready", "False", "Paused", name="safe", kind="fwdp")
    shop.await_condition("Ready", "True", "Auditing", name="other", kind="fwdp")
    shop.let_it_audit()
    listed = shop.kubectl.run("get", "configmaps", "-n", shop.namespace, "-o", "name")
    assert "client-settings" not in listed
    assert env_of(shop, "producer") == {entry["name"]: entry["value"] for entry in WRONG_ENV}


def test_labelled_workloads_are_audited(shop: SettingsShop) -> None:
    """Variables and mounted ConfigMaps of every kind, each difference with its place; what cannot be seen is said, and no other
    value is ever repeated."""
    shop.make_topic(1, read=False)
    shop.secret("hidden", acks="canary-of-acks")
    files = {"application.properties": "enable.auto.commit=true\nspring.datasource.password=canary-of-a-file\n"}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "app-config"}, "data": files}
    shop.kubectl.apply(config, namespace=shop.namespace)
    mounting: Object = {"volumes": [{"name": "config", "configMap": {"name": "app-config"}}]}
    labelled(shop, "mounts", SAFE_ENV[:1], **mounting)
    shop.kubectl.run(
        *("patch", "deployment", "mounts", "-n", shop.namespace, "-p"),
        '{"spec":{"template":{"spec":{"containers":[{"name":"main","volumeMounts":[{"name":"config","mountPath":"/etc/app"}]}]}}}}',
    )
    labelled(shop, "stateful", WRONG_ENV, kind="StatefulSet")
    secret: Object = {"name": "KAFKA_ACKS", "valueFrom": {"secretKeyRef": {"name": "hidden", "key": "acks"}}}
    labelled(shop, "secretive", [secret, SAFE_ENV[1]])
    keys = ("SPRING_KAFKA_PRODUCER_ACKS", "SPRING_KAFKA_CONSUMER_ENABLEAUTOCOMMIT")
    labelled(shop, "follows", [{"name": key, "valueFrom": {"configMapKeyRef": {"name": SETTINGS, "key": key}}} for key in keys])
    shop.delivery(mode="Enforce", **CLIENTS)
    shop.await_condition("Compliant", "False", "NotCompliant", name="safe", kind="fwdp")
    found = violations(shop)
    namespace = shop.namespace
    mounted = found[f"Deployment {namespace}/mounts", "enable.auto.commit"]
    assert (mounted["wanted"], mounted["found"], mounted["action"]) == ("false", "true", "Report")
    assert mounted["where"] == "container main, /etc/app, ConfigMap app-config, key application.properties"
    stateful = found[f"StatefulSet {namespace}/stateful", "acks"]
    assert (stateful["found"], stateful["where"]) == ("1", "container main, variable KAFKA_ACKS")
    assert "only Deployments can be corrected" in stateful["reason"]
    assert not [resource for resource, _ in found if resource.endswith(("/secretive", "/follows"))]
    policy = shop.kubectl.get("fwdp", "safe", namespace=namespace)
    told = policy["status"]["notVerified"]
    assert any(text.startswith(f"Deployment {namespace}/secretive: acks comes from a Secret") for text in told)
    assert f"Deployment {namespace}/follows: enable.idempotence cannot be seen in its pod template" in told
    assert "canary-of-a-file" not in str(policy)
    assert env_of(shop, "mounts") == {"KAFKA_ACKS": "all"}


def test_deployments_are_corrected_one_after_another(shop: SettingsShop) -> None:
    """Only what is wrong, only once every labelled Deployment has rolled out; the Event says what was found and done."""
    shop.make_topic(1, read=False)
    more: list[Object] = [{"name": "LOG_LEVEL", "value": "info"}]
    labelled(shop, "a", [*WRONG_ENV, *more])
    labelled(shop, "b", WRONG_ENV[:1])
    labelled(shop, "waits", SAFE_ENV, replicas=1)
    shop.delivery(mode="Enforce", workloads="Patch", **CLIENTS)
    told = await_reason(shop, f"Deployment {shop.namespace}/a", "acks", f"once Deployment {shop.namespace}/waits has rolled out")
    assert told["action"] == "Repair"
    shop.let_it_audit()
    assert env_of(shop, "a")["KAFKA_ACKS"] == "1"
    assert "WorkloadPatched" not in shop.reasons("safe", kind="DeliveryPolicy")

    shop.kubectl.run("scale", "deployment", "waits", "--replicas=0", "-n", shop.namespace)
    shop.until(lambda: env_of(shop, "b")["KAFKA_ACKS"] == "all", "both are corrected")
    assert env_of(shop, "a") == {"KAFKA_ACKS": "all", "ENABLE_AUTO_COMMIT": "false", "LOG_LEVEL": "info"}
    events = [text for reason, text in shop.events("safe", kind="DeliveryPolicy") if reason == "WorkloadPatched"]
    assert [text.partition(":")[0] for text in events] == [f"Deployment {shop.namespace}/{name}" for name in ("a", "b")]
    assert "acks (container main, variable KAFKA_ACKS) was 1 and is all" in events[0]
    shop.until(lambda: not [one for one in violations(shop) if one[0].startswith("Deployment")], "nothing is wrong any more")


def test_who_puts_it_back_is_not_fought(shop: SettingsShop) -> None:
    """After two corrections that were put back it is told, and left."""
    shop.make_topic(1, read=False)
    labelled(shop, "producer", WRONG_ENV[:1])
    shop.delivery(mode="Enforce", workloads="Patch", acks="All")
    for _ in range(2):
        shop.until(lambda: env_of(shop, "producer")["KAFKA_ACKS"] == "all", "it is corrected")
        shop.kubectl.run("set", "env", "deployment/producer", "KAFKA_ACKS=1", "-n", shop.namespace)
    told = await_reason(shop, f"Deployment {shop.namespace}/producer", "acks", "put back each time")
    assert told["action"] == "Report"
    shop.let_it_audit()
    assert env_of(shop, "producer")["KAFKA_ACKS"] == "1"
    assert shop.reasons("safe", kind="DeliveryPolicy").count("WorkloadPatched") == 2


def test_nothing_is_labelled(shop: SettingsShop) -> None:
    """That is said: an audit that saw no client proves nothing of clients."""
    shop.make_topic(1, read=False)
    shop.delivery(**CLIENTS)
    told = lambda s: any(f"no workload in namespace {shop.namespace} has the label" in text for text in s.get("notVerified", []))  # noqa: E731
    shop.await_status(told, "that no workload is labelled", name="safe", kind="fwdp")
