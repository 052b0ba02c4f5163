"""The driver of kcat: each task is a run of the program."""

from __future__ import annotations

import json
import re
import subprocess
from itertools import groupby
from typing import Any

from contract import Task, Tasks, data, failure, serve, stored, wanted

_WAIT_S = 40.0
_TOLD_NOTHING = {"partition": -1, "offset": -1}
_RECORD, _KEY = b"\x1e", b"\x1f"
_CODES = {
    "Message size too large": 10,
    "Invalid topic": 17,
    "Invalid required acks": 21,
    "Group authorization failed": 30,
    "Transactional Id authorization failed": 53,
}
_FAILED = ("Delivery failed", "Failed to produce", "Consumer error")  # a lost connection is an ERROR too
_OFFSET = re.compile(r"\[(\d+)\] offset (-?\d+)")
_settings: dict[str, Any] = {}


class KcatError(Exception):
    """What kcat said before it gave up."""


def code_of(error: BaseException) -> int | None:
    """It prints librdkafka's text, not the code."""
    return next((code for words, code in _CODES.items() if words in str(error)), None)


def _kcat(task: Any, *arguments: str, given: bytes = b"") -> str:
    """What one run of it prints."""
    command = ["kcat", "-b", task["bootstrap"], "-m", "30", *arguments]
    done = subprocess.run(command, input=given, capture_output=True, check=False, timeout=_WAIT_S)
    said = done.stderr.decode()
    if done.returncode or any(words in said for words in _FAILED):
        raise KcatError(said)
    return done.stdout.decode()


def about(_: Task) -> Any:
    said = subprocess.run(["kcat", "-V"], capture_output=True, text=True, check=True).stdout
    kcat, librdkafka = re.findall(r"Version (\S+)|librdkafka (\S+)", said)
    return {"library": "kcat", "version": kcat[0], "runtime": f"librdkafka {librdkafka[1]}"}


def open_producer(task: Task) -> None:
    """A producer lives for one run: it is only noted how it is to be."""
    _settings.clear()
    _settings.update(task)


def _properties() -> list[str]:
    properties = {
        "enable.idempotence": str(_settings["idempotent"]).lower(),
        "topic.request.required.acks": _settings["acks"],
        "compression.type": _settings["codec"],
        "linger.ms": _settings["linger_ms"],
        "batch.size": _settings["batch_bytes"],
        "message.max.bytes": _settings["request_bytes"],
        "topic.delivery.timeout.ms": _settings["timeout_ms"],
        "reconnect.backoff.max.ms": 500,
    }
    return [word for name, value in properties.items() for word in ("-X", f"{name}={value}")]


def send(task: Task) -> Any:
    """Lost brokers don't end a run: it tries again, as any producer does."""
    places = sorted(range(len(task["records"])), key=lambda each: task["records"][each]["partition"] or 0)
    told: list[Any] = [_TOLD_NOTHING] * len(places)
    for partition, numbers in groupby(places, key=lambda each: task["records"][each]["partition"] or 0):
        members = list(numbers)
        given = _RECORD.join(_line(task["records"][each]) for each in members)
        delimiters = ("-D", _RECORD.decode(), "-K", _KEY.decode())
        try:
            _kcat(
                _settings, "-P", "-E", "-t", task["topic"], "-p", str(partition), *delimiters, *_properties(),
                given=given,
            )  # fmt: skip
        except (KcatError, subprocess.TimeoutExpired) as error:
            for each in members:
                told[each] = {"error": failure(error, code_of)}
    return {"told": told}


def _line(record: Any) -> bytes:
    key, value = data(record["key"]), data(record["value"]) or b""
    return value if key is None else key + _KEY + value


def close(_: Task) -> None:
    """Nothing is open."""


def read(task: Task) -> Any:
    found = []
    for partition, (since, end) in wanted(task).items():
        place = ("-t", task["topic"], "-p", str(partition), "-o", str(since), "-c", str(end - since))
        for line in _kcat(task, "-C", "-J", *place).splitlines():
            said = json.loads(line)
            key, value = (None if said[name] is None else said[name].encode() for name in ("key", "payload"))
            headers = said.get("headers", [])
            pairs = list(zip(headers[::2], map(str.encode, headers[1::2]), strict=True))
            found.append(stored(said["partition"], said["offset"], said["ts"], key, value, pairs))
    return {"records": found}


def transact(task: Task) -> None:
    _kcat(task, "-P", "-t", task["topic"], "-X", "transactional.id=transaction", given=b"x")


def join(task: Task) -> None:
    _kcat(task, "-G", "group", task["topic"])


def _metadata(task: Task, *arguments: str) -> Any:
    return json.loads(_kcat(task, "-L", "-J", *arguments))


def describe(task: Task) -> Any:
    (topic,) = _metadata(task, "-t", task["topic"])["topics"]
    return {"partitions": len(topic["partitions"])}


def topics(task: Task) -> Any:
    return {"names": [each["topic"] for each in _metadata(task)["topics"]]}


def offsets(task: Task) -> Any:
    asked = [f"{task['topic']}:{each}:{task['at']}" for each in range(task["partitions"])]
    said = _kcat(task, "-Q", *[word for each in asked for word in ("-t", each)])
    return {"offsets": {int(partition): int(offset) for partition, offset in _OFFSET.findall(said)}}


def cluster(task: Task) -> Any:
    return {"cluster_id": None, "nodes": len(_metadata(task)["brokers"])}


TASKS: Tasks = {
    "open": open_producer,
    **{
        each.__name__: each
        for each in (about, send, close, read, transact, join, describe, topics, offsets, cluster)
    },
}

if __name__ == "__main__":
    serve("kcat", TASKS, code_of)
