"""What `--help` shows: names as in the documentation, examples, and what the exit status means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

import click
import pytest
import typer
from typer.testing import CliRunner

from kov.cli import app

COMMANDS: Mapping[str, click.Command] = cast("click.Group", typer.main.get_command(app)).commands
USAGES = {
    "check": "FILE",
    "inspect": "[FILE] TOPIC/PARTITION",
    "produce": "TOPIC",
    "serve": "[FILE]",
    "top": "[TOPIC]...",
    "version": "",
}


def shown(*command: str) -> str:
    found = CliRunner().invoke(app, [*command, "--help"], prog_name="kov", env={"COLUMNS": "200"})
    assert found.exit_code == 0, found.output
    return str(found.output)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_no_name_of_python_is_shown(command: str) -> None:
    assert re.findall(r"<(?:bool|str|list\[.*?)>", shown(command)) == []
    assert re.findall(r"<(?:bool|str|list\[.*?)>", shown()) == []


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"version"}))
def test_a_command_is_explained_by_examples(command: str) -> None:
    text = shown(command)
    assert re.search(rf"^ *kov {command}\b.*: ", text, re.MULTILINE)
    assert "Exit status" in text


@pytest.mark.parametrize(("command", "arguments"), USAGES.items())
def test_arguments_are_named_as_in_the_documentation(command: str, arguments: str) -> None:
    (usage,) = re.findall(r"Usage: (.+)", shown(command))
    assert usage.strip() == f"kov {command} [OPTIONS] {arguments}".strip()


def test_a_missing_argument_is_named_the_same_way() -> None:
    said = CliRunner().invoke(app, ["check"], prog_name="kov")
    assert said.exit_code == 2
    assert "Missing argument 'FILE'" in said.output


def test_a_newcomer_is_told_what_to_type_first() -> None:
    text = shown()
    for first in ("kov serve", "kov produce greetings", "kov cat greetings"):
        assert first in text
