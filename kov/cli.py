"""The command line. A command's work is imported when it runs, so that `kov --help` is quick."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated, cast

import typer

from kov.address import Address
from kov.command_line import cluster, mapping, records
from kov.command_line.group import QuietGroup
from kov.command_line.options import Level, LogLevel, address

app = typer.Typer(
    cls=QuietGroup,
    rich_markup_mode="markdown",
    add_completion=True,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Kafka producers on Varlog: the records that they send to kov are stored in Varlog log streams.",
)


@app.command()
def serve(
    file: Annotated[
        Path | None, typer.Argument(help="Mapping file (YAML). Without it an embedded store is started.")
    ] = None,
    listen: Annotated[
        Address | None,
        typer.Option(parser=address, metavar="HOST:PORT", help="Where to listen; default 127.0.0.1:9092."),
    ] = None,
    advertise: Annotated[
        Address | None,
        typer.Option(parser=address, metavar="HOST:PORT", help="What producers are told to connect to."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The embedded store's directory; default ./kov-data.")
    ] = None,
    node_id: Annotated[
        int | None, typer.Option(min=0, help="This node, instead of the file's node.id.")
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, max=256, help="Nodes to run here, each a process and a port of its own.")
    ] = 1,
    log_level: Level = LogLevel.INFO,
) -> None:
    """Serve Kafka producers until SIGTERM or SIGINT.

    `kov serve`: an embedded store in ./kov-data, for producers on this host.

    `kov serve --listen 0.0.0.0:9092 --advertise kafka.example:9092`: for producers elsewhere.

    `kov serve mapping.yaml`: the topics and the Varlog cluster that the file names.

    `kov serve --workers 4`: four nodes on ports 9092 to 9095, which share the partitions.

    Exit status 1: it can't start here and now. 2: the file or the command line needs to be corrected.
    """
    from kov import commands  # noqa: PLC0415

    commands.set_up_logging(log_level)
    raise typer.Exit(
        commands.serve(
            file,
            listen=listen,
            advertise=advertise,
            data=data,
            node_id=node_id,
            count=workers,
            log_level=log_level,
        ),
    )


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="Mapping file (YAML).")],
    offline: Annotated[bool, typer.Option("--offline", help="Look at the file only.")] = False,
    log_level: Level = LogLevel.WARNING,
) -> None:
    """Check a mapping file, and that the cluster has what it names.

    Exit status 0: all is well. 1: the cluster can't be reached, or something in it has to be done.
    2: the file needs to be corrected.
    """
    from kov import commands  # noqa: PLC0415

    commands.set_up_logging(log_level)
    raise typer.Exit(commands.check(file, offline=offline))


app.command("map")(mapping.map_topics)
app.command()(cluster.topics)
app.command()(cluster.inspect)


@app.command()
def repair(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="[FILE] TOPIC/PARTITION",
            help="Mapping file (YAML), without it the embedded store is meant; and the partition.",
        ),
    ],
    data: Annotated[
        Path | None, typer.Option(help="The embedded store's directory; default ./kov-data.")
    ] = None,
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

    Exit status 0: repaired (with --json and without --yes: shown). 1: nothing was declared lost: nothing is
    wrong, or it can't be done now. 2: the file or the command line needs to be corrected.
    """
    from kov import commands  # noqa: PLC0415

    if not 1 <= len(arguments) <= 2:
        raise typer.BadParameter("give TOPIC/PARTITION, and before it the mapping file if there is one")
    commands.set_up_logging(log_level)
    raise typer.Exit(commands.repair(arguments, data=data, next_offset=next_offset, yes=yes, as_json=as_json))


app.command()(records.produce)
app.command()(records.cat)


@app.command()
def demo(
    bootstrap: Annotated[
        Address | None,
        typer.Option(parser=address, metavar="HOST:PORT", help="A kov that runs already."),
    ] = None,
    varlog: Annotated[
        Address | None,
        typer.Option(parser=address, metavar="HOST:PORT", help="A metadata repository of its cluster."),
    ] = None,
    records: Annotated[int, typer.Option(min=100, help="How many records to write.")] = 20_000,
    log_level: Level = LogLevel.ERROR,
) -> None:
    """Let real Kafka producers write, read everything back twice, and compare.

    `kov demo`: with an embedded kov, whose data are removed at the end.

    Exit status 0: what was read through Kafka and from the log streams is what was written. 1: it is not.
    """
    from kov import commands  # noqa: PLC0415

    if varlog is not None and bootstrap is None:
        raise typer.BadParameter("--varlog goes with --bootstrap: without that, an embedded store is started")
    commands.set_up_logging(log_level)
    raise typer.Exit(
        commands.demo(
            bootstrap=str(bootstrap) if bootstrap else None,
            varlog=str(varlog) if varlog else None,
            records=records,
        )
    )


@app.command()
def version() -> None:
    """Say which version this is."""
    from importlib import metadata  # noqa: PLC0415

    typer.echo(f"kov {metadata.version('kov')}")


def main() -> None:
    """The `kov` program."""
    # gRPC's own log lines would stand between ours; what matters of them is raised as well.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # kio registers strategies with Hypothesis where that is installed: half a second at every start.
    sys.modules.setdefault("hypothesis", cast("ModuleType", None))
    app(prog_name="kov")
