"""``python -m floodwarden.api.generate [--check]``: writes what is made from the models, or tells what is out of date.

Written: ``crds/`` (with a Kustomization), the chart's copy of the CRDs, and ``deploy/reference.md``. Run from a checkout.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Final

import yaml

from floodwarden.api.crd import RESOURCES, crd
from floodwarden.api.reference import reference_page

CRDS: Final = Path("crds")
CHART_CRDS: Final = Path("charts/floodwarden/templates/crds")
REFERENCE: Final = Path("deploy/reference.md")
OWNED: Final = (CRDS, CHART_CRDS)  # folders that hold generated files and nothing else
_HEADER: Final = "made by `make generate` from operator/floodwarden/api: change the models, not this file."


def generated() -> dict[Path, str]:
    """Every generated file, by its path in the checkout."""
    files: dict[Path, str] = {}
    for resource in RESOURCES:
        name = f"{resource.definition.plural}.yaml"
        definition = crd(resource)
        files[CRDS / name] = f"# {_HEADER[0].upper()}{_HEADER[1:]}\n{_as_yaml(definition)}"
        files[CHART_CRDS / name] = _chart_template(definition)
    resources = [f"{resource.definition.plural}.yaml" for resource in RESOURCES]
    # Without an ending, so that `kubectl apply -f crds/` does not take it for a manifest.
    files[CRDS / "Kustomization"] = f"# {_HEADER[0].upper()}{_HEADER[1:]}\n" + _as_yaml(
        {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": resources}
    )
    files[REFERENCE] = f"<!-- {_HEADER[0].upper()}{_HEADER[1:]} -->\n\n{reference_page(RESOURCES)}"
    return files


def differences(checkout: Path) -> list[str]:
    """What in the checkout is not as generated, one sentence each; empty where all is up to date."""
    files = generated()
    faults = []
    for path, content in files.items():
        there = checkout / path
        if not there.is_file():
            faults.append(f"{path} is missing")
        elif there.read_text(encoding="utf-8") != content:
            faults.append(f"{path} is out of date")
    return faults + [f"{path} is not generated and does not belong here" for path in _strangers(checkout, files)]


def write(checkout: Path) -> list[Path]:
    """Make the checkout as generated: write what differs, remove what does not belong. Returns what was changed."""
    files = generated()
    changed = _strangers(checkout, files)
    for path in changed:
        (checkout / path).unlink()
    for path, content in files.items():
        there = checkout / path
        if there.is_file() and there.read_text(encoding="utf-8") == content:
            continue
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_text(content, encoding="utf-8")
        changed.append(path)
    return changed


def _strangers(checkout: Path, files: dict[Path, str]) -> list[Path]:
    present = (path for folder in OWNED for path in (checkout / folder).rglob("*") if path.is_file())
    return sorted(path for path in (found.relative_to(checkout) for found in present) if path not in files)


def _chart_template(definition: dict[str, Any]) -> str:
    """The CRD as a Helm template: upgraded with the chart (a chart's own crds/ never is), and kept when it is uninstalled."""
    text = _as_yaml(definition)
    if "{{" in text:
        raise ValueError(f"{definition['metadata']['name']} holds '{{{{', which Helm would take for a template")
    name = f"  name: {definition['metadata']['name']}\n"
    keep = "\n".join(
        (
            "  {{- if .Values.crds.keep }}",
            "  annotations:",
            "    helm.sh/resource-policy: keep",
            "  {{- end }}\n",
        )
    )
    body = text.replace(name, name + keep, 1)
    return f"{{{{- /* {_HEADER[0].upper()}{_HEADER[1:]} */ -}}}}\n{{{{- if .Values.crds.install }}}}\n{body}{{{{- end }}}}\n"


class _Dumper(yaml.SafeDumper):
    """Block style throughout, texts of several lines as they are, lists set in."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def _as_yaml(document: dict[str, Any]) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=140, default_flow_style=False)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m floodwarden.api.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if anything is out of date")
    parser.add_argument("--checkout", type=Path, default=Path.cwd(), help="the checkout's folder (default: here)")
    options = parser.parse_args()
    if not (options.checkout / "pyproject.toml").is_file():
        print(f"{options.checkout} is not the checkout of Floodwarden: run this from its top folder", file=sys.stderr)
        return 2
    if options.check:
        faults = differences(options.checkout)
        for fault in faults:
            print(fault, file=sys.stderr)
        if faults:
            print("run `make generate` and commit what it changes", file=sys.stderr)
        return 1 if faults else 0
    for path in write(options.checkout):
        print(path, file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
