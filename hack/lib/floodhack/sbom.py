"""The bill of materials of the operator's image (SBOM), as CycloneDX JSON beside it.

Python packages come with version and hashes from the lock file that the image was built from, by way of `cyclonedx-py`; the
image itself says which of them it holds, and which packages of the distribution. Of those it knows no hashes: dpkg keeps none.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

from floodhack.errors import HackError
from floodhack.imagebuild import Builder
from floodhack.instance import CHECKOUT

LOCK = CHECKOUT / "hack" / "requirements" / "runtime.txt"
SPECIFICATION = "1.6"
# Run in the image.
_ASK = """
import importlib.metadata as metadata, json, platform, subprocess
query = ["dpkg-query", "-W", "-f", "${Package} ${Version} ${Architecture}\\n"]
shown = subprocess.run(query, capture_output=True, text=True, check=True)
print(json.dumps({
    "system": platform.freedesktop_os_release(),
    "debian": [line.split() for line in shown.stdout.splitlines()],
    "python": {found.name: found.version for found in metadata.distributions()},
}))
"""

Bom = dict[str, Any]


def write_sbom(builder: Builder, tag: str) -> Path:
    """Write the bill of materials of the operator's image; its path, below dist/. HackError when a tool fails."""
    holds = json.loads(builder.run(tag, "python", "-c", _ASK))
    _run("make", "--silent", "venv")
    bom = compose(locked(CHECKOUT / ".venv" / "bin" / "cyclonedx-py"), holds, tag)
    path = CHECKOUT / "dist" / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', tag.rpartition('/')[2])}.cdx.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(bom, indent=2) + "\n")
    return path


def locked(tool: Path) -> Bom:
    """The lock file as CycloneDX, by `cyclonedx-py` of the development environment."""
    bom: Bom = json.loads(
        _run(tool, "requirements", "--no-validate", "--spec-version", SPECIFICATION, "--output-file", "-", LOCK)
    )
    return bom


def compose(lock: Bom, holds: dict[str, Any], tag: str) -> Bom:
    """The locked packages that the image holds, Floodwarden itself and the distribution's packages, as what ``tag`` is made of.

    HackError where the image holds a Python package that is not locked, or another version of one.
    """
    installed = {normal(name): version for name, version in holds["python"].items()}
    own = installed.pop("floodwarden")
    versions = {normal(component["name"]): component["version"] for component in lock["components"]}
    strangers = sorted(name for name, version in installed.items() if versions.get(name) != version)
    if strangers:
        raise HackError(f"{tag} holds what {LOCK.name} does not lock: {', '.join(strangers)}; build it anew")
    packages = [component for component in lock["components"] if normal(component["name"]) in installed]
    for component in packages:
        component.pop("description", None)  # the requirement's text, which name, version and hashes repeat
    application = {"type": "application", "bom-ref": f"floodwarden-{own}", "name": "floodwarden", "version": own}
    components = [application, *packages, *(_debian(holds["system"], *fields) for fields in holds["debian"])]
    name, _, version = tag.rpartition(":")
    image = {"type": "container", "bom-ref": "image", "name": name, "version": version}
    references = [component["bom-ref"] for component in components]
    return {
        **lock,
        "metadata": {**lock["metadata"], "component": image},
        "components": components,
        "dependencies": [{"ref": "image", "dependsOn": references}, *({"ref": reference} for reference in references)],
    }


def normal(name: str) -> str:
    """A Python package's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _debian(system: dict[str, str], name: str, version: str, architecture: str) -> Bom:
    distribution = system["ID"]
    where = f"arch={architecture}&distro={distribution}-{system.get('VERSION_ID', '')}"
    purl = f"pkg:deb/{distribution}/{quote(name)}@{quote(version, safe='')}?{where}"
    return {"type": "library", "bom-ref": f"{name}:{architecture}", "name": name, "version": version, "purl": purl}


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=CHECKOUT)
    if done.returncode != 0:
        raise HackError(f"`{' '.join(map(str, command))}` failed: {done.stderr.strip()}")
    return done.stdout
