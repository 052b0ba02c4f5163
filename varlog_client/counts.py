"""How often streams were opened and the metadata read, and how that ended."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class LogCounts:
    """Since the `Log` was opened; `Log.counts` are live, so read and don't change them.

    `appender_ends`: by the name of the error's type, `AppenderClosed` for those that were closed.
    `refreshed_at`: when the metadata was last read, in the event loop's time.
    """

    appenders: int = 0
    appender_ends: dict[str, int] = field(default_factory=dict)
    subscribers: int = 0
    refreshes: int = 0
    failed_refreshes: int = 0
    refreshed_at: float = 0.0

    def appender_ended(self, error: BaseException | None) -> None:
        name = type(error).__name__
        self.appender_ends[name] = self.appender_ends.get(name, 0) + 1
