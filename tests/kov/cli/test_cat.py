"""`kov cat`: ranges of offsets and times, all partitions, formats, and what goes back in again."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.kov.cli.conftest import Program, Said
from tests.kov_process import KovProcess

pytestmark = pytest.mark.slow

START_MS = 1_700_000_000_000


@pytest.fixture
def filled(produce: Callable[..., Said], topic: str) -> str:
    """A topic with the records 0 to 9 in partition 1, a second apart, and 10 to 12 in partition 2."""
    for partition, numbers in ((1, range(10)), (2, range(10, 13))):
        lines = (
            json.dumps({"key": f"k{n}", "value": str(n), "timestamp": START_MS + 1000 * n}) for n in numbers
        )
        assert produce(topic, "-f", "json", "-p", partition, stdin="\n".join(lines)).status == 0
    return topic


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--from", 3, "--to", 6), range(3, 6)),
        (("--last", 2), range(8, 10)),
        (("--last", 0), range(0)),
        (("--from", 3, "-n", 2), range(3, 5)),
        (("--since", START_MS + 6_500), range(7, 10)),
        (("--since", START_MS + 2_000, "--until", START_MS + 4_000), range(2, 4)),
        (("--until", START_MS - 1), range(0)),
        (("--since", START_MS + 10_000), range(0)),
        (("--from", 10), range(0)),
    ],
)
def test_a_range_is_what_was_asked_for(
    cat: Callable[..., Said], filled: str, arguments: tuple[object, ...], expected: range
) -> None:
    said = cat(f"{filled}/1", *arguments)
    assert (said.status, said.err) == (0, "")
    assert said.lines == [str(n) for n in expected]


def test_all_partitions_are_read_each_in_order(cat: Callable[..., Said], filled: str) -> None:
    numbers = [int(line) for line in cat(filled).lines]
    assert [n for n in numbers if n < 10] == list(range(10))
    assert [n for n in numbers if n >= 10] == [10, 11, 12]
    assert len(cat(filled, "--last", 1).lines) == 2


def test_json_goes_back_in_as_it_came(
    cat: Callable[..., Said], produce: Callable[..., Said], filled: str, new_topic: Callable[[], str]
) -> None:
    copy = new_topic()
    shown = cat(filled, "-f", "json").out
    assert produce(copy, "-f", "json", stdin=shown).status == 0

    def contents(text: str) -> list[tuple[str, str, int]]:
        told = [json.loads(line) for line in text.splitlines()]
        return sorted((each["key"], each["value"], each["timestamp"]) for each in told)

    assert contents(cat(copy, "-f", "json").out) == contents(shown)


def test_hex_names_the_place_and_the_bytes(cat: Callable[..., Said], filled: str) -> None:
    assert cat(f"{filled}/1", "--from", 4, "-n", 1, "-f", "hex").lines == [
        f"{filled}/1 offset 4, 2023-11-14 22:13:24.000Z",
        "key: 2 bytes",
        "  00000000  6b 34                                             |k4|",
        "value: 1 byte",
        "  00000000  34                                                |4|",
        "",
    ]


def test_a_terminal_is_told_where_and_when(kov: Program, shared_kov: KovProcess, filled: str) -> None:
    said = kov.on_terminal("cat", f"{filled}/1", "-n", 1, "-b", shared_kov.address)
    assert f"{filled}/1 0" in said
    assert "2023-11-14 22:13:20.000Z" in said
    assert said.endswith("0\r\n")


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_codec_is_written_and_read(
    kov: Program,
    produce: Callable[..., Said],
    cat: Callable[..., Said],
    shared_kov: KovProcess,
    topic: str,
    codec: str,
) -> None:
    text = "the same again\n" * 100
    assert produce(topic, "-z", codec, "-p", 0, stdin=text).status == 0
    assert cat(topic).out == text
    told = json.loads(kov("inspect", "--data", shared_kov.data, f"{topic}/0", "--json").out)
    assert {each["codec"] for each in told["entries"] if each["what"] == "batch"} == {codec}
