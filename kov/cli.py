"""The command line. A command's work is imported when it runs, so that `kov --help` is quick."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Final, TypeVar, cast

import typer

from kov.address import Address, NamedAddress
from kov.command_line import cluster, load, mapping, records
from kov.command_line.environment import from_environment, say_what_is_misspelt
from kov.command_line.group import PlainCommand, QuietGroup
from kov.command_line.options import Json, Level, LogLevel, address, named_address
from kov.log_lines import LogFormat, Logged

_Function = TypeVar("_Function", bound=Callable[..., Any])

app = typer.Typer(
    cls=QuietGroup,
    rich_markup_mode="markdown",
    add_completion=True,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="""Kafka producers on Varlog: the records that they send to kov are stored in Varlog log streams.

    `kov serve`: in one terminal, with an embedded store in ./kov-data.

    `echo hello | kov produce greetings`: in another one; and `kov cat greetings`, to see it.

    `kov COMMAND --help`: what a command does, with examples.
    """,
)
_SERVE: Final = "Serving"
_LOOK: Final = "What lies in Varlog"
_CLIENT: Final = "Kafka clients, for a kov that runs"
_MORE: Final = "More"


def _command(panel: str, name: str | None = None) -> Callable[[_Function], _Function]:
    return app.command(name, cls=PlainCommand, rich_help_panel=panel)


@app.command(cls=PlainCommand, rich_help_panel=_SERVE, context_settings={"auto_envvar_prefix": "KOV"})
def serve(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            envvar="KOV_FILE", help="Mapping file (YAML). Without it an embedded store is started."
        ),
    ] = None,
    listen: Annotated[
        list[NamedAddress] | None,
        typer.Option(
            parser=named_address,
            metavar="[NAME=]HOST:PORT",
            help="Where to listen; default 127.0.0.1:9092. May be repeated, with names.",
        ),
    ] = None,
    advertise: Annotated[
        list[NamedAddress] | None,
        typer.Option(
            parser=named_address,
            metavar="[NAME=]HOST:PORT",
            help="What producers are told to connect to, for each listener.",
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The embedded store's directory; default ./kov-data.")
    ] = None,
    node_id: Annotated[
        int | None, typer.Option(min=0, help="This node, instead of the file's node.id.")
    ] = None,
    http: Annotated[
        Address | None,
        typer.Option(
            parser=address,
            metavar="HOST:PORT",
            help="Show the status page there, usually 127.0.0.1:9464; also /metrics, /healthz, /readyz.",
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, max=256, help="Nodes to run here, each a process and a port of its own.")
    ] = 1,
    log_level: Level = LogLevel.INFO,
    log_format: Annotated[
        LogFormat, typer.Option("--log-format", help="Lines for people, or JSON objects for programs.")
    ] = LogFormat.TEXT,
) -> None:
    """Serve Kafka producers until SIGTERM or SIGINT.

    `kov serve`: an embedded store in ./kov-data, for producers on this host.

    `kov serve --listen 0.0.0.0:9092 --advertise kafka.example:9092`: for producers elsewhere.

    `kov serve --listen in=0.0.0.0:9092 --advertise in=kov:9092 --listen out=0.0.0.0:19092 --advertise
    out=localhost:19092`: for those of two networks.

    `kov serve mapping.yaml`: the topics and the Varlog cluster that the file names. What changes in the file
    is taken over while it runs; SIGHUP has it read at once.

    `kov serve --workers 4`: four nodes on ports 9092 to 9095, which share the partitions.

    `kov serve --http 127.0.0.1:9464`: with a status page, metrics and probes; with workers on as many ports
    from there on.

    Every option can come from the environment, as KOV_ and its name: KOV_NODE_ID=2.

    Exit status 1: it can't start here and now. 2: the file or the command line needs to be corrected.
    """
    from kov import commands  # noqa: PLC0415
    from kov.serving import Wishes  # noqa: PLC0415

    commands.set_up_logging(log_level, log_format)
    say_what_is_misspelt(context)
    wishes = Wishes(
        file=file,
        listen=listen or (),
        advertise=advertise or (),
        data=data,
        node_id=node_id,
        http=http,
        count=workers,
        environment=from_environment(context),
    )
    raise typer.Exit(commands.serve(wishes, logged=Logged(level=log_level, form=log_format)))


@_command(_SERVE)
def check(
    file: Annotated[Path, typer.Argument(help="Mapping file (YAML).")],
    offline: Annotated[bool, typer.Option("--offline", help="Look at the file only.")] = False,
    as_json: Json = False,
    log_level: Level = LogLevel.ERROR,
) -> None:
    """Check a mapping file, and that the cluster has what it names.

    Each log stream must exist, run, lie in the Varlog topic that the file says, hold nothing or the records
    of its own partition, and serve no topic of the catalog. What is wrong is said with what to do. Only
    reads: a kov may be using the file.

    `kov check mapping.yaml`: the file, and the cluster that it names.

    `kov check mapping.yaml --offline`: the file alone, for example before it is installed.

    `kov check mapping.yaml --json | jq -r '.findings[].to_do'`: for programs.

    Exit status 0: all is well. 1: the cluster can't be reached, or something in it has to be done.
    2: the file needs to be corrected.
    """
    from kov import commands  # noqa: PLC0415

    commands.set_up_logging(log_level)
    raise typer.Exit(commands.check(file, offline=offline, as_json=as_json))


_command(_SERVE, "map")(mapping.map_topics)
_command(_LOOK)(cluster.topics)
_command(_LOOK)(cluster.inspect)
_command(_LOOK)(cluster.repair)
_command(_CLIENT)(records.produce)
_command(_CLIENT)(records.cat)
_command(_CLIENT)(load.bench)
_command(_CLIENT)(load.top)


@_command(_MORE)
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


@_command(_MORE)
def version() -> None:
    """Say which version this is."""
    from importlib import metadata  # noqa: PLC0415

    typer.echo(f"kov {metadata.version('kov')}")


def _version_and_end(asked: bool) -> None:
    if asked:
        version()
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version_and_end, is_eager=True, help="Say which version this is."
        ),
    ] = False,
) -> None:
    """Those that belong to no command."""


def main() -> None:
    """The `kov` program."""
    # gRPC's own log lines would stand between ours; what matters of them is raised as well.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # kio registers strategies with Hypothesis where that is installed: half a second at every start.
    sys.modules.setdefault("hypothesis", cast("ModuleType", None))
    app(prog_name="kov")
