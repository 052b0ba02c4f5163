"""A Varlog topic is removed although the admin server was slow to answer."""

from __future__ import annotations

from typing import cast

import pytest

from kov.catalog import making
from kov.catalog.making import remove_topic
from varlog_client import Admin, TopicId
from varlog_client.errors import FailedPrecondition, NotFound, Unavailable, VarlogError

TOPIC = TopicId(7)


class SlowAdmin:
    """Answers removals with `answers`, one after the other; None is success."""

    def __init__(self, *answers: VarlogError | None) -> None:
        self.answers = list(answers)

    async def unregister_topic(self, topic_id: TopicId) -> None:
        assert topic_id == TOPIC
        if (answer := self.answers.pop(0)) is not None:
            raise answer


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "_REMOVE_PAUSE_S", 0.0)


@pytest.mark.parametrize("then", [None, NotFound("no such topic")])
async def test_a_removal_that_was_not_answered_is_tried_again(
    then: VarlogError | None, caplog: pytest.LogCaptureFixture
) -> None:
    """It may have been done all the same."""
    admin = SlowAdmin(Unavailable("too slow"), Unavailable("too slow"), then)
    assert await remove_topic(cast("Admin", admin), TOPIC)
    assert not admin.answers
    assert not caplog.records


@pytest.mark.parametrize(
    ("answers", "said"),
    [([Unavailable("away")] * 3, "away"), ([FailedPrecondition("it is used")], "it is used")],
)
async def test_what_can_not_be_removed_is_said_with_the_command_that_does(
    answers: list[VarlogError], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    admin = SlowAdmin(*answers)
    assert not await remove_topic(cast("Admin", admin), TOPIC)
    assert not admin.answers
    assert [record.message for record in caplog.records] == [
        f"Varlog topic 7 belongs to nothing and could not be removed: {said}; "
        "`kov topics --orphans --remove` does it later"
    ]
