"""The page `docs/clients.md`: what each client library did in a whole run, written by the run itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.interop.clients import CLIENTS, Client
from tests.interop.driver import About
from tests.interop.matrix import ROWS, reason
from tests.interop.tools import TOOLS, VERSION

PAGE = Path(__file__).resolve().parents[2] / "docs" / "clients.md"
TOOL = "tool"
_GREEN, _RED, _NOT_RUN, _NONE = "✓", "✗", "not run", "—"
_HEAD = """# Clients

Unmodified client libraries and tools against `kov serve`. `make interop` writes this page as it runs. A
scenario is passed when what the library was told agrees with what the log holds: the log streams are read
without Kafka, and compared record by record.
"""


@dataclass(slots=True)
class Report:
    """Outcomes by client and row; those of tools have `TOOL` for a client."""

    outcomes: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    about: dict[str, About] = field(default_factory=dict)

    def take(self, item: pytest.Item, report: pytest.TestReport) -> None:
        cell = dict(item.user_properties).get("cell")
        if isinstance(cell, tuple) and (report.when == "call" or report.outcome != "passed"):
            self.outcomes[cell].append(report.outcome)

    def write(self) -> None:
        PAGE.write_text("\n".join(self.lines()) + "\n")

    def lines(self) -> Iterator[str]:
        yield _HEAD
        yield from _table(("client", "version", "runs on", "language of"), self._versions())
        yield from self._scenarios()
        yield from _differences()
        yield f"## Kafka's own tools\n\nOf Apache Kafka {VERSION}, each run unchanged.\n"
        yield from _table(("tool", "", "what"), self._tools())

    def _versions(self) -> Iterator[Sequence[str]]:
        for client in CLIENTS:
            about = self.about.get(client.name)
            told = (about.version.removeprefix("v"), about.runtime) if about else (_NOT_RUN, "")
            yield (client.name, *told, client.language)

    def _scenarios(self) -> Iterator[str]:
        yield "## Scenarios\n"
        rows = ((row, *(self._cell(client, row) for client in CLIENTS)) for row in ROWS)
        yield from _table(("", *(client.name for client in CLIENTS)), rows)

    def _cell(self, client: Client, row: str) -> str:
        if reason(client, row) is not None:
            return _NONE
        return self._mark(client.name, row)

    def _mark(self, name: str, row: str) -> str:
        outcomes = set(self.outcomes.get((name, row), ()))
        if not outcomes or "skipped" in outcomes:
            return _RED if "failed" in outcomes else _NOT_RUN
        return _GREEN if outcomes == {"passed"} else _RED

    def _tools(self) -> Iterator[Sequence[str]]:
        for tool in TOOLS:
            yield f"`{tool.name}`", self._mark(TOOL, tool.name), tool.what


def _differences() -> Iterator[str]:
    yield "## What a library can't do, or does in its own way\n"
    for client in CLIENTS:
        said = [f"{reason}: {', '.join(what)}" for reason, what in _by_reason(client).items()]
        said += [f"code {code} is told as `{words}`" for code, words in client.own_words.items()]
        said += list(client.notes)
        if said:
            yield f"- **{client.name}**: {'; '.join(said)}."
    yield ""


def _by_reason(client: Client) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for what, why in client.lacks.items():
        found[why].append(what)
    return found


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for cells in (head, ["---"] * len(head), *rows):
        yield "| " + " | ".join(cells) + " |"
    yield ""


REPORT = Report()
