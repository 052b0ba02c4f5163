"""The rows of the page's tables without scripts: sums where status.js shows rates. Everything is escaped."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from kov.observe.status import words
from kov.observe.status.troubles import Trouble
from kov.observe.status.views import ApiView, ClientRow, LatencyView, PartitionView


@dataclass(frozen=True, slots=True)
class Cell:
    """`label` is the column's, for narrow screens. `badge`: the kind of a state, which is shown as one."""

    label: str
    main: str
    more: str = ""
    badge: str = ""


def partition_rows(rows: Iterable[PartitionView]) -> str:
    return "\n".join(_row(each.name, _partition(each)) for each in rows)


def client_rows(rows: Iterable[ClientRow], *, several_listeners: bool) -> str:
    return "\n".join(
        _row(each.client_id or "(no client id)", _client(each, several=several_listeners)) for each in rows
    )


def api_rows(rows: Iterable[ApiView]) -> str:
    return "\n".join(_row(each.name, _api(each)) for each in rows)


def trouble_items(troubles: Iterable[Trouble]) -> str:
    return "\n".join(_trouble(each) for each in troubles)


def clock(at: float) -> str:
    """With the date where it isn't today's, and with the zone's offset, since nobody knows the server's."""
    moment = time.localtime(at)
    today = time.strftime("%F", moment) == time.strftime("%F")
    return time.strftime("%H:%M:%S %z" if today else "%F %H:%M %z", moment)


def half_and_most(latency: LatencyView) -> tuple[str, str]:
    return (
        words.quantile(latency.bounds, latency.counts, 0.5),
        words.quantile(latency.bounds, latency.counts, 0.99),
    )


def _partition(row: PartitionView) -> tuple[Cell, ...]:
    known = row.end_offset >= 0
    where = f"Varlog topic {row.varlog_topic}"
    if row.storage_node is not None:
        where += f", storage node {row.storage_node}"
    stored = row.end_offset - row.start_offset
    mean = row.append_seconds / row.appends if row.appends else 0.0
    stream = f"{row.log_stream} ({row.stream_status})" if row.stream_status else str(row.log_stream)
    leader = "this node" if row.here else f"node {row.leader}"
    if row.leader_address:
        leader += f" ({row.leader_address})"
    return (
        Cell("State", row.label, row.detail, row.kind),
        Cell("Log stream", stream, where),
        Cell("Leader", leader, f"epoch {row.epoch}" if row.epoch else ""),
        Cell(
            "Offsets",
            f"{words.count(row.start_offset)} to {words.count(row.end_offset)}" if known else "",
            words.counted(stored, "record") if known else "",
        ),
        Cell(
            "Written",
            words.counted(row.records, "record") if row.batches else "",
            f"{words.size(row.bytes)} in all" if row.batches else "",
        ),
        Cell("Append latency", words.latency(mean) if row.appends else "", "mean" if row.appends else ""),
        Cell("Waiting", waiting(row)),
    )


def waiting(row: PartitionView) -> str:
    parts = (
        (row.queued, "queued"),
        (row.in_flight, "in flight"),
        (row.in_doubt, "in doubt"),
    )
    return ", ".join(f"{words.count(number)} {what}" for number, what in parts if number)


def _client(row: ClientRow, *, several: bool) -> tuple[Cell, ...]:
    return (
        Cell("Library", row.library or "it doesn't say"),
        Cell("Address", row.remote, f"listener {row.listener}" if several else ""),
        Cell("Connected", f"{words.duration(max(0.0, time.time() - row.since))} ago"),
        Cell("Requests", words.count(row.requests)),
        Cell("In progress", words.count(row.in_progress) if row.in_progress else ""),
    )


def _api(row: ApiView) -> tuple[Cell, ...]:
    half, most = half_and_most(row.latency)
    return (
        Cell("Number", words.count(row.requests)),
        Cell("Half took", half),
        Cell("99 % took", most),
        Cell("In", words.size(row.bytes_in)),
        Cell("Out", words.size(row.bytes_out)),
        Cell("Errors", words.count(sum(row.errors.values())) if row.errors else "", ", ".join(row.errors)),
    )


def _row(name: str, cells: Iterable[Cell]) -> str:
    head = f'<th role="rowheader" scope="row">{escape(name)}</th>'
    return f'<tr role="row">{head}{"".join(map(_cell, cells))}</tr>'


def _cell(cell: Cell) -> str:
    empty = "" if cell.main or cell.more else ' class="none"'
    badge = f' class="badge {escape(cell.badge)}"' if cell.badge else ""
    return (
        f'<td role="cell" data-label="{escape(cell.label)}"{empty}>'
        f"<div><b{badge}>{escape(cell.main)}</b><small>{escape(cell.more)}</small></div></td>"
    )


def _trouble(trouble: Trouble) -> str:
    kind = "error" if trouble.error else "warning"
    when = clock(trouble.last)
    if trouble.count > 1:
        when = f"{words.count(trouble.count)} times since {clock(trouble.first)}, the last time at {when}"
    return (
        f'<li class="{kind}"><p class="when">{kind.capitalize()}, {escape(when)}</p>'
        f"<p>{escape(trouble.what)}</p><p><b>What to do:</b> {_with_code(trouble.todo)}</p></li>"
    )


def _with_code(text: str) -> str:
    """What stands between backticks is to be typed."""
    return "".join(
        f"<code>{escape(part)}</code>" if index % 2 else escape(part)
        for index, part in enumerate(text.split("`"))
    )
