"""What `kov produce`, `cat`, `bench` and `top` do: from the command line's values to an exit status.

They are clients like any other, so what they need is no dependency of the server.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from kov.address import Address
from kov.commands import refused
from kov.errors import CannotStart, ConfigError

if TYPE_CHECKING:
    from kov.tools.records.formats import Format
    from kov.tools.records.spans import Wanted

_WELL = 0
_NOT_NOW = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """How keys and nulls stand in lines of text."""

    key_separator: str | None = None
    null: str | None = None


def produce(
    topic: str,
    *,
    bootstrap: str,
    codec: str,
    partition: int | None,
    lines_are_json: bool,
    text: Text,
    headers: Sequence[tuple[str, bytes]],
    as_json: bool,
) -> int:
    """Sends the lines of stdin. KeyboardInterrupt passes, and what was sent is stored then."""
    try:
        _require_client("produce")
        from kov.tools.records import producing  # noqa: PLC0415 - a Kafka client
        from kov.tools.records.lines import LineFormat  # noqa: PLC0415

        form = LineFormat(
            json=lines_are_json,
            key_separator=_bytes(text.key_separator),
            null=_bytes(text.null),
            headers=headers,
        )
        order = producing.Order(
            bootstrap=bootstrap, topic=topic, format=form, codec=codec, partition=partition, as_json=as_json
        )
        producing.produce(order, sys.stdin.fileno())
    except ConfigError as error:
        return refused(error)
    return _WELL


def cat(place: str, *, bootstrap: str, wanted: Wanted, count: int | None, form: str, text: Text) -> int:
    """`place` is TOPIC or TOPIC/PARTITION. KeyboardInterrupt and BrokenPipeError pass."""
    try:
        _require_client("cat")
        from kov.tools.records import consuming  # noqa: PLC0415 - a Kafka client

        topic, partition = _topic_and_partition(place)
        consuming.cat(
            consuming.Order(
                bootstrap=bootstrap,
                topic=topic,
                partition=partition,
                wanted=wanted,
                format=_format(form, text),
                count=count,
            )
        )
    except ConfigError as error:
        return refused(error)
    return _WELL


def bench(
    topic: str,
    *,
    bootstrap: str,
    seconds: float,
    rate: float | None,
    in_flight: int,
    size: int,
    codec: str,
    acks: str,
    linger_ms: float,
    picture: Path | None,
    as_json: bool,
) -> int:
    """KeyboardInterrupt passes, after the summary."""
    try:
        _require_client("bench")
        from kov.tools.bench import command, load  # noqa: PLC0415 - a Kafka client

        order = load.Order(
            bootstrap=bootstrap,
            topic=topic,
            seconds=seconds,
            size=size,
            rate=rate,
            in_flight=in_flight,
            codec=codec,
            acks=acks,
            linger_ms=linger_ms,
        )
        return _WELL if command.run(order, picture=picture, as_json=as_json) else _NOT_NOW
    except ConfigError as error:
        return refused(error)


def top(
    topics: Sequence[str],
    *,
    bootstrap: str,
    http: Sequence[Address],
    every_s: float,
    count: int | None,
    as_json: bool,
) -> int:
    """KeyboardInterrupt and BrokenPipeError pass."""
    try:
        _require_client("top")
        from kov.tools.top import command  # noqa: PLC0415 - a Kafka client

        command.run(
            command.Order(
                bootstrap=bootstrap, topics=topics, http=http, every_s=every_s, count=count, as_json=as_json
            )
        )
    except ConfigError as error:
        return refused(error)
    return _WELL


def _require_client(command: str) -> None:
    """Raises CannotStart, which says what to do."""
    if find_spec("confluent_kafka") is None:
        raise CannotStart(f"{command} needs confluent-kafka; install it with: pip install 'kov[cli]'")


def _topic_and_partition(place: str) -> tuple[str, int | None]:
    topic, slash, index = place.partition("/")
    if not slash:
        return topic, None
    if not index.isascii() or not index.isdigit():
        raise ConfigError(f"{place!r} is not TOPIC or TOPIC/PARTITION; write for example orders/0")
    return topic, int(index)


def _format(form: str, text: Text) -> Format:
    from kov.tools.records import formats  # noqa: PLC0415 - for this command only

    if form != "text":
        return formats.json_line if form == "json" else formats.hex_dump
    if sys.stdout.isatty() and text == Text():
        return formats.for_people
    return formats.Plain(key_separator=_bytes(text.key_separator), null=_bytes(text.null) or b"")


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode("utf-8", "surrogateescape")
