"""What MessageBrokers' Secrets hold, from Secrets in the files or from the environment; no value is ever part of a message."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from floodwarden.api.blocks import Part
from floodwarden.api.manifests import Document, ManifestError
from floodwarden.api.messagebroker import MessageBroker
from floodwarden.brokers.secrets import Secrets
from floodwarden.cluster.secrets import HiddenValues, SecretData
from floodwarden.sweep.store import Key, key_of

USERNAME: Final = "FLOODWARDEN_USERNAME"
PASSWORD: Final = "FLOODWARDEN_PASSWORD"  # noqa: S105 - the variable's name
TOKEN: Final = "FLOODWARDEN_TOKEN"  # noqa: S105
CA_FILE: Final = "FLOODWARDEN_CA_FILE"
CERT_FILE: Final = "FLOODWARDEN_CERT_FILE"
KEY_FILE: Final = "FLOODWARDEN_KEY_FILE"
VARIABLES: Final = {
    Part.USERNAME: USERNAME,
    Part.PASSWORD: PASSWORD,
    Part.TOKEN: TOKEN,
    Part.CA: CA_FILE,
    Part.CERTIFICATE: CERT_FILE,
    Part.PRIVATE_KEY: KEY_FILE,
}


class SecretMissing(ValueError):
    """A Secret is neither in the files nor in the environment, or what stands in for it cannot be read."""


def secret_of(document: Document) -> SecretData:
    """A Secret as it would be read from the API server: ``stringData`` wins over ``data``. ManifestError where it is none."""
    what = f"Secret {document.name}"
    encoded = {key: _decoded(value, f"{what}: data.{key}") for key, value in _part(document, "data", what).items()}
    texts = {key: _text(value, f"{what}: stringData.{key}") for key, value in _part(document, "stringData", what).items()}
    return SecretData("", HiddenValues({**encoded, **texts}))


def _part(document: Document, name: str, what: str) -> Mapping[str, Any]:
    part = document.body.get(name) or {}
    if not isinstance(part, dict):
        raise ManifestError(f"{what}: {name} must be a mapping from keys to values")
    return {str(key): "" if value is None else value for key, value in part.items()}


def _decoded(value: Any, what: str) -> bytes:
    try:
        return base64.b64decode("".join(_text(value, what).decode().split()), validate=True)
    except (binascii.Error, ValueError) as error:
        if isinstance(error, ManifestError):
            raise
    raise ManifestError(f"{what} is not base64: encode it, or write it as it is under stringData")


def _text(value: Any, what: str) -> bytes:
    if not isinstance(value, str):
        raise ManifestError(f"{what} is no text: put it in quotes")
    return value.encode()


def secrets_for(
    broker: MessageBroker, held: Mapping[Key, SecretData], environment: Mapping[str, str], read: Callable[[str], bytes]
) -> Secrets:
    """The Secrets that a MessageBroker names: from the files, else from the environment, where ``read`` reads named files."""
    found: dict[str, dict[str, bytes]] = {}
    for secret in broker.spec.block.secrets:
        key = Key(broker.metadata.namespace, secret.name)
        if key in held:
            continue
        variables = {name: VARIABLES[part] for name, part in secret.parts.items()}
        missing = [variable for variable in variables.values() if not environment.get(variable)]
        if missing:
            raise SecretMissing(
                f"Secret {key}, which MessageBroker {key_of(broker)} names, is not in the files: add it to them, "
                f"or set {' and '.join(missing)} in the environment"
            )
        values = {name: _value(variable, environment[variable], read) for name, variable in variables.items()}
        found.setdefault(secret.name, {}).update(values)
    namespace = broker.metadata.namespace
    given = {key.name: secret for key, secret in held.items() if key.namespace == namespace}
    return Secrets({**given, **{name: SecretData("", HiddenValues(values)) for name, values in found.items()}})


def _value(variable: str, given: str, read: Callable[[str], bytes]) -> bytes:
    if not variable.endswith("_FILE"):
        return os.fsencode(given)
    try:
        return read(given)
    except OSError as error:
        why = error.strerror or "unknown error"
    raise SecretMissing(f"{variable} names a file that cannot be read: {why}")
