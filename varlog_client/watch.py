"""Watch: notices when the oldest of several things waits for too long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_LAG_S = 0.1  # a timer later than that was held up, and so were the answers
_MAX_GRACE_S = 1.0


class Watch:
    """Calls `expire` once, when what waits since `oldest()` does so for `timeout_s`; None: never.

    Time in which the event loop stood still does not count: what is answered by then gets its chance.
    """

    def __init__(
        self, timeout_s: float | None, oldest: Callable[[], float | None], expire: Callable[[], None]
    ) -> None:
        self._timeout_s = timeout_s
        self._oldest = oldest
        self._expire = expire
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    def begin(self) -> None:
        """Something waits now; to be called each time."""
        if self._timer is None and self._timeout_s is not None:
            self._look_at(self._loop.time() + self._timeout_s)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look_at(self, when: float) -> None:
        self._timer_at = when
        self._timer = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        self._timer = None
        since = self._oldest()
        if since is None or self._timeout_s is None:
            return
        now = self._loop.time()
        late = now - self._timer_at
        if since + self._timeout_s > now:
            self._look_at(since + self._timeout_s)
        elif late > _LAG_S:  # who held up this timer held up the answers, too
            self._look_at(now + min(late, _MAX_GRACE_S))
        else:
            self._expire()
