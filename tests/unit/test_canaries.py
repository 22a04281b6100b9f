"""The search for secrets after a session: it finds what leaked, in every form in which it could."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.canaries import Canaries, Evidence

SECRET = 'canary "p@ss/word"'
PEM = """-----BEGIN CERTIFICATE-----
MIIDpubliclineofacertificate
-----END CERTIFICATE-----
-----BEGIN PRIVATE KEY-----
MIIEprivatelineofakey
-----END PRIVATE KEY-----
"""


@pytest.fixture
def canaries() -> Canaries:
    found = Canaries()
    assert found.hand_out(SECRET) == SECRET
    return found


LEAKS = {
    "plain": f"login failed for {SECRET}",
    "JSON": json.dumps({"error": f"with {SECRET}"}),
    "URL": f"https://user:{quote(SECRET, safe='')}@broker",
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "base64 after one byte": base64.b64encode(f"x{SECRET}".encode()).decode(),
    "base64 as SASL PLAIN sends it": base64.b64encode(f"\0user\0{SECRET}".encode()).decode(),
    "base64 within a longer text": base64.b64encode(f"ab{SECRET}, and more".encode()).decode(),
}


@pytest.mark.parametrize("text", LEAKS.values(), ids=LEAKS)
def test_a_leak_is_found(canaries: Canaries, text: str) -> None:
    """However a secret is written, it is found, and told by its beginning only."""
    evidence = Evidence()
    evidence.keep("a log", f"before\n{text}\nafter")
    assert list(evidence.leaks(canaries)) == ["cana… in a log"]


def test_what_is_no_leak_is_not_told(canaries: Canaries) -> None:
    """Other texts of the same sort are left alone."""
    evidence = Evidence()
    evidence.keep("a log", f"canary password {base64.b64encode(b'another password').decode()}")
    assert not list(evidence.leaks(canaries))
    assert evidence.size() > 0


def test_files_are_read_at_the_end(canaries: Canaries, tmp_path: Path) -> None:
    """What is written to a log after it was named counts too; a file that was never made does not hurt."""
    log = tmp_path / "operator.log"
    evidence = Evidence()
    evidence.keep_file(log)
    evidence.keep_file(tmp_path / "never")
    assert not list(evidence.leaks(canaries))
    log.write_text(SECRET)
    assert list(evidence.leaks(canaries)) == [f"cana… in {log}"]


def test_of_a_pem_text_only_the_key_is_secret() -> None:
    """Certificates may be shown; each line of a private key is a secret of its own."""
    canaries = Canaries()
    canaries.hand_out(PEM)
    assert canaries.values == {"MIIEprivatelineofakey"}


def test_what_is_too_short_would_be_found_everywhere() -> None:
    """A value of a few letters is no canary."""
    canaries = Canaries()
    canaries.hand_out("main")
    assert not canaries.values
