"""Look, show, ask, act, say: the steps of `kov repair`, each in its own run of the event loop.

So nothing is open while a person thinks; what has changed meanwhile is found out behind the fence.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Coroutine
from typing import Protocol, TypeVar

import typer

from kov.errors import ConfigError
from kov.partition.salvage import Salvage
from kov.repair import report
from kov.repair.acting import Place, Refused, look, repair

T = TypeVar("T")


class Run(Protocol):
    def __call__(self, coroutine: Coroutine[None, None, T], /) -> T: ...


def execute(place: Place, *, next_offset: int | None, yes: bool, as_json: bool, run: Run) -> None:
    """Returns when the partition is repaired; with `as_json` and without `yes`, when the plan was printed.

    Raises ConfigError, and Refused where nothing was declared: with `as_json` that was printed, too.
    """
    facts: dict[str, object] = {"partition": str(place)}
    say = _ignore if as_json else typer.echo
    try:
        seen = run(look(place))
        chosen = _chosen(seen, next_offset)
        facts |= report.facts(place, seen, chosen)
        say(report.plan(place, seen, chosen))
        if chosen is None:
            raise Refused("next_offset_wanted", report.offset_wanted(seen))
        if as_json and not yes:
            facts["outcome"] = "planned"
            return
        if not yes:
            _ask(chosen)
        repaired = run(repair(place, seen, next_offset))
        facts |= report.facts(place, repaired.salvage, repaired.next_offset)
        facts |= {"outcome": "repaired", "epoch": repaired.epoch}
        say(report.done(place, repaired))
    except Refused as error:
        facts |= {"outcome": error.reason, "error": str(error)}
        raise
    finally:
        if as_json and "outcome" in facts:
            typer.echo(json.dumps(facts))


def _ignore(_: str) -> None:
    pass


def _chosen(seen: Salvage, next_offset: int | None) -> int | None:
    if next_offset is None:
        return seen.least_offset if seen.kept is not None else None
    if next_offset < seen.lowest_choice:
        raise ConfigError(
            f"--next-offset {next_offset}: the offsets below {seen.lowest_choice} were given to records"
        )
    return next_offset


def _ask(chosen: int) -> None:
    if not sys.stdin.isatty():
        raise Refused("declined", "nothing was written; to declare this lost without being asked, add --yes")
    if not typer.confirm(f"Declare this lost and go on at offset {chosen}?"):
        raise Refused("declined", "nothing was written")
