"""Secrets of a MessageBroker: from the files or the environment, and in no message, output or traceback."""

from __future__ import annotations

import base64
import traceback
from pathlib import Path

import pytest
from typer.testing import CliRunner

from floodwarden.api.manifests import Document, ManifestError, documents, parsed
from floodwarden.api.messagebroker import MessageBroker
from floodwarden.cli.app import app
from floodwarden.cli.checking.secrets import SecretMissing, secret_of, secrets_for
from floodwarden.sweep.store import Key
from tests.unit.cli.objects import GUARDED, POLICY

CANARY = "hunter2-canary"
ALL = {
    "FLOODWARDEN_USERNAME": "billing",
    "FLOODWARDEN_PASSWORD": CANARY,
    "FLOODWARDEN_TOKEN": f"{CANARY}-token",
    "FLOODWARDEN_CA_FILE": "ca.pem",
    "FLOODWARDEN_CERT_FILE": "tls.pem",
    "FLOODWARDEN_KEY_FILE": "tls.key",
}
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: kafka-credentials, namespace: shop}\n"


def one(text: str) -> Document:
    (document,) = documents(text)
    return document


def guarded() -> MessageBroker:
    """A MessageBroker that names three Secrets."""
    return parsed(MessageBroker, one(GUARDED).body)


def named(file: str) -> bytes:
    """What a file holds: its name."""
    return file.encode()


def test_the_environment_stands_in_for_all_secrets() -> None:
    """Each under the key that the MessageBroker asks for."""
    secrets = secrets_for(guarded(), {}, ALL, named)
    assert {name: dict(secret.data) for name, secret in secrets.held.items()} == {
        "kafka-credentials": {"username": b"billing", "password": CANARY.encode()},
        "kafka-ca": {"ca.crt": b"ca.pem"},
        "kafka-client": {"tls.crt": b"tls.pem", "tls.key": b"tls.key"},
    }


OTHER_TYPES = {
    "RabbitMQ": (
        "{type: RabbitMQ, rabbitmq: {managementURL: 'https://rabbit:15671', credentialsSecretRef: {name: one},"
        " caSecretRef: {name: ca}}}",
        {"one": {"username": b"billing", "password": CANARY.encode()}, "ca": {"ca.crt": b"ca.pem"}},
    ),
    "RocketMQ": (
        "{type: RocketMQ, rocketmq: {nameServers: ['names:9876'], tls: true, aclSecretRef: {name: one},"
        " caSecretRef: {name: ca}}}",
        {"one": {"accessKey": b"billing", "secretKey": CANARY.encode()}, "ca": {"ca.crt": b"ca.pem"}},
    ),
    "Prometheus": (
        "{type: Prometheus, prometheus: {url: 'https://prometheus', bearerTokenSecretRef: {name: one}, caSecretRef: {name: ca}}}",
        {"one": {"token": f"{CANARY}-token".encode()}, "ca": {"ca.crt": b"ca.pem"}},
    ),
    "RocketMQ without ACLs": ("{type: RocketMQ, rocketmq: {nameServers: ['names:9876']}}", {}),
}


@pytest.mark.parametrize(("spec", "held"), OTHER_TYPES.values(), ids=OTHER_TYPES)
def test_the_environment_stands_in_on_every_type(spec: str, held: dict[str, dict[str, bytes]]) -> None:
    """By the same variables, under the keys that brokers of the type have."""
    head = "apiVersion: floodwarden.dev/v1alpha1\nkind: MessageBroker\nmetadata: {name: main, namespace: shop}\nspec: "
    secrets = secrets_for(parsed(MessageBroker, one(head + spec).body), {}, ALL, named)
    assert {name: dict(secret.data) for name, secret in secrets.held.items()} == held


def test_a_secret_in_the_files_wins() -> None:
    """And the environment is not asked for it."""
    held = {Key("shop", "kafka-credentials"): secret_of(one(f"{SECRET}stringData: {{username: a, password: b}}"))}
    rest = {name: value for name, value in ALL.items() if name.endswith("FILE")}
    assert secrets_for(guarded(), held, rest, named).value("kafka-credentials", "password") == b"b"


def test_a_secret_of_another_namespace_is_another() -> None:
    """As in the cluster."""
    held = {Key("other", "kafka-credentials"): secret_of(one(f"{SECRET}stringData: {{username: a, password: b}}"))}
    with pytest.raises(SecretMissing, match="Secret shop/kafka-credentials"):
        secrets_for(guarded(), held, {}, named)
    mine = {Key("shop", "kafka-credentials"): secret_of(one(f"{SECRET}stringData: {{username: a, password: mine}}")), **held}
    assert secrets_for(guarded(), mine, ALL, named).value("kafka-credentials", "password") == b"mine"


def test_one_secret_may_hold_everything() -> None:
    """Then the environment fills all of its keys."""
    shared = GUARDED.replace("kafka-credentials", "kafka").replace("kafka-ca", "kafka").replace("kafka-client", "kafka")
    secrets = secrets_for(parsed(MessageBroker, one(shared).body), {}, ALL, named)
    assert set(secrets.held["kafka"].data) == {"username", "password", "ca.crt", "tls.crt", "tls.key"}


