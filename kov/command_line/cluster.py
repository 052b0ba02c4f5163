"""`kov topics`, `kov inspect` and `kov repair`: what lies in Varlog."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kov.command_line.options import Data, Json, Level, LogLevel

_File = Annotated[
    Path | None, typer.Argument(help="Mapping file (YAML). Without it the embedded store is meant.")
]
_Partition = Annotated[
    list[str],
    typer.Argument(
        metavar="[FILE] TOPIC/PARTITION",
        help="Mapping file (YAML), without it the embedded store is meant; and the partition.",
    ),
]


def topics(
    file: _File = None,
    topic: Annotated[
        list[str] | None, typer.Option("--topic", metavar="NAME", help="Just this one; may be repeated.")
    ] = None,
    data: Data = None,
    as_json: Json = False,
    orphans: Annotated[
        bool, typer.Option("--orphans", help="List what is left in Varlog of topics that don't exist.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="With --orphans: remove it.")] = False,
    wait: Annotated[
        float,
        typer.Option(min=0, metavar="SECONDS", help="How long something must be left over to be removed."),
    ] = 60.0,
    log_level: Level = LogLevel.ERROR,
) -> None:
    """List the topics: leaders, epochs, offsets, sizes and states of their partitions.

    `kov topics`: those of the embedded store in ./kov-data, whether its kov runs or not.

    `kov topics mapping.yaml --topic orders`: one of those that the file or its catalog names.

    `kov topics --json | jq '.topics[].name'`: for programs.

    `kov topics mapping.yaml --orphans`: what creations and deletions that were cut short have left: Varlog
    topics that neither the file nor the catalog names and that hold nothing, or only the records of a deleted
    topic. In a cluster that others use too, look at the list before --remove. A kov that serves the mapping
    file may go on running; for --orphans one with an embedded store has to be ended first.

    Exit status 0: all partitions can be used; nothing is left over, or not any more. 1: some can't be used,
    something is left over, or the cluster can't be reached. 2: the file or the command line needs to be
    corrected.
    """
    from kov import commands  # noqa: PLC0415

    if remove and not orphans:
        raise typer.BadParameter("--remove goes with --orphans")
    if orphans and (as_json or topic):
        raise typer.BadParameter("--json and --topic don't go with --orphans")
    commands.set_up_logging(log_level)
    if orphans:
        raise typer.Exit(commands.orphans(file, data=data, remove=remove, wait_s=wait))
    raise typer.Exit(commands.topics(file, data=data, names=topic or (), as_json=as_json))


def inspect(
    arguments: _Partition,
    data: Data = None,
    last: Annotated[
        int, typer.Option("--last", "-n", min=1, metavar="COUNT", help="How many of the newest entries.")
    ] = 20,
    first: Annotated[
        int | None, typer.Option("--from", min=1, metavar="LLSN", help="From this entry on.")
    ] = None,
    end: Annotated[
        int | None, typer.Option("--to", min=1, metavar="LLSN", help="Up to and with this entry.")
    ] = None,
    producers: Annotated[
        bool, typer.Option("--producers", help="Also the producers that are known there.")
    ] = False,
    as_json: Json = False,
    log_level: Level = LogLevel.ERROR,
) -> None:
    """Show a partition's log stream entry by entry: batches, fences, snapshots, and what is void and why.

    Each entry is shown as the fold of the log takes it, so as every reader and every writer does, and below
    them the state behind the last one. Only reads: a kov may be using the partition.

    `kov inspect orders/0`: the newest 20 entries of a partition of the embedded store in ./kov-data.

    `kov inspect mapping.yaml orders/0 --from 1 --to 100`: the first hundred, on a cluster.

    `kov inspect orders/0 --producers`: with the table that tells retries from new batches.

    `kov inspect orders/0 --from 1 --json | jq '.entries[] | select(.what == "void")'`: for programs.

    Exit status 0: shown. 1: an entry can't be this partition's, or can't be understood, and it is shown
    which; or the cluster can't be reached. 2: the file or the command line needs to be corrected.
    """
    from kov import commands  # noqa: PLC0415

    if not 1 <= len(arguments) <= 2:
        raise typer.BadParameter("give TOPIC/PARTITION, and before it the mapping file if there is one")
    commands.set_up_logging(log_level)
    raise typer.Exit(
        commands.inspect(
            arguments, data=data, last=last, first=first, end=end, producers=producers, as_json=as_json
        )
    )


def repair(
    arguments: _Partition,
    data: Data = None,
    next_offset: Annotated[
        int | None, typer.Option(min=0, help="Where the partition goes on, if what is left doesn't tell.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object; without --yes only what would be done.")
    ] = False,
    log_level: Level = LogLevel.ERROR,
) -> None:
    """Declare lost what was trimmed from a partition's log stream, so that it can be opened again.

    Shows what is lost and where the partition would go on, and asks before it writes. A kov that serves the
    mapping file may go on running; one with an embedded store has to be ended first.

    `kov repair mapping.yaml orders/0`: what kov's log names where a partition was trimmed too far.

    `kov repair mapping.yaml orders/0 --json`: what would be done, for programs.

    `kov repair mapping.yaml orders/0 --next-offset 5000 --yes`: where nothing is left that tells the offset.

    Exit status 0: repaired (with --json and without --yes: shown). 1: nothing was declared lost: nothing is
    wrong, or it can't be done now. 2: the file or the command line needs to be corrected.
    """
    from kov import commands  # noqa: PLC0415

    if not 1 <= len(arguments) <= 2:
        raise typer.BadParameter("give TOPIC/PARTITION, and before it the mapping file if there is one")
    commands.set_up_logging(log_level)
    raise typer.Exit(commands.repair(arguments, data=data, next_offset=next_offset, yes=yes, as_json=as_json))
