"""Every command of README and docs is run, and those that can't be are checked."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from kov.config import read_bytes
from tests.docs.blocks import COMMANDS, LANGUAGES, PAGES, ROOT, Block, blocks
from tests.docs.options import mistake, spans
from tests.docs.stage import Failed, Stage, compare, play

NOT_RUN_AT_MOST = 12
RUN = [page for page in PAGES if any(block.is_run for block in blocks(page))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_says_what_it_is(page: Path) -> None:
    assert [str(block) for block in blocks(page) if block.language not in LANGUAGES] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_has_the_options_that_the_page_says(page: Path) -> None:
    written = [(str(block), each.text) for block in blocks(page) for each in block.commands()]
    written += spans(page)
    assert [f"{where}: {text}: {said}" for where, text in written if (said := mistake(text))] == []


def test_few_commands_are_not_run() -> None:
    """Those that CI itself runs, that measure for long, or that another test runs as its page has them."""
    every = [block for page in PAGES for block in blocks(page) if block.language in (*COMMANDS, "python")]
    assert len(every) > 40
    assert len([block for block in every if block.why_not_run]) <= NOT_RUN_AT_MOST


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_of_yaml_is_right(page: Path) -> None:
    for block in blocks(page):
        if block.language == "yaml":
            assert isinstance(yaml.safe_load(block.text), dict)
            if "\nvarlog:" in block.text:
                read_bytes(block.text.encode(), source=str(block), environment={})


@pytest.mark.slow
@pytest.mark.timeout(300)  # every command has a bound of its own, and a page has thirty
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_every_command_does_what_the_page_says(page: Path, tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        for block in blocks(page):
            if block.is_run:
                _run(stage, block)


def _run(stage: Stage, block: Block) -> None:
    try:
        for hidden in block.before:
            stage.run(hidden)
        play(stage, block)
    except Failed as failed:
        pytest.fail(f"{block}: {failed}")


def test_a_wrong_option_is_found() -> None:
    assert mistake("kov serve --worker 4") == "kov serve has no --worker"
    assert mistake("echo x | kov prodcue t") == "kov has no prodcue"
    assert mistake("make tset") == "the Makefile has no tset"
    assert mistake("python -m bench.nothing") == "there is no bench.nothing"
    assert mistake("kov cat orders --last 3 | head -1") is None


def test_other_output_is_found() -> None:
    assert compare(("2 topics, 8 partitions",), ["3 topics, 12  partitions"]) is None
    assert compare(("2 topics, 8 partitions",), ["2 topics"]) is not None


def test_the_root_is_the_project() -> None:
    assert (ROOT / "mkdocs.yml").exists()
