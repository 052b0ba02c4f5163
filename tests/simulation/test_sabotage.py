"""The simulation can fail: with a rule of the design taken out, it finds what that rule prevents."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kov.partition import backlog
from kov.partition.admission import Admission
from kov.partition.fold import Fold
from kov.partition.opening import Opening
from kov.partition.pending import PendingBatch, not_stored
from kov.partition.producers import Accept
from tests.simulation.loop import run
from tests.simulation.many import innermost
from tests.simulation.sabotage import no_llsn_check, one_id_for_all_attempts
from tests.simulation.scenario import simulate

SEEDS = 300


def no_deposition(patch: pytest.MonkeyPatch) -> None:
    """Takes any fence that raised the epoch for its own."""
    patch.setattr(Opening, "_deposed", lambda self: None)

    async def careless(self: Opening, appender: object, entry: object) -> bool:
        await fence(self, appender, entry)  # type: ignore[arg-type]
        return True

    fence = Opening._fence
    patch.setattr(Opening, "_fence", careless)


def doubt_is_loss(patch: pytest.MonkeyPatch) -> None:
    """Appends what was in doubt again without looking whether it was stored."""
    patch.setattr(Fold, "end_of", lambda self, epoch: -1)


def no_idempotence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Admission, "judge", lambda self, producers, header: Accept())


def overtaking(patch: pytest.MonkeyPatch) -> None:
    """Drops a batch without its producer's later ones."""

    def careless(self: Admission, batch: PendingBatch, now: float) -> None:
        self.settle(batch)

    patch.setattr(Admission, "drop", careless)


def expiry_is_certain(patch: pytest.MonkeyPatch) -> None:
    """Says "certainly not stored" of what is in flight."""
    patch.setattr(backlog, "in_doubt", lambda: not_stored("sabotage"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "sabotage",
    [
        no_llsn_check,
        one_id_for_all_attempts,
        no_deposition,
        doubt_is_loss,
        no_idempotence,
        overtaking,
        expiry_is_certain,
    ],
)
def test_a_missing_rule_is_found_out(
    sabotage: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    sabotage(monkeypatch)
    for seed in range(SEEDS):
        try:
            run(seed, simulate(seed))
        except Exception as error:
            if not isinstance(innermost(error), AssertionError):
                raise
            return
    pytest.fail(f"{SEEDS} schedules passed without it")
