from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "varlog_lite.md"


def names_in(folder: str) -> set[str]:
    sources = [path.read_text() for path in (ROOT / "tests" / folder).glob("test_*.py")]
    found = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)
    return {name for source in sources for name in found.findall(source)}


def test_the_tests_that_the_page_names_exist() -> None:
    page = PAGE.read_text()
    faults = page[page.index("| fault | tests") : page.index("## Speed")]
    own = set(re.findall(r"`varlog_lite/(test_\w+)`", page)) | set(re.findall(r"`(test_\w+)`", faults))
    shared = set(re.findall(r"`(test_\w+)`", page.replace(faults, "")))
    assert len(own) > 30
    assert len(shared) > 30
    assert own - names_in("varlog_lite") == set()
    assert shared - names_in("contract") == set()
