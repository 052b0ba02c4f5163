"""`kov bench` and `kov top`: load, and what a running kov is doing."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kov.address import Address
from kov.command_line.options import Bootstrap, Json, address
from kov.command_line.records import Codec
from kov.config import DEFAULT_LISTEN


class Acks(StrEnum):
    ALL = "all"
    LEADER = "1"
    NONE = "0"


def bench(
    topic: Annotated[str, typer.Argument(help="Where to; made if kov makes topics by itself.")] = "kov-bench",
    bootstrap: Bootstrap = DEFAULT_LISTEN,
    seconds: Annotated[float, typer.Option("--seconds", "-s", min=1, help="How long.")] = 10.0,
    rate: Annotated[
        float | None,
        typer.Option(
            min=1, metavar="RECORDS", help="So many records a second, whatever comes back (open loop)."
        ),
    ] = None,
    in_flight: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=500_000,
            help="Always so many that aren't acknowledged yet (closed loop); default 10000.",
        ),
    ] = None,
    size: Annotated[int, typer.Option(min=1, max=16 << 20, metavar="BYTES", help="Of each record.")] = 1024,
    codec: Annotated[Codec, typer.Option("--codec", "-z", help="How batches are compressed.")] = Codec.NONE,
    acks: Annotated[Acks, typer.Option(help="all: with an idempotent producer.")] = Acks.ALL,
    linger: Annotated[
        float, typer.Option(min=0, metavar="MS", help="How long the producer waits for a fuller batch.")
    ] = 5.0,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw rate and latency: .png, .svg or .pdf.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Produce a load, and tell its rate and latency.

    The records stay in the topic. Latency is from when a record should have left until it is acknowledged,
    so with --rate it grows when kov can't keep up. Ctrl-C ends the load early and sums up all the same.

    `kov bench`: as much as goes, for ten seconds, into the topic kov-bench.

    `kov bench orders --rate 5000 --seconds 60 --picture load.svg`: 5000 records a second, with a picture.

    `kov bench --in-flight 1 --linger 0`: one record after the other: the latency of one.

    `kov bench --json | jq .latency_ms.p99`: for programs.

    Exit status 0: every record is stored. 1: some aren't, or there is no kov. 2: the command line needs to
    be corrected.
    """
    from kov import client_commands  # noqa: PLC0415

    if rate is not None and in_flight is not None:
        raise typer.BadParameter("--rate is an open loop and --in-flight a closed one; give one of the two")
    raise typer.Exit(
        client_commands.bench(
            topic,
            bootstrap=str(bootstrap),
            seconds=seconds,
            rate=rate,
            in_flight=in_flight or 10_000,
            size=size,
            codec=codec,
            acks=acks,
            linger_ms=linger,
            picture=picture,
            as_json=as_json,
        )
    )


def top(
    topics: Annotated[
        list[str] | None, typer.Argument(metavar="[TOPIC]...", help="Just these; default all.")
    ] = None,
    bootstrap: Bootstrap = DEFAULT_LISTEN,
    http: Annotated[
        list[Address] | None,
        typer.Option(
            parser=address,
            metavar="HOST:PORT",
            help="A node's --http address, for latencies, queues and connections; may be repeated.",
        ),
    ] = None,
    every: Annotated[
        float, typer.Option("--every", min=0.1, metavar="SECONDS", help="How often to look.")
    ] = 2.0,
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, help="End after so many views.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object on a line for each view, for programs.")
    ] = False,
) -> None:
    """Show what a running kov is doing: the busiest partitions, their rates, and more with --http.

    Only asks: which partitions there are, and where they end. Ctrl-C ends it.

    `kov top`: every partition, every two seconds.

    `kov top orders payments --every 5`: of two topics, every five seconds.

    `kov top --http 127.0.0.1:9464`: also latencies, queues and connections, from `kov serve --http`.

    `kov top --json --count 1 | jq .records_per_s`: for programs.

    Exit status 0: shown. 1: there is no kov. 2: the command line needs to be corrected.
    """
    from kov import client_commands  # noqa: PLC0415

    raise typer.Exit(
        client_commands.top(
            topics or (),
            bootstrap=str(bootstrap),
            http=http or (),
            every_s=every,
            count=count,
            as_json=as_json,
        )
    )
