"""The table's rows about batches, over a real socket: code, texts, nothing stored, neighbours unaffected."""

from __future__ import annotations

import pytest
from kio.schema.errors import ErrorCode

from tests.kov.kafka_table.reading import Part, ends, parts
from tests.kov.kafka_table.rows import ROWS, Row
from tests.kov.kafka_table.side import Side

pytestmark = pytest.mark.asyncio(loop_scope="module")


CASES = [pytest.param(row, version, id=f"{row.id}, v{version}") for row in ROWS for version in row.only]


@pytest.mark.parametrize(("row", "version"), CASES)
async def test_row(kov: Side, row: Row, version: int) -> None:
    places = (("plain", 0), ("plain", 1), (row.topic, row.index))
    before = await ends(kov, places)
    answered = parts(kov, await kov.ask(row.request(kov, version)))
    after = await ends(kov, places)

    answer = answered[row.topic, row.index]
    assert answer.error_code is row.code
    if row.code is ErrorCode.none:
        assert answer.base_offset == before[2] < after[2]
        assert (answer.error_message, answer.bad_records or []) == (None, [])
    else:
        check_refusal(row, version, answer)
        assert after[2] == before[2]
    check_neighbours(row, [answered["plain", 0], answered["plain", 1]], before, after)


def check_refusal(row: Row, version: int, answer: Part) -> None:
    assert (answer.base_offset, answer.log_append_time) == (-1, None)
    if version >= 8:
        assert answer.error_message
        assert answer.bad_records == list(row.bad_records)


def check_neighbours(row: Row, answers: list[Part], before: list[int], after: list[int]) -> None:
    if not row.spares_others:
        assert all(each.error_code is not ErrorCode.none for each in answers)
        assert after[:2] == before[:2]
    else:
        assert [(each.error_code, each.base_offset) for each in answers] == [
            (ErrorCode.none, offset) for offset in before[:2]
        ]
        assert after[:2] == [before[0] + 3, before[1] + 3]
