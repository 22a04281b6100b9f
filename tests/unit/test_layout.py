"""What the layout of the checkout promises to every Python started in it, and to whoever reads it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
LONGEST_MODULE = 400  # lines


def test_the_folder_operator_is_never_a_package() -> None:
    """An operator/__init__.py would hide the standard library's operator from every Python started here."""
    assert not (CHECKOUT / "operator" / "__init__.py").exists()
    code = "import operator; print(operator.itemgetter)"
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_module_outgrows_its_reader() -> None:
    """Past four hundred lines there is a seam somewhere."""
    modules = [path for root in ("operator", "hack", "tests") for path in (CHECKOUT / root).rglob("*.py")]
    assert modules
    long = {str(path.relative_to(CHECKOUT)): lines for path in modules if (lines := _lines(path)) > LONGEST_MODULE}
    assert not long


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines())
