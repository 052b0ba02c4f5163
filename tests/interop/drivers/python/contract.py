"""Reads tasks from standard input and answers them, one line of JSON each: see ../../driver.py."""

from __future__ import annotations

import base64
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

Task = Mapping[str, Any]
Tasks = dict[str, Callable[[Task], Any]]


def serve(library: str, tasks: Tasks, code_of: Callable[[BaseException], int | None]) -> None:
    """Until standard input ends. `code_of` finds Kafka's code in an error of the library."""
    runtime = f"Python {platform.python_version()}"
    tasks.setdefault("about", lambda _: {"library": library, "version": version(library), "runtime": runtime})
    # What the library prints would be taken for an answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        task = json.loads(line)
        try:
            answer = {"ok": tasks[task["do"]](task) or {}}
        except Exception as error:  # whatever the library raises is its answer
            answer = {"error": failure(error, code_of)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    os._exit(0)


def failure(error: BaseException, code_of: Callable[[BaseException], int | None]) -> dict[str, Any]:
    return {"name": type(error).__name__, "code": code_of(error), "message": str(error)}


def data(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


def text(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def headers(record: Mapping[str, Any]) -> list[tuple[str, bytes | None]]:
    return [(name, data(value)) for name, value in record["headers"]]


def wanted(task: Task) -> dict[int, tuple[int, int]]:
    """Partition: from and to which offset it is read."""
    return {int(each): (since, task["to"][each]) for each, since in task["from"].items()}


def stored(partition: int, offset: int, timestamp: int, key: Any, value: Any, headers: Any) -> dict[str, Any]:
    return {
        "partition": partition,
        "offset": offset,
        "timestamp": timestamp,
        "key": text(key),
        "value": text(value),
        "headers": [[name, text(value)] for name, value in headers or ()],
    }
