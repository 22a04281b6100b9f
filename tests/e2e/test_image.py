"""`hack/image build` as people use it: an image, and beside it what it is made of."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement

from floodhack import sbom
from floodhack.instance import CHECKOUT

Packages = dict[str, tuple[str, set[str]]]
"""Version and SHA-256 hashes by name."""


def locked() -> Packages:
    """What the lock file asks for on Linux, read by hand."""
    found: Packages = {}
    for line in sbom.LOCK.read_text().replace("\\\n", " ").splitlines():
        if not re.match(r"[a-z]", line):
            continue
        requirement = Requirement(line.partition(" --hash")[0].strip())
        if requirement.marker is None or requirement.marker.evaluate({"sys_platform": "linux"}):
            version = str(requirement.specifier).removeprefix("==")
            found[sbom.normal(requirement.name)] = version, set(re.findall(r"--hash=sha256:([0-9a-f]{64})", line))
    return found


def described(bom: dict[str, Any]) -> Packages:
    """The Python packages of a bill of materials."""
    return {
        sbom.normal(found["name"]): (
            found["version"],
            {hash_["content"] for reference in found["externalReferences"] for hash_ in reference.get("hashes", ())},
        )
        for found in bom["components"]
        if found.get("purl", "").startswith("pkg:pypi/")
    }


@pytest.fixture(scope="module")
def bom() -> dict[str, Any]:
    """The bill of materials of the image of this checkout."""
    path = CHECKOUT / "dist" / "floodwarden-dev.cdx.json"
    path.unlink(missing_ok=True)
    subprocess.run([sys.executable, CHECKOUT / "hack" / "image", "build"], stdout=sys.stderr, check=True)
    read: dict[str, Any] = json.loads(path.read_text())
    return read


def test_every_locked_dependency_is_named_with_version_and_hashes(bom: dict[str, Any]) -> None:
    """Each package of the lock file, no other, with its version and every hash that pip would accept."""
    expected = locked()
    assert len(expected) > 20
    assert all(hashes for _, hashes in expected.values()), "the image is built with --require-hashes"
    assert described(bom) == expected


def test_the_distributions_packages_are_named(bom: dict[str, Any]) -> None:
    """What the base image brings along is there too, and the whole is valid CycloneDX."""
    debian = {found["name"] for found in bom["components"] if found.get("purl", "").startswith("pkg:deb/")}
    assert {"libc6", "ca-certificates"} <= debian
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bom)) is None
