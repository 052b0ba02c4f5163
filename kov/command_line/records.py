"""`kov produce` and `kov cat`: records from lines, and lines from records."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated

import typer

from kov.address import Address
from kov.command_line.options import Bootstrap
from kov.tools.times import EXAMPLES, parse_time


class Codec(StrEnum):
    NONE = "none"
    GZIP = "gzip"
    SNAPPY = "snappy"
    LZ4 = "lz4"
    ZSTD = "zstd"


class InputFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


class OutputFormat(StrEnum):
    TEXT = "text"
    JSON = "json"
    HEX = "hex"


def _time(text: str) -> int:
    try:
        return parse_time(text, time.time_ns() // 1_000_000)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _header(text: str) -> tuple[str, bytes]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE")
    return name, value.encode("utf-8", "surrogateescape")


_Separator = Annotated[
    str | None,
    typer.Option("--key-separator", "-K", metavar="TEXT", help="What stands between key and value."),
]
_Null = Annotated[str | None, typer.Option("--null", metavar="TEXT", help="The text that stands for null.")]
_DEFAULT = Address("127.0.0.1", 9092)


def produce(
    topic: Annotated[str, typer.Argument(help="The topic's name.")],
    bootstrap: Bootstrap = _DEFAULT,
    key_separator: _Separator = None,
    header: Annotated[
        list[str] | None,
        typer.Option("--header", "-H", metavar="NAME=VALUE", help="For every record; may be repeated."),
    ] = None,
    codec: Annotated[Codec, typer.Option("--codec", "-z", help="How batches are compressed.")] = Codec.NONE,
    partition: Annotated[
        int | None, typer.Option("--partition", "-p", min=0, help="Instead of the key's, or any.")
    ] = None,
    null: _Null = None,
    form: Annotated[
        InputFormat, typer.Option("--format", "-f", help="What a line is: a text, or JSON as of kov cat.")
    ] = InputFormat.TEXT,
    as_json: Annotated[
        bool, typer.Option("--json", help="Say at the end what was stored, as one JSON object.")
    ] = False,
) -> None:
    """Send each line of stdin as a record, until stdin ends.

    `echo hello | kov produce greetings`: one record. Without a pipe each line that you type is sent; end with
    Ctrl-D.

    `kov produce orders --key-separator : < orders.txt`: `c17:two pears` has the key c17. A line without a
    separator has no key.

    `kov produce orders -z zstd -H source=import --partition 0 < orders.txt`: compressed, with a header.

    `kov cat orders --format json | kov produce copy --format json`: keys, values, headers and times.

    Exit status 0: everything is stored. 1: something isn't, or kov can't be reached. 2: a line or the command
    line needs to be corrected. 130: Ctrl-C; what was sent before is stored.
    """
    from kov import client_commands  # noqa: PLC0415

    raise typer.Exit(
        client_commands.produce(
            topic,
            bootstrap=str(bootstrap),
            as_json=as_json,
            codec=codec.value,
            partition=partition,
            lines_are_json=form is InputFormat.JSON,
            text=client_commands.Text(key_separator=key_separator, null=null),
            headers=[_header(each) for each in header or ()],
        )
    )


def cat(
    place: Annotated[
        str, typer.Argument(metavar="TOPIC[/PARTITION]", help="All of a topic, or a partition.")
    ],
    bootstrap: Bootstrap = _DEFAULT,
    first: Annotated[
        int | None, typer.Option("--from", min=0, metavar="OFFSET", help="From this offset on.")
    ] = None,
    end: Annotated[
        int | None, typer.Option("--to", min=0, metavar="OFFSET", help="Up to before this offset.")
    ] = None,
    since: Annotated[
        int | None,
        typer.Option(parser=_time, metavar="TIME", help=f"From the first record at or after: {EXAMPLES}."),
    ] = None,
    until: Annotated[
        int | None,
        typer.Option(parser=_time, metavar="TIME", help="Up to before the first record at or after it."),
    ] = None,
    last: Annotated[
        int | None, typer.Option("--last", min=0, metavar="COUNT", help="The newest of each partition.")
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=0, help="At most so many records in all.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-F", help="Go on with what is written later, until Ctrl-C.")
    ] = False,
    form: Annotated[
        OutputFormat, typer.Option("--format", "-f", help="How a record is shown.")
    ] = OutputFormat.TEXT,
    key_separator: _Separator = None,
    null: _Null = None,
) -> None:
    """Write the records of a topic or of one partition to stdout.

    `kov cat orders`: everything there is now. On a terminal each line also tells where and when; in a pipe it
    is the value alone.

    `kov cat orders --last 10 --follow`: the newest ten of each partition, and all that is written from now
    on.

    `kov cat orders/0 --from 100 --to 200`: offsets 100 to 199.

    `kov cat orders --since 15m`: what is not older than a quarter of an hour.

    `kov cat orders --format json | jq -r .key`: one JSON object for each record. Bytes that are no UTF-8 are
    written as `{"base64": "..."}`.

    Records of one partition come in order, those of several as they are read. Exit status 0: read to the end.
    1: kov can't be reached, or something can't be read. 2: the command line needs to be corrected.
    130: Ctrl-C. 141: whoever read the output has ended.
    """
    from kov import client_commands  # noqa: PLC0415
    from kov.tools.records.spans import Wanted  # noqa: PLC0415

    raise typer.Exit(
        client_commands.cat(
            place,
            bootstrap=str(bootstrap),
            wanted=Wanted(first=first, end=end, since_ms=since, until_ms=until, last=last, follow=follow),
            count=count,
            form=form.value,
            text=client_commands.Text(key_separator=key_separator, null=null),
        )
    )
