"""Whether a command line that a page names could be right: its command, and each of its options."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import cast

import click
import typer

from kov import cli as kov_cli
from tests.docs.blocks import ROOT
from varlog_lite import cli as lite_cli

_SPAN = re.compile(r"`((?!kov is |varlog-lite ready )(?:kov|varlog-lite|make|\.venv/bin/\w[\w-]*) [^`\n]+)`")
_PIECES = re.compile(r"\|\||&&|[|;&]")
_REDIRECTION = re.compile(r"\d?[<>]{1,2}(&\d|\s*\S+)")
_WORD = re.compile(r"[a-z][a-z-]*")


def spans(page: Path) -> list[tuple[str, str]]:
    """The commands that a page names between its words."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return [(page.name, found[1]) for found in _SPAN.finditer(text)]


def mistake(text: str) -> str | None:
    """What is wrong with it, or None. Programs that aren't ours are taken as they are."""
    first = text.split("\n", 1)[0]
    for piece in _PIECES.split(_REDIRECTION.sub(" ", first)):
        try:
            words = shlex.split(piece, comments=True)
        except ValueError:  # a quoted '|', say
            words = piece.split()
        if words and (said := _mistake(words[0].rpartition("/")[2], words[1:])):
            return said
    return None


def _mistake(program: str, words: list[str]) -> str | None:
    match program:
        case "kov":
            return _of_ours(program, words)
        case "varlog-lite":
            return _of_ours(program, words)
        case "make":
            return _of_make(words)
        case "python" if words[:1] == ["-m"]:
            return _of_source(words[1], words[2:])
    return None


def _of_ours(program: str, words: list[str]) -> str | None:
    if not words or words[0].startswith("-") or not _WORD.fullmatch(words[0]):
        return None  # `kov COMMAND --help`, `kov --install-completion`
    command = _commands(program).get(words[0])
    if command is None:
        return f"{program} has no {words[0]}"
    known = {"--help", *(name for option in command.params for name in option.opts)}
    given = [word.partition("=")[0] for word in words[1:] if re.fullmatch(r"--?[a-zA-Z][\w=-]*", word)]
    wrong = [name for name in given if name not in known and name[:2] not in known]
    return f"{program} {words[0]} has no {wrong[0]}" if wrong else None


@cache
def _commands(program: str) -> Mapping[str, click.Command]:
    app = kov_cli.app if program == "kov" else lite_cli.app
    return cast("click.Group", typer.main.get_command(app)).commands


def _of_make(words: list[str]) -> str | None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for word in words:
        name, is_variable, _ = word.partition("=")
        pattern = rf"\$\({name}\)|^{name} *\?=|\(if \$\({name}\)" if is_variable else rf"^{name}:"
        if _WORD.fullmatch(name.lower()) and not re.search(pattern, makefile, re.MULTILINE):
            return f"the Makefile has no {name}"
    return None


def _of_source(module: str, words: list[str]) -> str | None:
    """An option is right where some module of the same package has it."""
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        found = None
    if found is None or found.origin is None:
        return f"there is no {module}"
    sources = Path(found.origin).parent.glob("*.py")
    text = "".join(each.read_text(encoding="utf-8") for each in sources)
    options = [word for word in words if word.startswith("--") and word != "--help"]
    wrong = [word for word in options if not re.search(rf'"{word}"|\b{_parameter(word)}: ', text)]
    return f"{module} has no {wrong[0]}" if wrong else None


def _parameter(option: str) -> str:
    """As typer makes one of the other."""
    return option.removeprefix("--").replace("-", "_")
