"""``SecretReader`` against a real API server: values for those who need them, and for no log."""

from __future__ import annotations

import logging

import pytest

from floodwarden.cluster.rest import Rest
from floodwarden.cluster.secrets import SecretData, SecretProblem, SecretProblemReason, SecretReader
from tests.contract.cluster.conftest import Limited
from tests.support.kubectl import Kubectl

VALUE = "correct horse battery staple"


async def test_values_are_read_and_never_shown(
    rest: Rest, kubectl: Kubectl, namespace: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither its representation, nor its data's, nor any library's debug log gives a value away, encoded or not."""
    caplog.set_level(logging.DEBUG)
    kubectl.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": {"password": VALUE, "empty": ""}},
        namespace=namespace,
    )
    encoded = kubectl.get("secrets", "login", namespace=namespace)["data"]["password"]
    secret = await SecretReader(rest).read(namespace, "login")
    assert isinstance(secret, SecretData)
    assert dict(secret.data) == {"password": VALUE.encode(), "empty": b""}
    printed = f"{secret!r} {secret} {secret.data!r} {secret.data} {caplog.text} {''.join(capfd.readouterr())}"
    assert "password" in printed
    assert VALUE not in printed
    assert encoded not in printed


async def test_a_change_shows_in_the_version(rest: Rest, kubectl: Kubectl, namespace: str) -> None:
    """The resource version tells when to connect anew, without keeping the values to compare them."""
    kubectl.run("create", "secret", "generic", "login", f"--namespace={namespace}")
    reader = SecretReader(rest)
    before = await reader.read(namespace, "login")
    again = await reader.read(namespace, "login")
    kubectl.run("patch", "secret", "login", "-p", '{"stringData":{"user":"reports"}}', f"--namespace={namespace}")
    after = await reader.read(namespace, "login")
    assert isinstance(before, SecretData)
    assert isinstance(again, SecretData)
    assert isinstance(after, SecretData)
    assert dict(before.data) == {}
    assert again.resource_version == before.resource_version != after.resource_version
    assert after.data["user"] == b"reports"


@pytest.mark.parametrize("name", ["nobody", "..", "a/b"])
async def test_a_missing_secret_is_named(rest: Rest, namespace: str, name: str) -> None:
    """The message says which, and where."""
    problem = await SecretReader(rest).read(namespace, name)
    assert isinstance(problem, SecretProblem)
    assert problem.reason is SecretProblemReason.MISSING
    assert name in problem.message
    assert namespace in problem.message


async def test_a_secret_of_others_is_forbidden(limited: Limited, namespace: str) -> None:
    """Nothing is said about whether it exists."""
    problem = await SecretReader(await limited()).read(namespace, "login")
    assert isinstance(problem, SecretProblem)
    assert problem.reason is SecretProblemReason.FORBIDDEN
