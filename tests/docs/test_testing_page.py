"""The example for pytest in docs/testing.md passes for somebody who copies it into an empty directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks


@pytest.mark.slow
def test_the_example_passes_as_it_stands(tmp_path: Path) -> None:
    programs = [each.text for each in blocks(ROOT / "docs" / "testing.md") if each.language == "python"]
    (fixtures,) = (each for each in programs if "pytest_plugins" in each)
    (example,) = (each for each in programs if "def test_" in each)
    (tmp_path / "conftest.py").write_text(fixtures)
    (tmp_path / "test_orders.py").write_text(example)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
