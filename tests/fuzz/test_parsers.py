"""Parsers of strangers' bytes raise nothing they shouldn't: a fixed short set, and a while under atheris."""

from __future__ import annotations

import random
import secrets
from pathlib import Path

import pytest

from tests.fuzz import guided
from tests.fuzz.parsers import PARSERS

_MUTANTS = 400
_GUIDED_S = 5.0


@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_takes_good_and_broken_bytes(name: str) -> None:
    parser, rng = PARSERS[name], random.Random(name)
    seeds = parser.seeds()
    for data in (b"", *seeds):
        parser.run(data)
    for _ in range(_MUTANTS):
        parser.run(_broken(rng.choice(seeds), rng))


def _broken(data: bytes, rng: random.Random) -> bytes:
    copy = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        copy[rng.randrange(len(copy))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return bytes(copy[: rng.randrange(len(copy) + 1)] if rng.random() < 0.2 else copy)


@pytest.mark.slow
@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_under_atheris(name: str, tmp_path: Path) -> None:
    seed = secrets.randbits(31)
    done = guided.run(name, tmp_path, _GUIDED_S, seed)
    assert done.found is None, f"seed {seed}, bytes {done.found.hex()}: {done.said}"
    assert done.runs > len(PARSERS[name].seeds())


@pytest.mark.slow
def test_what_a_parser_raises_is_found(tmp_path: Path) -> None:
    done = guided.run("no such parser", tmp_path, 1, 1)
    assert done.found is not None
    assert "KeyError" in done.said
