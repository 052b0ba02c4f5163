"""docs/log-lines.md has every warning and every error of the program, and the status page says the same."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from kov.observe.status.advice import ADVICE, advice_for
from tests.docs.blocks import ROOT

PAGE = ROOT / "docs" / "log-lines.md"
LOUD = {"warning", "error", "exception", "critical", "complain", "say"}
PLACE = re.compile(r"%[-\d.]*[a-z]")
ROW = re.compile(r"^\| `(.+?)` \|", re.MULTILINE)
WHOLE_ROW = re.compile(r"^\| `(.+?)` \| (.+?) \| (.+?) \|$", re.MULTILINE)
SEE = re.compile(r"; see \[[^]]+\]\([^)]+\)$")
OURS = ("kov", "varlog_client", "varlog_lite")
MADE_ELSEWHERE = 8
"""Lines that only pass on what is said elsewhere, as `%r: %s` does: the page has the sentences."""


def sources() -> list[Path]:
    return [path for package in OURS for path in sorted((ROOT / package).rglob("*.py"))]


@cache
def templates() -> set[str]:
    """Each with its places for values as the page writes them."""
    return {_shown(text) for path in sources() for text in _said(ast.parse(path.read_text(encoding="utf-8")))}


def _said(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOUD:
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value


def _shown(text: str) -> str:
    return PLACE.sub("…", text).replace("`", "")


def rows() -> set[str]:
    return set(ROW.findall(PAGE.read_text(encoding="utf-8")))


def in_the_program(row: str) -> bool:
    """Whether the longest piece between the places stands in some source, however the lines are broken."""
    longest = max(re.split("…|; kov ", row), key=len).strip(" ;:,()")
    return _bare(longest) in _everything()


@cache
def _everything() -> str:
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources())
    return _bare(re.sub(r'"\s*\n\s*f?"', "", re.sub(r"\{[^{}\n]*\}", " ", text)))


def _bare(text: str) -> str:
    return re.sub(r"\W", "", text)


def test_every_warning_and_error_is_on_the_page() -> None:
    assert sorted(text for text in templates() if re.search(r"[a-z]{3}", text) and text not in rows()) == []


def test_every_line_of_the_page_is_in_the_program() -> None:
    assert sorted(row for row in rows() if not in_the_program(row)) == []


def test_a_line_that_says_nothing_by_itself_is_the_exception() -> None:
    assert len([text for text in templates() if not re.search(r"[a-z]{3}", text)]) <= MADE_ELSEWHERE
    assert len(templates()) > 50


def test_the_status_page_says_the_same_to_do() -> None:
    differ = {}
    for line, meaning, todo in WHOLE_ROW.findall(PAGE.read_text(encoding="utf-8")):
        defect = todo.startswith("report this defect")
        assert "a defect" not in meaning or defect, line
        advice = advice_for(line.replace("…", "7"), defect=defect)
        if advice.casefold() != f"{SEE.sub('', todo)}.".casefold():
            differ[line] = (todo, advice)
    assert differ == {}


def test_every_advice_is_about_a_line_of_the_page() -> None:
    lines = [row.replace("…", "7") for row in rows()]
    assert [each for each, _ in ADVICE if not any(re.search(each, line) for line in lines)] == []
