"""What no single value can tell: rules over the whole mapping file."""

from __future__ import annotations

from collections.abc import Iterator

from kov.config.problems import Problem, render_path
from kov.config.schema import File, ListenerSection
from kov.config.yaml_file import Path
from kov.topics import invalid_name


def broken_rules(file: File) -> list[Problem]:
    return [
        *_nothing_to_serve(file),
        *_topic_names(file),
        *_log_streams_used_twice(file),
        *_nodes(file),
        *_creation(file),
    ]


def _nothing_to_serve(file: File) -> Iterator[Problem]:
    if not file.topics and file.catalog is None:
        yield Problem(
            ("topics",),
            "no topic is mapped and there is no catalog, so nothing could be produced to; "
            "write for example topics: {orders: {topic_id: 1, partitions: [1, 2]}}",
        )


def _topic_names(file: File) -> Iterator[Problem]:
    for name in file.topics:
        if reason := invalid_name(name):
            yield Problem(("topics", name), f"{reason}; give the topic another name")


def _log_streams_used_twice(file: File) -> Iterator[Problem]:
    users: dict[int, Path] = {}
    if file.catalog is not None:
        users[file.catalog.log_stream] = ("catalog", "log_stream")
    for name, topic in file.topics.items():
        for index, log_stream in enumerate(topic.partitions):
            path: Path = ("topics", name, "partitions", index)
            first = users.setdefault(log_stream, path)
            if first != path:
                yield Problem(
                    path,
                    f"log stream {log_stream} already serves {render_path(first)}; "
                    "a log stream serves at most one partition: write another one",
                )


def _nodes(file: File) -> Iterator[Problem]:
    if not file.nodes:
        return
    if file.node.id not in file.nodes:
        known = ", ".join(str(number) for number in sorted(file.nodes))
        yield Problem(
            ("node", "id"), f"node {file.node.id} is not in nodes; write one of {known}, or add it to nodes"
        )
    yield from _listener_names(file)
    for number, node in file.nodes.items():
        binds: dict[str, str] = {}
        for name, listener in node.listeners.items():
            path: Path = ("nodes", number, "listeners", name)
            yield from _listener(path, listener)
            other = binds.setdefault(str(listener.bind), name)
            if other != name:
                yield Problem(
                    (*path, "bind"),
                    f"{listener.bind} is already listener {other}'s address; write another port",
                )


def _listener_names(file: File) -> Iterator[Problem]:
    numbers = iter(file.nodes)
    first = next(numbers)
    expected = set(file.nodes[first].listeners)
    for number in numbers:
        names = set(file.nodes[number].listeners)
        path: Path = ("nodes", number, "listeners")
        if missing := sorted(expected - names):
            yield Problem(
                path,
                f"listener {', '.join(missing)} of node {first} is missing; "
                "every node has the same listener names: "
                f"add it here or remove it from node {first}",
            )
        if extra := sorted(names - expected):
            yield Problem(
                path,
                f"node {first} has no listener {', '.join(extra)}; every node has the same listener names: "
                f"remove it here or add it to node {first}",
            )


def _listener(path: Path, listener: ListenerSection) -> Iterator[Problem]:
    if listener.bind.port == 0:
        yield Problem(
            (*path, "bind"), f"{listener.bind}: port 0 is no fixed port; write a port from 1 to 65535"
        )
    advertised = listener.advertise
    if advertised is None and listener.bind.unspecified:
        yield Problem(
            (*path, "advertise"),
            f"is missing, and clients can't connect to {listener.bind.host}; "
            f"write the name by which they reach this node, for example kov-1.example:{listener.bind.port}",
        )
    elif advertised is not None and (advertised.unspecified or advertised.port == 0):
        yield Problem(
            (*path, "advertise"),
            f"clients can't connect to {advertised}; write the name and port by which they reach this node, "
            "for example kov-1.example:9092",
        )


def _creation(file: File) -> Iterator[Problem]:
    if file.auto_create.enabled and file.catalog is None:
        yield Problem(
            ("auto_create", "enabled"),
            "topics made at run time are kept in a catalog, and there is none; "
            "add for example catalog: {topic_id: 9, log_stream: 90}, or write enabled: false",
        )
    if file.varlog.admin is None:
        if file.auto_create.enabled:
            yield Problem(
                ("varlog", "admin"),
                "is missing, and auto_create needs it; add for example admin: 10.0.0.1:9093, "
                "or write auto_create: {enabled: false}",
            )
        if file.varlog.unseal:
            yield Problem(
                ("varlog", "unseal"),
                "unsealing is done through the admin server; add for example admin: 10.0.0.1:9093, "
                "or write unseal: false",
            )
