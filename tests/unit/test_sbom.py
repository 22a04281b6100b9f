"""The bill of materials of an image, from what is locked and what the image says that it holds.

A real image is described in tests/e2e/test_image.py.
"""

from __future__ import annotations

from typing import Any

import pytest

from floodhack import sbom
from floodhack.errors import HackError

TAG = "registry.example.com/floodwarden:1.2.3"


def lock() -> dict[str, Any]:
    """Three packages as `cyclonedx-py` tells them; one is for other systems than the image's."""
    packages = {"kopf": "1.45.2", "pyyaml": "6.0", "colorama": "0.4.6"}
    components = [
        {"type": "library", "bom-ref": f"requirements-{name}", "name": name, "version": version, "description": "…"}
        for name, version in packages.items()
    ]
    return {"specVersion": "1.6", "metadata": {"tools": {}}, "components": components, "dependencies": []}


def image(**more: str) -> dict[str, Any]:
    """What an image says that was built from them."""
    return {
        "system": {"ID": "debian", "VERSION_ID": "12"},
        "debian": [["libssl3", "3.0.1-1+deb12u1", "amd64"], ["adduser", "1:3.134", "all"]],
        "python": {"kopf": "1.45.2", "PyYAML": "6.0", "floodwarden": "1.2.3", **more},
    }


def test_what_the_image_is_made_of() -> None:
    """The image, Floodwarden, the locked packages that it holds and the distribution's; each once, and all of it the image's."""
    bom = sbom.compose(lock(), image(), TAG)
    assert bom["metadata"]["component"]["name"] == "registry.example.com/floodwarden"
    assert bom["metadata"]["component"]["version"] == "1.2.3"
    assert [(found["name"], found["version"]) for found in bom["components"]] == [
        ("floodwarden", "1.2.3"),
        ("kopf", "1.45.2"),
        ("pyyaml", "6.0"),
        ("libssl3", "3.0.1-1+deb12u1"),
        ("adduser", "1:3.134"),
    ]
    assert [found["purl"] for found in bom["components"][3:]] == [
        "pkg:deb/debian/libssl3@3.0.1-1%2Bdeb12u1?arch=amd64&distro=debian-12",
        "pkg:deb/debian/adduser@1%3A3.134?arch=all&distro=debian-12",
    ]
    references = [found["bom-ref"] for found in bom["components"]]
    assert bom["dependencies"][0] == {"ref": "image", "dependsOn": references}


@pytest.mark.parametrize("stranger", [{"requests": "2.0"}, {"kopf": "0.1"}], ids=["not locked", "another version"])
def test_what_is_not_locked_is_refused(stranger: dict[str, str]) -> None:
    """An image with a package that the lock file does not know is not described as if it were fine."""
    with pytest.raises(HackError, match=next(iter(stranger))):
        sbom.compose(lock(), image(**stranger), TAG)
