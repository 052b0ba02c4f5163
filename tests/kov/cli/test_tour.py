"""One turn through the commands, each a process: what one of them writes the others show."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.kov.cli.conftest import Program, Said
from tests.kov_process import KovProcess


def test_what_is_produced_is_listed_inspected_and_read(
    kov: Program, produce: Callable[..., Said], cat: Callable[..., Said], shared_kov: KovProcess, topic: str
) -> None:
    sent = produce(topic, "-K", ":", "-H", "source=test", "-z", "zstd", "-p", 1, stdin="a:1\nb:2\nc\n")
    assert sent == Said(0, "", "")

    assert cat(topic, "-K", "=", "--null", "~").lines == ["a=1", "b=2", "~=c"]

    listed = kov("topics", "--data", shared_kov.data, "--topic", topic)
    assert listed.status == 0, listed.err
    head, *rows, summary = listed.lines
    assert head.split() == [
        *("topic", "partition", "leader", "epoch", "start", "end", "size", "state", "log", "stream")
    ]
    assert [row.split()[:6] for row in rows] == [
        [topic, "0", "-", "0", "0", "0"],
        [topic, "1", "1", "1", "0", "3"],
        [topic, "2", "-", "0", "0", "0"],
        [topic, "3", "-", "0", "0", "0"],
    ]
    assert {row.split()[-2] for row in rows} == {"running"}
    assert summary == "1 topic, 4 partitions, 3 records"

    inspected = kov("inspect", "--data", shared_kov.data, f"{topic}/1", "--json", "--producers")
    assert inspected.status == 0, inspected.err
    told = json.loads(inspected.out)
    fence, batch = told["entries"]
    assert (fence["what"], fence["epoch"], fence["node"]) == ("fence", 1, 1)
    assert (batch["what"], batch["base_offset"], batch["records"], batch["codec"]) == ("batch", 0, 3, "zstd")
    assert (told["state"]["epoch"], told["state"]["next_offset"]) == (1, 3)
    (producer,) = told["state"]["producers"]
    assert producer["producer_id"] == batch["producer_id"]
    assert producer["last_sequence"] == 2


def test_the_shell_completes_commands(kov: Program) -> None:
    completed = kov(_KOV_COMPLETE="complete_bash", COMP_WORDS="kov in", COMP_CWORD="1")
    assert completed.lines == ["inspect"]
