"""Which offsets of each partition are meant: from where, and up to where. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kov.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """What a partition holds: offsets of [`first`, `end`).

    `since` and `until` are the offsets of the first record at or after the times that were asked for, `end`
    where there is none.
    """

    first: int
    end: int
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """As the command line says it: offsets [`first`, `end`), times [`since_ms`, `until_ms`), the `last` ones.

    With `follow` there is no end.
    """

    first: int | None = None
    end: int | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    last: int | None = None
    follow: bool = False

    def check(self) -> None:
        """Raises ConfigError for what doesn't go together."""
        beginnings = {"--from": self.first, "--since": self.since_ms, "--last": self.last}
        endings = {"--to": self.end, "--until": self.until_ms, "--follow": self.follow or None}
        for options in (beginnings, endings):
            given = [name for name, value in options.items() if value is not None]
            if len(given) > 1:
                raise ConfigError(f"{' and '.join(given)} don't go together; give one of them")
        if self.first is not None and self.end is not None and self.end < self.first:
            raise ConfigError(f"--to {self.end} lies before --from {self.first}")
        if self.since_ms is not None and self.until_ms is not None and self.until_ms < self.since_ms:
            raise ConfigError("--until lies before --since")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Offsets [`begin`, `end`); without `end`, all that will ever come."""

    begin: int
    end: int | None


def spans(wanted: Wanted, extents: Mapping[int, Extent]) -> dict[int, Span]:
    """By partition, without those of which nothing is meant."""
    found = {index: _span(wanted, extent) for index, extent in extents.items()}
    return {index: span for index, span in found.items() if span.end is None or span.begin < span.end}


def _span(wanted: Wanted, extent: Extent) -> Span:
    begin = extent.first
    if wanted.first is not None:
        begin = wanted.first
    elif extent.since is not None:
        begin = extent.since
    elif wanted.last is not None:
        begin = extent.end - wanted.last
    begin = min(max(begin, extent.first), extent.end)
    if wanted.follow:
        return Span(begin=begin, end=None)
    end = extent.end
    if wanted.end is not None:
        end = min(wanted.end, end)
    elif extent.until is not None:
        end = extent.until
    return Span(begin=begin, end=end)
