"""Keys and certificates of a native cluster, made with the openssl command: one authority, one certificate per identity.

Kubernetes reads a client's user name from the common name and its groups from the organisations.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from floodhack.errors import HackError

VALID_DAYS = "3650"


@dataclass(frozen=True)
class Pair:
    """A private key and its certificate, both PEM files."""

    key: Path
    certificate: Path


@dataclass(frozen=True)
class Authority:
    """The authority of one cluster, in a folder only its owner may read."""

    folder: Path

    @property
    def pair(self) -> Pair:
        """The authority's own key and certificate."""
        return self._named("ca")

    @property
    def account_key(self) -> Path:
        """The private key that signs service-account tokens."""
        return self.folder / "service-accounts.key"

    def create(self) -> None:
        """Make the authority and the service-account key, unless they exist."""
        if self.account_key.exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        ca = self.pair
        _key(ca.key)
        _openssl(
            "req", "-x509", "-new", "-key", ca.key, "-out", ca.certificate, "-days", VALID_DAYS,
            "-subj", "/CN=floodwarden-cluster",
        )  # fmt: skip
        _key(self.account_key)

    def issue(self, name: str, user: str, groups: Sequence[str] = (), addresses: Sequence[str] = ()) -> Pair:
        """The certificate kept under `name`, made unless it exists.

        `addresses` are subject alternative names in openssl's notation, such as `IP:127.0.0.1`; with them the certificate
        serves as well as identifies.
        """
        pair = self._named(name)
        if pair.certificate.exists():
            return pair
        _key(pair.key)
        request = self.folder / f"{name}.csr"
        subject = "".join(f"/O={group}" for group in groups) + f"/CN={user}"
        _openssl("req", "-new", "-key", pair.key, "-out", request, "-subj", subject)
        extensions = self.folder / f"{name}.ext"
        usage = "clientAuth,serverAuth" if addresses else "clientAuth"
        lines = ["keyUsage=digitalSignature", f"extendedKeyUsage={usage}"]
        if addresses:
            lines.append(f"subjectAltName={','.join(addresses)}")
        extensions.write_text("\n".join(lines) + "\n")
        draft = pair.certificate.with_suffix(".new")
        _openssl(
            "x509", "-req", "-in", request, "-out", draft, "-days", VALID_DAYS, "-extfile", extensions,
            "-CA", self.pair.certificate, "-CAkey", self.pair.key, "-CAcreateserial",
        )  # fmt: skip
        request.unlink()
        extensions.unlink()
        draft.rename(pair.certificate)
        return pair

    def _named(self, name: str) -> Pair:
        return Pair(self.folder / f"{name}.key", self.folder / f"{name}.crt")


def _key(path: Path) -> None:
    _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)
    path.chmod(0o600)


def _openssl(*args: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, args)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise HackError(f"openssl {args[0]} failed: {done.stderr.strip()}")
