"""`kov map`: from a Varlog cluster to a mapping file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kov.address import Address
from kov.command_line.options import Level, LogLevel, address

Existing = tuple[str, int, tuple[int, ...]]
"""Name, Varlog topic, log streams."""


def _number(text: str, what: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 2**31:
        raise typer.BadParameter(f"{what}: {text!r} is no number from 1 on")
    return int(text)


def _existing(text: str) -> Existing:
    name, equals, rest = text.partition("=")
    topic_id, colon, log_streams = rest.partition(":")
    if not name or not equals:
        raise typer.BadParameter(f"{text!r} is not NAME=VARLOG_TOPIC, for example orders=1 or orders=1:4,5,6")
    streams = tuple(_number(each, text) for each in log_streams.split(",")) if colon else ()
    return name, _number(topic_id, text), streams


def _new(text: str) -> tuple[str, int]:
    name, equals, partitions = text.partition("=")
    if not name or not equals:
        raise typer.BadParameter(f"{text!r} is not NAME=PARTITIONS, for example orders=4")
    return name, _number(partitions, text)


def map_topics(
    file: Annotated[Path, typer.Argument(help="The mapping file (YAML) to write or to add to.")],
    varlog: Annotated[
        list[Address] | None,
        typer.Option(
            parser=address,
            metavar="HOST:PORT",
            help="For a new file: a metadata repository; may be repeated.",
        ),
    ] = None,
    admin: Annotated[
        Address | None,
        typer.Option(parser=address, metavar="HOST:PORT", help="For a new file: the admin server."),
    ] = None,
    cluster_id: Annotated[
        int | None, typer.Option(min=1, help="For a new file: the cluster's id, if it isn't 1.")
    ] = None,
    topic: Annotated[
        list[str] | None,
        typer.Option(
            "--topic",
            metavar="NAME=VARLOG_TOPIC[:LOG_STREAM,...]",
            help="Map a Varlog topic: its log streams that nothing uses, or those named; may be repeated.",
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Map every Varlog topic that isn't, as varlog-NUMBER.")
    ] = False,
    create: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PARTITIONS",
            help="Make a Varlog topic and log streams, and map them; may be repeated.",
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Don't ask before adding to a file that exists.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the file as it would be; write and make nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Say what was written as one JSON object.")] = False,
    log_level: Level = LogLevel.ERROR,
) -> None:
    """Write a mapping file for a Varlog cluster, or add topics to one.

    `kov map mapping.yaml --varlog 10.0.0.1:9092 --topic orders=1`: a new file; the log streams of Varlog
    topic 1 become the partitions of orders.

    `kov map mapping.yaml --create payments=4 --yes`: makes a Varlog topic with four log streams and adds it.

    `kov map mapping.yaml --all --dry-run`: what else there is, printed only.

    Log streams that belong to another partition, or hold what isn't kov's, are refused. A file that exists
    keeps its comments and everything else that is in it; you are asked before topics are added.

    Exit status 0: written. 1: nothing was written: the cluster can't be reached, or you said no. 2: the
    file or the command line needs to be corrected.
    """
    from kov import commands  # noqa: PLC0415

    if dry_run and create:
        raise typer.BadParameter("--create makes something, and --dry-run doesn't; leave one of them out")
    if everything and topic:
        raise typer.BadParameter("--all maps every topic; leave --topic out")
    commands.set_up_logging(log_level)
    raise typer.Exit(
        commands.map_topics(
            file,
            varlog=[str(each) for each in varlog or ()],
            admin=str(admin) if admin else None,
            cluster_id=cluster_id,
            existing=[_existing(each) for each in topic or ()],
            create=[_new(each) for each in create or ()],
            everything=everything,
            yes=yes,
            dry_run=dry_run,
            as_json=as_json,
        )
    )