MISSING = {
    "nothing": (ALL.keys(), "set FLOODWARDEN_USERNAME and FLOODWARDEN_PASSWORD in"),
    "the password": (
        ["FLOODWARDEN_PASSWORD"],
        "kafka-credentials, which MessageBroker shop/main names, .*set FLOODWARDEN_PASSWORD in",
    ),
    "the authority": (["FLOODWARDEN_CA_FILE"], "kafka-ca, which .*set FLOODWARDEN_CA_FILE in"),
    "the key": (["FLOODWARDEN_KEY_FILE"], "kafka-client, which .*set FLOODWARDEN_KEY_FILE in"),
}


@pytest.mark.parametrize(("names", "says"), MISSING.values(), ids=MISSING)
def test_what_is_missing_is_named(names: list[str], says: str) -> None:
    """Set to nothing is missing too."""
    for environment in ({k: v for k, v in ALL.items() if k not in names}, {k: "" if k in names else v for k, v in ALL.items()}):
        with pytest.raises(SecretMissing, match=says):
            secrets_for(guarded(), {}, environment, named)


def test_a_file_that_cannot_be_read_is_told() -> None:
    """By the variable that names it."""
    with pytest.raises(SecretMissing, match="FLOODWARDEN_CA_FILE names a file that cannot be read: No such file"):
        secrets_for(guarded(), {}, ALL, lambda name: Path("/none", name).read_bytes())


def test_values_as_kubernetes_reads_them() -> None:
    """base64 over several lines; stringData wins; nothing is an empty value."""
    encoded = base64.b64encode(b"x" * 80).decode()
    data = f"data:\n  a: |\n    {encoded[:60]}\n    {encoded[60:]}\n  b: b2xk\n  c:\nstringData: {{b: new}}\n"
    assert dict(secret_of(one(SECRET + data)).data) == {"a": b"x" * 80, "b": b"new", "c": b""}


BROKEN = {
    "no base64": (f"data: {{password: {CANARY}}}", "data.password is not base64"),
    "no text": ("stringData: {password: 4711}", "stringData.password is no text: put it in quotes"),
    "no text in data": ("data: {password: 4711}", "data.password is no text"),
    "no mapping": (f"stringData: {CANARY}", "stringData must be a mapping"),
    "letters beyond base64": ('data: {password: "hunter2-canary\\u20ac"}', "data.password is not base64"),
}


@pytest.mark.parametrize(("data", "says"), BROKEN.values(), ids=BROKEN)
def test_a_broken_secret_is_told_without_its_values(data: str, says: str) -> None:
    """Not in the message, and not in what a traceback would show."""
    with pytest.raises(ManifestError) as refusal:
        secret_of(one(SECRET + data))
    shown = "".join(traceback.format_exception(refusal.value))
    assert says in shown
    assert "hunter2" not in shown
    assert "4711" not in shown


INPUTS = {
    "in stringData": f"{SECRET}stringData: {{username: a, password: {CANARY}}}\n",
    "in data": f"{SECRET}data: {{username: YQ==, password: {base64.b64encode(CANARY.encode()).decode()}}}\n",
    "in no base64": f"{SECRET}data: {{username: YQ==, password: {CANARY}}}\n",
    "as an alias": f"{SECRET}stringData: {{username: a, password: *{CANARY}}}\n",
    "as a tag": f"{SECRET}stringData: {{username: a, password: !{CANARY} a}}\n",
    "as a whole": f"{SECRET}stringData: {CANARY}\n",
    "in the environment": None,
    "as a certificate": f"{SECRET}stringData: {{username: a, password: b}}\n---\n"
    f"{SECRET.replace('kafka-credentials', 'kafka-client')}stringData: {{tls.crt: {CANARY}, tls.key: {CANARY}}}\n",
}


@pytest.mark.parametrize("output", ["table", "json", "sarif", "junit"])
@pytest.mark.parametrize("secret", INPUTS.values(), ids=INPUTS)
def test_no_output_shows_a_secret(tmp_path: Path, secret: str | None, output: str) -> None:
    """Whatever goes wrong with it."""
    file = tmp_path / "all.yaml"
    file.write_text("\n---\n".join(part for part in (GUARDED, POLICY, secret) if part is not None))
    (tmp_path / "ca.pem").write_text(CANARY)
    environment = {name: str(tmp_path / "ca.pem") for name in ALL if name.endswith("FILE")}
    if secret is None:
        environment |= {name: ALL[name] for name in ("FLOODWARDEN_USERNAME", "FLOODWARDEN_PASSWORD")}
    result = CliRunner().invoke(app, ["check", "-f", str(file), "-o", output], env=environment)
    assert result.exit_code == 2
    assert result.output
    for form in (CANARY, base64.b64encode(CANARY.encode()).decode()):
        assert form not in result.output
