"""What can go wrong, in three families, and the one table between Varlog's errors and Kafka's codes.

`ProtocolError`: the peer broke the framing or asked for something that Kafka answers by hanging up.
`KafkaError`: an answer with a code. Anything else is a defect of ours: it is logged with its traceback
and answered with `unknown_server_error`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from kio.schema.errors import ErrorCode

from varlog_client import errors as varlog


class ProtocolError(Exception):
    """The connection can't go on: it is closed without an answer, as Kafka does."""


class ConfigError(Exception):
    """The configuration or the command line can't be used; the text says where and what to write."""


class CannotStart(ConfigError):
    """The configuration is fine, the world isn't: a port or directory is taken, a cluster not reachable."""


class KafkaError(Exception):
    """An answer to one request or to one of its parts."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __repr__(self) -> str:
        return f"KafkaError({self.code.name}, {self.message!r})"

    def bare(self) -> Self:
        """Itself without where it was raised and why: for an error that is kept.

        The frames of its traceback would keep all that was at hand there, whole requests too; and where one
        of them leads back to the error, until the garbage collector comes, which is seldom.
        """
        self.__traceback__ = self.__cause__ = self.__context__ = None
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """Where a partition's writer can be found: the hint of KIP-951 beside code 6.

    `addresses`: listener name to the advertised "host:port".
    """

    node_id: int
    epoch: int
    addresses: Mapping[str, str]

    def address(self, listener: str) -> tuple[str, int] | None:
        """Host and port for clients of `listener`; None where the writer named none."""
        host, _, port = self.addresses.get(listener, "").rpartition(":")
        return (host.strip("[]"), int(port)) if host and port.isdigit() else None


class NotLeader(KafkaError):
    """Another node writes this partition; `leader` is None where its address is not known."""

    def __init__(self, message: str, leader: Leader | None) -> None:
        super().__init__(ErrorCode.not_leader_or_follower, message)
        self.leader = leader


class FencedEpoch(KafkaError):
    """The client knows an older leader epoch than that of `leader`."""

    def __init__(self, message: str, leader: Leader) -> None:
        super().__init__(ErrorCode.fenced_leader_epoch, message)
        self.leader = leader


@dataclass(frozen=True, slots=True)
class BadRecord:
    """Why the record at `index` of a batch makes Kafka refuse the batch (KIP-467)."""

    index: int
    message: str


class RecordsRefused(KafkaError):
    """A batch that is refused because of single records; `bad` names them, or the first of very many."""

    def __init__(self, code: ErrorCode, message: str, bad: tuple[BadRecord, ...]) -> None:
        super().__init__(code, message)
        self.bad = bad


# Clients retry 3, 5, 6, 7, 19, 20 and 56 and nothing else in common, so only these say "try again".
# Reading: 56 makes every client ask again. An append's outcome that could not be found out is 7.
_CODES: Final[dict[type[varlog.VarlogError], ErrorCode]] = {
    varlog.VarlogError: ErrorCode.kafka_storage_error,
    varlog.Closed: ErrorCode.kafka_storage_error,
    varlog.NoRoom: ErrorCode.kafka_storage_error,
    varlog.NotFound: ErrorCode.kafka_storage_error,
    varlog.AlreadyExists: ErrorCode.kafka_storage_error,
    varlog.FailedPrecondition: ErrorCode.kafka_storage_error,
    varlog.InvalidArgument: ErrorCode.kafka_storage_error,
    varlog.Unavailable: ErrorCode.kafka_storage_error,
    varlog.Internal: ErrorCode.kafka_storage_error,
    varlog.Trimmed: ErrorCode.kafka_storage_error,  # trimmed while it was read: the next try knows
    varlog.Corrupt: ErrorCode.kafka_storage_error,
    varlog.AppendError: ErrorCode.request_timed_out,
    varlog.AppendRefused: ErrorCode.kafka_storage_error,
    varlog.Sealed: ErrorCode.kafka_storage_error,
    varlog.NotPrimary: ErrorCode.kafka_storage_error,
    varlog.NoSuchLogStream: ErrorCode.kafka_storage_error,
    varlog.AppendNotSent: ErrorCode.kafka_storage_error,
    varlog.AppendUnknown: ErrorCode.request_timed_out,
    varlog.StreamBroken: ErrorCode.request_timed_out,
    varlog.CallTimeout: ErrorCode.request_timed_out,
    varlog.AppenderClosed: ErrorCode.request_timed_out,
}


def from_varlog(error: varlog.VarlogError) -> KafkaError:
    """The answer for a Varlog error that reached a request. A subclass missing above is a KeyError."""
    return KafkaError(_CODES[type(error)], str(error))
