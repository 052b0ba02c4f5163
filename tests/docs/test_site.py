"""The site builds without a warning, and needs nothing from anywhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT

LOADED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*?\bsrc=\"?(?P<src>[^\"\s>]+)"
    r"|<link\b(?![^>]*rel=\"?canonical)[^>]*?\bhref=\"?(?P<href>[^\"\s>]+)"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(directory)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    assert "WARNING" not in built.stderr
    return directory


@pytest.mark.slow
def test_every_page_is_there(site: Path) -> None:
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert pages | {"404"} == {path.stem for path in site.glob("*.html")}


@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for page in site.glob("*.html"):
        loaded = [
            found["src"] or found["href"] for found in LOADED.finditer(page.read_text(encoding="utf-8"))
        ]
        assert len(loaded) > 3
        assert [address for address in loaded if re.match(r"[a-z]+:|//", address)] == [], page.name


@pytest.mark.slow
def test_the_search_has_every_page_and_works_from_a_file(site: Path) -> None:
    index = (site / "search" / "search_index.js").read_text(encoding="utf-8")
    assert index.startswith("var __index = ")
    assert '"location":"concepts.html#a-fence"' in index
    assert (site / "assets" / "iframe-worker.js").exists()


@pytest.mark.slow
def test_programs_and_data_of_the_folder_are_no_pages(site: Path) -> None:
    assert [path.name for path in site.rglob("*") if path.suffix in {".py", ".yaml", ".jsonl"}] == []


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md"])
def test_every_link_beside_the_site_leads_somewhere(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)", (ROOT / page).read_text(encoding="utf-8"))
    assert len(links) > 3
    assert [link for link in links if not (ROOT / link).exists()] == []
