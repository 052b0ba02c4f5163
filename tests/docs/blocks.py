"""The pages, their fenced blocks, and the commands in these.

A comment right before a block says how it is tested:

    <!-- not run: WHY -->           its commands can't be run here; their options are checked all the same
    <!-- on a cluster: WHY -->      they are run with a real Varlog cluster only, where its programs are
    <!-- run with: COMMAND -->      run before it, unseen by readers; `stop` ends the servers, `stop kov` one
    <!-- may fail: COMMAND -->      what begins so may end with another exit status than 0
    <!-- output varies: WHY -->     what its commands print isn't compared
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
COMMANDS = ("sh", "console")
CLUSTER = re.compile(r"\b10\.0\.0\.\d:\d+")
"""Addresses that stand for those of a Varlog cluster."""
LANGUAGES = {*COMMANDS, "text", "yaml", "python", "json", "ini", "promql"}

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\S*)")
_MARK = re.compile(r"<!-- (not run|on a cluster|run with|may fail|output varies): (.+) -->")
_PRINTS = re.compile(r"It prints (.+?)\.(?: |$)")
_HERE = re.compile(r"<<-?\s*'?(\w+)'?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """`expected`: the lines that the page shows below it; None where it shows none."""

    text: str
    expected: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    page: Path
    line: int
    language: str
    lines: tuple[str, ...]
    why_not_run: str = ""
    on_a_cluster: bool = False
    may_fail: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    varies: bool = False
    prints: tuple[str, ...] = ()
    """What the sentence below a program says that it prints."""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def is_run(self) -> bool:
        return self._has_commands and not self.on_a_cluster

    @property
    def is_run_on_a_cluster(self) -> bool:
        return self._has_commands and (self.on_a_cluster or CLUSTER.search(self.text) is not None)

    @property
    def _has_commands(self) -> bool:
        return self.language in (*COMMANDS, "python") and not self.why_not_run

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    def commands(self) -> list[Command]:
        match self.language:
            case "sh":
                return [Command(text=each) for each in _statements(iter(self.lines))]
            case "console":
                return list(_shown(self.lines))
        return []


def blocks(page: Path) -> list[Block]:
    found: list[Block] = []
    marks: list[tuple[str, str]] = []
    lines = iter(enumerate(page.read_text(encoding="utf-8").splitlines(), start=1))
    for number, line in lines:
        if found and (sentence := _PRINTS.match(line)):
            found[-1] = replace(found[-1], prints=tuple(re.findall(r"`(.+?)`", sentence[1])))
        if mark := _MARK.search(line):
            marks.append((mark[1], mark[2]))
        elif fence := _FENCE.match(line):
            inside = []
            for _, each in lines:
                if each.strip() == "```":
                    break
                inside.append(each.removeprefix(fence["indent"]))
            found.append(_block(page, number, fence["language"], inside, marks))
            marks = []
        elif line.strip():
            assert not marks, f"{page.name}:{number}: a mark without a block"
    return found


def _block(page: Path, line: int, language: str, inside: list[str], marks: list[tuple[str, str]]) -> Block:
    kinds = [kind for kind, _ in marks]
    return Block(
        page=page,
        line=line,
        language=language,
        lines=tuple(inside),
        why_not_run=next((words for kind, words in marks if kind == "not run"), ""),
        on_a_cluster="on a cluster" in kinds,
        may_fail=tuple(words for kind, words in marks if kind == "may fail"),
        before=tuple(words for kind, words in marks if kind == "run with"),
        varies="output varies" in kinds,
    )


def _statements(lines: Iterator[str]) -> Iterator[str]:
    """What a shell would run at a time: with continued lines and here-documents."""
    for line in lines:
        text = line
        while text.endswith("\\"):
            text = text[:-1] + next(lines).strip()
        if here := _HERE.search(text):
            for each in lines:
                text += "\n" + each
                if each == here[1]:
                    break
        if text.strip() and not text.startswith("#"):
            yield text


def _shown(lines: tuple[str, ...]) -> Iterator[Command]:
    """`$ COMMAND`, and below it what it prints, until an empty line and the next one."""
    starts = [at for at, line in enumerate(lines) if line.startswith("$ ")]
    for at, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        output = [line.rstrip() for line in lines[at + 1 : end]]
        while output and not output[-1]:
            output.pop()
        yield Command(text=lines[at].removeprefix("$ "), expected=tuple(output))
