"""The page as it is before any script runs: complete, if without rates. Everything put in is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from string import Template

from kov.observe.status import rows, words
from kov.observe.status.asking import Ask
from kov.observe.status.views import ClientsView, PartitionsView, Status

_SHOWN = {
    "all": "all partitions",
    "opened": "opened ones",
    "trouble": "those with trouble",
    "unopened": "those not opened",
}


def page(template: Template, status: Status, ask: Ask, missing: Sequence[str]) -> str:
    """`missing`: what keeps the node from being ready, in sentences."""
    clients, partitions = status.clients, status.partitions
    return template.substitute(
        title=escape(f"kov node {status.node.node_id}"),
        node=escape(f"node {status.node.node_id}"),
        headline=escape(status.headline),
        headline_kind="well" if status.well else "waiting",
        updated=escape(f"as of {rows.clock(status.node.started + status.node.uptime_s)}"),
        told=escape(". ".join(f"Not ready: {each}" for each in missing)),
        **_tiles(status),
        topic=escape(ask.topic),
        show=_options(ask.show),
        show_value=escape(ask.show),
        client=escape(ask.client),
        count_partitions=escape(partition_count(partitions)),
        partitions=rows.partition_rows(partitions.rows),
        pager_partitions_hidden="" if partitions.pages > 1 else " hidden",
        pager_partitions=_pager(
            partitions.page, partitions.pages, [ask.query(page=each) for each in _around(partitions.page)]
        ),
        count_clients=escape(client_count(clients)),
        clients=rows.client_rows(clients.rows, several_listeners=len(status.node.listeners) > 1),
        pager_clients_hidden="" if clients.pages > 1 else " hidden",
        pager_clients=_pager(
            clients.page, clients.pages, [ask.query(client_page=each) for each in _around(clients.page)]
        ),
        count_apis=escape(_api_count(status)),
        apis=rows.api_rows(status.apis),
        count_troubles=escape(_trouble_count(status)),
        troubles=rows.trouble_items(status.troubles),
        about=_about(status),
    )


def partition_count(view: PartitionsView) -> str:
    if not view.total:
        return "There are no topics yet."
    where = f"{words.counted(view.total, 'partition')} in {words.counted(view.topics, 'topic')}"
    states = ", ".join(f"{words.count(number)} {label}" for label, number in view.states.items())
    if view.matching == view.total:
        return f"{where}: {states}."
    return f"{words.count(view.matching)} of {where} shown. All: {states}."


def client_count(view: ClientsView) -> str:
    if not view.total:
        return "No client is connected."
    if view.matching == view.total:
        return f"{words.counted(view.total, 'connection')}."
    return f"{words.count(view.matching)} of {words.counted(view.total, 'connection')}."


def _tiles(status: Status) -> dict[str, str]:
    writing, partitions = status.writing, status.partitions
    half, most = rows.half_and_most(writing.latency)
    opened = partitions.states.get("written here", 0)
    return {
        "tile_records": escape(words.count(writing.records)),
        "tile_bytes": escape(words.size(writing.bytes)),
        "tile_latency": escape(most or "-"),
        "tile_latency_more": escape(f"for 99 %, half {half}" if half else "nothing was written yet"),
        "tile_partitions": escape(words.count(partitions.total)),
        "tile_partitions_more": escape(f"{words.count(opened)} written here"),
        "tile_clients": escape(words.count(status.clients.total)),
        "tile_clients_more": escape("connections"),
    }


def _options(chosen: str) -> str:
    return "".join(
        f'<option value="{value}"{" selected" if value == chosen else ""}>{escape(text)}</option>'
        for value, text in _SHOWN.items()
    )


def _around(number: int) -> tuple[int, int]:
    return max(1, number - 1), number + 1


def _pager(number: int, last: int, queries: Sequence[str]) -> str:
    before = f' href="{escape(queries[0])}"' if number > 1 else ""
    after = f' href="{escape(queries[1])}"' if number < last else ""
    return (
        f'<a rel="prev"{before}>Previous</a> <span>Page {words.count(number)} of {words.count(last)}</span> '
        f'<a rel="next"{after}>Next</a>'
    )


def _api_count(status: Status) -> str:
    if not status.apis:
        return "No request came yet."
    return "Since kov's start; from a request's arrival to its answer, its turn behind others included."


def _trouble_count(status: Status) -> str:
    if not status.troubles:
        return "No warnings and no errors since kov's start."
    return "The newest warnings and errors since kov's start; kov's log has all of them."


def about(status: Status) -> list[tuple[str, list[str]]]:
    """What is told of the node itself: always the same names, with one line or more for each."""
    node, storage = status.node, status.storage
    cluster = "its own store on this machine" if storage.embedded else f"cluster {storage.cluster_id}"
    return [
        ("kov", [f"{node.version}, node {node.node_id}"]),
        ("Running for", [words.duration(node.uptime_s)]),
        ("Kafka cluster id", [node.kafka_cluster_id or "not known yet"]),
        ("Listeners", [f"{each.name}: {each.advertise}" for each in node.listeners]),
        ("Other nodes", list(node.others) or ["none"]),
        ("Topics from", [node.source]),
        ("Varlog", [cluster, *(f"metadata repository {each}" for each in storage.metadata_repositories)]),
        ("Storage nodes", [f"{number}: {address}" for number, address in storage.nodes.items()] or ["none"]),
    ]


def _about(status: Status) -> str:
    return "\n".join(f"<dt>{escape(name)}</dt><dd>{_lines(values)}</dd>" for name, values in about(status))


def _lines(values: Iterable[str]) -> str:
    return "<br>".join(escape(each) for each in values)
