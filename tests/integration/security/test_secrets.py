"""Secrets that are wrong in every way they can be: what is told of them holds nothing of what is in them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.integration.loop.shop import BROKER, Shop
from tests.support.canaries import CANARIES

CANARY = "canary-4f9d1c-{}"


def texts(shop: Shop) -> dict[str, str]:
    """All that there is to read about a shop."""
    return {
        "log": shop.operator.log.read_text(),
        "metrics": shop.operator.get("/metrics")[1],
        "probes": shop.operator.get("/healthz")[1] + shop.operator.get("/readyz")[1],
        "objects": shop.kubectl.run("get", "fwbp,fwmb,events", "-n", shop.namespace, "-o", "yaml"),
    }


def test_what_a_wrong_secret_holds_is_told_nowhere(shop: Shop) -> None:
    """Passwords, keys and certificates in the wrong place, malformed or refused: told by what to do, never by what they are."""
    facts = shop.kafka.facts
    key, certificate, ca = (Path(facts[name]).read_text() for name in ("client_key", "client_certificate", "ca"))
    wrong_key = key.replace("PRIVATE KEY", "PRIVATE CAT")

    def canary(name: str) -> str:
        return CANARY.format(name)

    cases: dict[str, tuple[dict[str, str], str, str]] = {
        "refused": (
            {"username": facts["scram"]["username"], "password": canary("refused")},
            "SASL_PLAINTEXT",
            "AuthenticationFailed",
        ),
        "no-name": ({"username": "", "password": canary("no-name")}, "SASL_PLAINTEXT", "SecretInvalid"),
        "other-keys": ({"user": "shop", "pass": canary("other-keys")}, "SASL_PLAINTEXT", "SecretMissing"),
        "no-authority": ({"ca.crt": canary("no-authority")}, "SSL", "SecretInvalid"),
        "key-for-authority": ({"ca.crt": key}, "SSL", "SecretInvalid"),
        "wrong-key": ({"ca.crt": ca, "tls.crt": certificate, "tls.key": wrong_key}, "SSL", "SecretInvalid"),
        "password-for-key": ({"ca.crt": ca, "tls.crt": certificate, "tls.key": canary("key")}, "SSL", "SecretInvalid"),
    }
    for name, (values, protocol, _) in cases.items():
        for value in values.values():
            if "canary" in value or value == key:
                CANARIES.hand_out(value)
        shop.secret(name, **values)
        security: dict[str, object] = {"protocol": protocol}
        if protocol == "SSL":
            security["caSecretRef"] = {"name": name}
            if "tls.crt" in values:
                security["clientCertificateSecretRef"] = {"name": name}
        else:
            security |= {"mechanism": "SCRAM-SHA-512", "credentialsSecretRef": {"name": name}}
        shop.broker(name=name, kafka={"bootstrapServers": facts["bootstrap"][protocol], "security": security})
    for name, (_, _, reason) in cases.items():
        shop.await_condition("Ready", "False", reason, kind="fwmb", name=name)
        shop.await_event(reason, name=name, kind="MessageBroker")

    found = {where: CANARIES.found_in(text) for where, text in texts(shop).items()}
    assert not any(found.values()), found


def test_the_search_would_have_found_it(shop: Shop) -> None:
    """A secret that is told on purpose, in an annotation of the broker, is found by the same search."""
    told = CANARIES.hand_out(CANARY.format("told"))
    shop.broker()
    shop.kubectl.run("annotate", "fwmb", BROKER, f"note={json.dumps(told)}", "-n", shop.namespace)
    try:
        assert CANARIES.found_in(texts(shop)["objects"]) == ["cana…"]
    finally:
        shop.kubectl.run("annotate", "fwmb", BROKER, "note-", "-n", shop.namespace)
        CANARIES.values.discard(told)
