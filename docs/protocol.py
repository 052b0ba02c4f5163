"""Writes the table of served APIs into docs/protocol.md; with --check it only compares."""

from __future__ import annotations

import sys
from pathlib import Path

from kov.handlers import APIS

PAGE = Path(__file__).with_name("protocol.md")
BEGIN = "<!-- The table is made from kov/handlers by `make docs`. -->\n"
END = "<!-- The end of the table. -->\n"


def table() -> str:
    rows = ["| key | API | served | advertised |", "|---|---|---|---|"]
    for key, api in sorted(APIS.items()):
        rows.append(f"| {key} | {api.name} | {_span(api.versions)} | {_span(api.advertised)} |")
    return "\n".join(rows) + "\n"


def _span(versions: range) -> str:
    return f"{versions[0]}\u2013{versions[-1]}"


def page(text: str) -> str:
    """`text` with the table as it is to be. ValueError where its marks are missing."""
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{PAGE.name} has lost the marks around the table")
    return before + BEGIN + table() + END + after


def main() -> int:
    text = PAGE.read_text(encoding="utf-8")
    if page(text) == text:
        return 0
    if "--check" in sys.argv[1:]:
        print(f"{PAGE.name} is out of date: make docs", file=sys.stderr)
        return 1
    PAGE.write_text(page(text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
