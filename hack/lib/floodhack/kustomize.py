"""Renders deploy/base/operator.yaml from the Helm chart, so that chart and kustomize base have one source.

`python -m floodhack.kustomize` (part of `make generate`) needs helm and builds it when it is not cached. `make check` does
not: the rendered file carries a fingerprint of the chart and of itself, which a unit test compares.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

from floodhack.errors import HackError
from floodhack.gobuild import HELM
from floodhack.instance import CHECKOUT
from floodhack.progress import say, script

CHART = CHECKOUT / "charts" / "floodwarden"
BASE = CHECKOUT / "deploy" / "base"
RENDERED = BASE / "operator.yaml"
NAMESPACE = "floodwarden-system"

# What is true of objects that Helm made, and of no others.
_HELMS_OWN = re.compile(r"^(# Source: .*| +app\.kubernetes\.io/managed-by: Helm| +helm\.sh/chart: .*)\n", re.M)


def fingerprint(body: str) -> str:
    """SHA-256, in hex, of a rendered body and every file it was rendered from."""
    digest = hashlib.sha256(body.encode())
    for path in sorted([CHART / "Chart.yaml", CHART / "values.yaml", *(CHART / "templates").glob("*.*")]):
        if path.suffix in (".yaml", ".tpl"):
            digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def header(body: str) -> str:
    """The first lines of the rendered file, which say where it comes from."""
    return f"# Rendered from charts/floodwarden by `make generate`: change that, not this.\n# fingerprint: {fingerprint(body)}\n"


def render() -> str:
    """What the rendered file should hold: the chart with its defaults, but for the CRDs, which the base takes from crds/."""
    helm = HELM.ensure() / "helm"
    command: list[str | Path] = [helm, "template", "floodwarden", CHART, "--namespace", NAMESPACE, "--set", "crds.install=false"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    if shown.returncode != 0:
        raise HackError(f"helm template failed; correct the chart:\n{shown.stderr.strip()}")
    body = _HELMS_OWN.sub("", shown.stdout)
    return header(body) + body


def main() -> int:
    """Write the rendered file."""
    RENDERED.write_text(render())
    say(f"wrote {RENDERED.relative_to(CHECKOUT)}")
    return 0


if __name__ == "__main__":
    script(main)
