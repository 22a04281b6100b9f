"""Certificates of the brokers' TLS listeners: a CA of our own, a server's and a client's certificate, by openssl.

PEM throughout: Kafka reads it since 2.7, so no keytool is needed. `kafka_settings.py` puts the paths into the configuration.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from floodhack.errors import HackError
from floodhack.presence import ensure_commands

DAYS = "3650"
CONFIG = """
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = IP:127.0.0.1, DNS:localhost
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


@dataclass(frozen=True)
class Certificates:
    """PEM files in one folder; keys are readable by their owner only."""

    folder: Path

    @property
    def ca(self) -> Path:
        """What clients trust."""
        return self.folder / "ca.pem"

    @property
    def server(self) -> Path:
        """Key and certificate of the brokers in one file, as Kafka's PEM key store wants them."""
        return self.folder / "server-keystore.pem"

    @property
    def server_certificate(self) -> Path:
        """The brokers' certificate by itself."""
        return self.folder / "server.pem"

    @property
    def server_key(self) -> Path:
        """The brokers' private key by itself (PKCS #8)."""
        return self.folder / "server.key"

    @property
    def client(self) -> Path:
        """A client's certificate, subject CN=floodwarden."""
        return self.folder / "client.pem"

    @property
    def client_key(self) -> Path:
        """The client's private key (PKCS #8)."""
        return self.folder / "client.key"

    def ensure(self) -> None:
        """Make all of them unless they exist."""
        if self.server.exists():
            return
        ensure_commands({"openssl": "openssl"})
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.folder / "openssl.cnf").write_text(CONFIG)
        self._openssl("req", "-x509", *self._key("ca"), "-subj", "/CN=Floodwarden test CA", "-extensions", "ca", "-days", DAYS)
        self._issue("client", "/CN=floodwarden")
        self._issue("server", "/CN=127.0.0.1")
        self.server.touch(mode=0o600)
        self.server.write_text(self.server_key.read_text() + self.server_certificate.read_text())

    def _issue(self, name: str, subject: str) -> None:
        request = f"{name}.csr"
        self._openssl("req", "-new", *self._key(name, out=request), "-subj", subject)
        authority = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
        extensions = ("-extfile", "openssl.cnf", "-extensions", name)
        self._openssl("x509", "-req", "-in", request, *authority, *extensions, "-days", DAYS, "-out", f"{name}.pem")

    def _key(self, name: str, out: str | None = None) -> tuple[str, ...]:
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        return ("-config", "openssl.cnf", *curve, "-keyout", f"{name}.key", "-out", out or f"{name}.pem")

    def _openssl(self, *args: str) -> None:
        done = subprocess.run(["openssl", *args], cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise HackError(f"openssl {args[0]} failed: {done.stderr.strip()}")
