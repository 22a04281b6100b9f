"""What is made from the models: up to date in this checkout, and told when it is not."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from floodhack.instance import CHECKOUT
from floodwarden.api import generate
from floodwarden.api.crd import RESOURCES, crd, object_schema
from floodwarden.api.schema import Schema
from floodwarden.core.reasons import Reason


def test_checkout_is_up_to_date() -> None:
    """The committed files are those the models give; `make generate` makes them so."""
    assert generate.differences(CHECKOUT) == []


def test_written_files_are_as_generated(tmp_path: Path) -> None:
    """Writing into an empty folder leaves nothing to do, and writing again changes nothing."""
    assert set(generate.write(tmp_path)) == set(generate.generated())
    assert generate.differences(tmp_path) == []
    assert generate.write(tmp_path) == []


def test_differences_are_named(tmp_path: Path) -> None:
    """A changed, a missing and a strange file are each told by name, and put right by writing."""
    generate.write(tmp_path)
    (tmp_path / "crds/messagebrokers.yaml").write_text("changed by hand")
    (tmp_path / "deploy/reference.md").unlink()
    (tmp_path / "crds/old.yaml").write_text("of a resource that is no more")
    assert sorted(generate.differences(tmp_path)) == [
        "crds/messagebrokers.yaml is out of date",
        "crds/old.yaml is not generated and does not belong here",
        "deploy/reference.md is missing",
    ]
    generate.write(tmp_path)
    assert generate.differences(tmp_path) == []


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """--check fails with what to do; without it the files are written; outside a checkout nothing is."""
    where = f"--checkout={tmp_path}"
    monkeypatch.setattr("sys.argv", ["generate", where])
    assert generate.main() == 2
    assert "run this from its top folder" in capsys.readouterr().err
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr("sys.argv", ["generate", "--check", where])
    assert generate.main() == 1
    assert "run `make generate`" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["generate", where])
    assert generate.main() == 0
    monkeypatch.setattr("sys.argv", ["generate", "--check", where])
    assert generate.main() == 0


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: str(resource.definition.kind))
def test_chart_copy(resource: type) -> None:
    """Without its template lines the chart's copy is the CRD, installed and kept by the chart's values."""
    lines = (CHECKOUT / generate.CHART_CRDS / f"{resource.definition.plural}.yaml").read_text().splitlines()  # type: ignore[attr-defined]
    document = yaml.safe_load("\n".join(line for line in lines if "{{" not in line))
    assert document["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert document == crd(resource)
    assert lines[1] == "{{- if .Values.crds.install }}"
    assert "  {{- if .Values.crds.keep }}" in lines


def test_kustomization_lists_all() -> None:
    """`kubectl apply -k crds/` installs every CRD."""
    resources = yaml.safe_load((CHECKOUT / "crds/Kustomization").read_text())["resources"]
    assert sorted(resources) == sorted(path.name for path in (CHECKOUT / "crds").glob("*.yaml"))


def test_reference_page_is_whole() -> None:
    """Every field of every resource and every reason is on the page, and every table row has all its cells."""
    page = (CHECKOUT / generate.REFERENCE).read_text()
    for reason in Reason:
        assert f"| `{reason}` |" in page
    for resource in RESOURCES:
        properties = object_schema(resource)["properties"]
        for part in ("spec", "status"):
            for path in _paths(properties[part]):
                assert f"| `{path}` |" in page
        for condition in resource.definition.conditions:
            assert f"| `{condition}` |" in page
    for line in page.splitlines():
        if line.startswith("| `") and line.count(" | ") > 2:
            assert line.replace("\\|", "").count("|") == 6 or line.count(" | ") == 2, line


def _paths(schema: Schema, prefix: str = "") -> list[str]:
    found = []
    for name, node in schema.get("properties", {}).items():
        found += [f"{prefix}{name}", *_paths(node, f"{prefix}{name}."), *_paths(node.get("items", {}), f"{prefix}{name}[].")]
    return found
