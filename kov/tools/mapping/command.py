"""`kov map`: look, show, ask, make, write; nothing is open while a person thinks."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

import typer

from kov.config.mapping_file import read_text
from kov.errors import CannotStart
from kov.tools.mapping.finding import find, make
from kov.tools.mapping.order import Order, Place, check, look_at_file
from kov.tools.mapping.text import Mapped, extended, new_text
from kov.tools.tables import counted

T = TypeVar("T")
_LARGEST_ID = 2**31 - 1


class Run(Protocol):
    def __call__(self, coroutine: Coroutine[None, None, T], /) -> T: ...


def execute(order: Order, run: Run) -> None:
    """Returns when the file is written; with `dry_run` when it was printed.

    Raises ConfigError, and CannotStart where nothing was written because of the cluster, or of the answer.
    """
    place = look_at_file(order)
    check(order, place)
    topics = run(find(order, place))
    _text(order, place, topics | _stand_ins(order))
    if order.dry_run:
        typer.echo(_text(order, place, topics), nl=False)
        return
    if place.text is not None and not order.yes:
        _ask(order, topics)
    if order.create:
        topics |= run(make(order, place))
    try:
        _write(order.file, place.text, _text(order, place, topics))
    except OSError as error:
        raise CannotStart(
            f"{order.file} can't be written: {error.strerror}; it was to have {_told(topics)}"
        ) from None
    _say(order, topics, existed=place.text is not None)


def _stand_ins(order: Order) -> dict[str, Mapped]:
    """For topics that are to be made: whether the file can take them is known before they are."""
    ids = iter(range(_LARGEST_ID, 0, -1))
    return {
        name: Mapped(topic_id=_LARGEST_ID, log_streams=[next(ids) for _ in range(partitions)])
        for name, partitions in order.create.items()
    }


def _text(order: Order, place: Place, topics: Mapping[str, Mapped]) -> str:
    """Checked as `kov serve` would. Raises ConfigError."""
    if place.text is None:
        text = new_text(place.cluster_id, place.metadata_repositories, place.admin, topics)
    else:
        text = extended(place.text, topics)
    read_text(text, source=f"{order.file} with these topics")
    return text


def _ask(order: Order, topics: Mapping[str, Mapped]) -> None:
    typer.echo(f"{order.file} exists; these topics would be added, and nothing else changed:", err=True)
    for line in _told(topics).splitlines():
        typer.echo(f"  {line}", err=True)
    for name, partitions in order.create.items():
        typer.echo(f"  {name}: {counted(partitions, 'log stream')}, to be made", err=True)
    if not sys.stdin.isatty():
        raise CannotStart("nothing was written; to add to the file without being asked, give --yes")
    if not typer.confirm("Add them?", err=True):
        raise CannotStart("nothing was written")


def _told(topics: Mapping[str, Mapped]) -> str:
    return "\n".join(
        f"{name}: Varlog topic {topic.topic_id}, log streams {', '.join(map(str, topic.log_streams))}"
        for name, topic in topics.items()
    )


def _write(file: Path, known: str | None, text: str) -> None:
    """All of it or nothing, and never over what somebody else has written meanwhile. Raises OSError."""
    if known is None:
        with file.open("x", encoding="utf-8") as created:
            created.write(text)
        return
    if file.read_text(encoding="utf-8") != known:
        raise OSError(0, "somebody changed it meanwhile")
    target = file.resolve()  # a link stays one
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as written:
            written.write(text)
            os.fchmod(written.fileno(), target.stat().st_mode & 0o7777)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _say(order: Order, topics: Mapping[str, Mapped], *, existed: bool) -> None:
    if order.as_json:
        added = {
            name: {"topic_id": topic.topic_id, "partitions": list(topic.log_streams)}
            for name, topic in topics.items()
        }
        typer.echo(json.dumps({"file": str(order.file), "existed": existed, "added": added}))
        return
    verb = "added to" if existed else "written to"
    typer.echo(_told(topics))
    typer.echo(
        f"{counted(len(topics), 'topic')} {verb} {order.file}; look at it with: kov check {order.file}"
    )
