"""What Secrets hold is checked before it is used, and never shown."""

from __future__ import annotations

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from floodwarden.brokers.kafka.security import Security, SecurityError

Encryption = serialization.KeySerializationEncryption


def identity(encryption: Encryption | None = None) -> tuple[bytes, bytes]:
    """A self-signed certificate and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    until = now + datetime.timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, until)
    certificate = builder.sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, encryption or serialization.NoEncryption())
    return certificate.public_bytes(pem), private


CERTIFICATE, KEY = identity()

REFUSED = [
    ("unknown protocol", {"protocol": "TLS"}, "use one of PLAINTEXT"),
    ("no mechanism", {"protocol": "SASL_SSL"}, "use one of PLAIN,"),
    ("unknown mechanism", {"protocol": "SASL_SSL", "mechanism": "GSSAPI"}, "use one of PLAIN,"),
    ("empty password", {"protocol": "SASL_PLAINTEXT", "mechanism": "PLAIN", "username": "me", "password": ""}, "fill both"),
    ("no certificate in the CA", {"protocol": "SSL", "ca": b"rubbish"}, "caSecretRef"),
    ("bytes that are no text", {"protocol": "SSL", "ca": b"\xff\xfe"}, "caSecretRef"),
    ("certificate without key", {"protocol": "SSL", "client_certificate": CERTIFICATE}, "belong together"),
    (
        "key of another certificate",
        {"protocol": "SSL", "client_certificate": CERTIFICATE, "client_key": identity()[1]},
        "clientCertificateSecretRef",
    ),
    (
        "key with a password",
        dict(
            zip(
                ("protocol", "client_certificate", "client_key"),
                ("SSL", *identity(serialization.BestAvailableEncryption(b"pass"))),
                strict=True,
            )
        ),
        "without a password",
    ),
]


@pytest.mark.parametrize(("given", "says"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refuses_what_cannot_work(given: dict[str, str], says: str) -> None:
    """Each is refused before any connection is made, with what to correct."""
    with pytest.raises(SecurityError, match=says):
        Security(**given)  # type: ignore[arg-type]


def test_takes_certificates_from_memory() -> None:
    """A client certificate with its key needs no file; host names are checked and TLS is 1.2 or newer."""
    tls = Security("SSL", ca=CERTIFICATE, client_certificate=CERTIFICATE, client_key=KEY).tls
    assert tls is not None
    assert tls.check_hostname


def test_shows_no_secret() -> None:
    """The representation has neither password nor key."""
    security = Security("SASL_SSL", "PLAIN", "me", "pa55word", ca=CERTIFICATE, client_certificate=CERTIFICATE, client_key=KEY)
    assert "me" in repr(security)
    assert "pa55word" not in repr(security)
    assert "PRIVATE" not in repr(security)
    assert "BEGIN" not in repr(security)
