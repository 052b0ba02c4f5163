"""Apache Kafka's own Java producer: a small program around it, built by Maven and run once per scenario."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
from asyncio.subprocess import PIPE
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.clients.records import Delivery, Record
from tests.clients.scenario import CLIENT_LIMIT_BYTES, Scenario

_PROJECT = Path(__file__).with_name("producer")
BUILD_S = 600.0
_RUN_S = 60.0


class JavaFailure(Exception):
    """What the Java producer threw: the exception's simple name and its message."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name


class JavaProducer:
    def __init__(self, class_path: str) -> None:
        self._class_path = class_path

    @classmethod
    def build(cls, directory: Path) -> JavaProducer:
        """Compiles a copy of the project in `directory`; Maven fetches the libraries it hasn't got."""
        for program in ("java", "mvn"):
            assert shutil.which(program), f"{program} is not on PATH: these tests need a JDK and Maven"
        project = Path(shutil.copytree(_PROJECT, directory / "producer"))
        command = ("mvn", "--batch-mode", "--quiet", "process-classes")
        built = subprocess.run(
            command, cwd=project, check=False, capture_output=True, text=True, timeout=BUILD_S
        )
        assert built.returncode == 0, f"Maven failed:\n{built.stdout}\n{built.stderr}"
        return cls(f"{project}/target/classes:{project}/target/lib/*")

    async def produce(
        self, bootstrap: str, topic: str, records: Sequence[Record], scenario: Scenario
    ) -> list[Delivery | None]:
        """A driver like those of the Python libraries. Raises JavaFailure."""
        told = await self.run(
            topic,
            records,
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": str(scenario.idempotent).lower(),
                "acks": scenario.acks,
                "compression.type": scenario.codec,
                "max.request.size": str(CLIENT_LIMIT_BYTES),
            },
        )
        return told if scenario.acks != "0" else [None] * len(told)

    async def run(
        self, topic: str, records: Sequence[Record], properties: Mapping[str, str]
    ) -> list[Delivery | None]:
        """Runs the program with the producer's own `properties`. Raises JavaFailure."""
        arguments = [f"{name}={value}" for name, value in properties.items()]
        command = ("java", "-XX:TieredStopAtLevel=1", "-cp", self._class_path, "kov.Produce", topic)
        process = await asyncio.create_subprocess_exec(
            *command, *arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        try:
            async with asyncio.timeout(_RUN_S):
                out, err = await process.communicate("".join(map(_line, records)).encode())
        except BaseException:
            process.kill()
            await process.wait()
            raise
        answers = [json.loads(line) for line in out.splitlines()]
        if process.returncode != 0:
            assert answers, f"the program ended with status {process.returncode}:\n{err.decode()}"
            raise JavaFailure(answers[-1]["error"], answers[-1]["message"])
        return [Delivery(each["partition"], each["offset"]) for each in answers]


def _line(record: Record) -> str:
    contents = record.contents
    headers = [text for name, value in contents.headers for text in (name, _encoded(value))]
    partition = "-" if record.partition is None else str(record.partition)
    fields = (
        partition,
        str(contents.timestamp_ms),
        _encoded(contents.key),
        _encoded(contents.value),
        *headers,
    )
    return "\t".join(fields) + "\n"


def _encoded(value: bytes | None) -> str:
    return "-" if value is None else "=" + base64.b64encode(value).decode()
