"""What the commands do: from the command line's values to an exit status."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final, TypeVar

import uvloop

from kov import log_lines, process, workers
from kov.config import Config, embedded_config, load
from kov.errors import CannotStart, ConfigError
from kov.log_lines import AS_USUAL, LogFormat, Logged
from kov.serving import DEFAULT_DATA, Wishes, resolve

T = TypeVar("T")

_DEMO_PACKAGES: Final = {
    "aiokafka": "aiokafka",
    "confluent_kafka": "confluent-kafka",
    "cramjam": "cramjam",
}

_WELL: Final = 0
_NOT_NOW: Final = 1
_BAD_CONFIGURATION: Final = 2


def serve(wishes: Wishes, *, logged: Logged = AS_USUAL) -> int:
    """So many nodes as are wished for, each a process of its own where there are several."""
    try:
        run = resolve(wishes)
        if wishes.count == 1:
            _run(process.serve(run.config, run.data, run.file))
        else:
            _run(workers.serve(run.config, run.data, run.file, logged=logged))
    except ConfigError as error:
        return refused(error)
    return _WELL


def check(file: Path, *, offline: bool, as_json: bool = False) -> int:
    from kov import check as checking  # noqa: PLC0415 - rich, which `serve` has no use for

    try:
        config = load(file)
        if offline:
            checking.say_file_is_well(config, as_json=as_json)
            return _WELL
        return _WELL if _run(checking.check(config, as_json=as_json)) else _NOT_NOW
    except ConfigError as error:
        if as_json:
            checking.say_refused(str(file), error)
        return refused(error)


def repair(
    arguments: Sequence[str],
    *,
    data: Path | None,
    next_offset: int | None,
    yes: bool,
    as_json: bool,
) -> int:
    """`arguments`: the mapping file, unless the partition lies in the embedded store, and TOPIC/PARTITION."""
    from kov.repair import acting, command  # noqa: PLC0415 - as above

    try:
        config, directory = _place(Path(arguments[0]) if len(arguments) > 1 else None, data)
        place = acting.parse_place(arguments[-1], config, directory)
        command.execute(place, next_offset=next_offset, yes=yes, as_json=as_json, run=_run)
    except ConfigError as error:
        return refused(error)
    return _WELL


def topics(file: Path | None, *, data: Path | None, names: Sequence[str], as_json: bool) -> int:
    from kov.tools.topics import command  # noqa: PLC0415 - as above

    try:
        config, directory = _place(file, data)
        return (
            _WELL if _run(command.show_topics(config, directory, names=names, as_json=as_json)) else _NOT_NOW
        )
    except ConfigError as error:
        return refused(error)


def orphans(file: Path | None, *, data: Path | None, remove: bool, wait_s: float) -> int:
    from kov import topics_command  # noqa: PLC0415 - as above

    try:
        config, directory = _place(file, data)
        work = topics_command.show_orphans(config, directory, remove=remove, wait_s=wait_s)
        return _WELL if _run(work) else _NOT_NOW
    except ConfigError as error:
        return refused(error)


def inspect(
    arguments: Sequence[str],
    *,
    data: Path | None,
    last: int,
    first: int | None,
    end: int | None,
    producers: bool,
    as_json: bool,
) -> int:
    """`arguments`: as for `repair`."""
    from kov.tools.inspect import command  # noqa: PLC0415 - as above

    try:
        config, directory = _place(Path(arguments[0]) if len(arguments) > 1 else None, data)
        wanted = command.Wanted(last=last, first=first, end=end)
        work = command.inspect(config, directory, arguments[-1], wanted, producers=producers, as_json=as_json)
        return _WELL if _run(work) else _NOT_NOW
    except ConfigError as error:
        return refused(error)


def map_topics(
    file: Path,
    *,
    varlog: Sequence[str],
    admin: str | None,
    cluster_id: int | None,
    existing: Sequence[tuple[str, int, tuple[int, ...]]],
    create: Sequence[tuple[str, int]],
    everything: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """`existing`: names, Varlog topics, log streams or none; `create`: names, numbers of partitions."""
    from kov.tools.mapping import command, order  # noqa: PLC0415 - as above

    try:
        wanted = order.Order(
            file=file,
            varlog=varlog,
            admin=admin,
            cluster_id=cluster_id,
            existing=order.existing_by_name(existing),
            create=order.by_name(create),
            everything=everything,
            yes=yes,
            dry_run=dry_run,
            as_json=as_json,
        )
        command.execute(wanted, _run)
    except ConfigError as error:
        return refused(error)
    return _WELL


def demo(*, bootstrap: str | None, varlog: str | None, records: int) -> int:
    missing = [package for module, package in _DEMO_PACKAGES.items() if find_spec(module) is None]
    if missing:
        sys.stderr.write(
            f"kov: the demo needs {', '.join(missing)}; install it with: pip install 'kov[demo]'\n"
        )
        return _NOT_NOW
    from kov.demo import program  # noqa: PLC0415 - Kafka clients, which `serve` has no use for

    return _run(program.run(bootstrap=bootstrap, varlog=varlog, records=records))


def set_up_logging(level: str, form: LogFormat = LogFormat.TEXT, *, node_id: int | None = None) -> None:
    """To stderr. `node_id`: of one of several processes that log to the same place."""
    log_lines.set_up(level, sys.stderr, form, node_id=node_id)


def _place(file: Path | None, data: Path | None) -> tuple[Config, Path | None]:
    """What the file says; without one the embedded store, and its directory."""
    if file is None:
        return embedded_config(), data or DEFAULT_DATA
    if data is not None:
        raise ConfigError("--data is for the embedded store; leave it or the mapping file out")
    return load(file), None


def _run(coroutine: Coroutine[None, None, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(coroutine)


def refused(error: ConfigError) -> int:
    """Says what is wrong; the exit status for it."""
    sys.stderr.write(f"kov: {error}\n")
    return _NOT_NOW if isinstance(error, CannotStart) else _BAD_CONFIGURATION
