from __future__ import annotations

import grpc.aio
import pytest
from grpc import StatusCode

from varlog_client import (
    AlreadyExists,
    Corrupt,
    FailedPrecondition,
    Internal,
    InvalidArgument,
    NotFound,
    Unavailable,
    VarlogError,
)
from varlog_client.errors import from_rpc


def failure(code: StatusCode, details: str = "") -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details)


@pytest.mark.parametrize("code", list(StatusCode))
def test_every_status_code_has_an_error(code: StatusCode) -> None:
    error = from_rpc(failure(code, "why"))
    assert type(error) is not VarlogError
    assert "why" in str(error)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (StatusCode.NOT_FOUND, NotFound),
        (StatusCode.ALREADY_EXISTS, AlreadyExists),
        (StatusCode.FAILED_PRECONDITION, FailedPrecondition),
        (StatusCode.INVALID_ARGUMENT, InvalidArgument),
        (StatusCode.UNAVAILABLE, Unavailable),
        (StatusCode.DEADLINE_EXCEEDED, Unavailable),
        (StatusCode.UNIMPLEMENTED, Internal),
        (StatusCode.DATA_LOSS, Corrupt),
    ],
)
def test_a_status_code_means(code: StatusCode, expected: type[VarlogError]) -> None:
    assert type(from_rpc(failure(code))) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("log stream: not exist", NotFound),
        ("storage node: not exist", NotFound),
        ("trim: no such topic 9", NotFound),
        ("unregister log stream: invalid log stream status: LS_STATUS_RUNNING", FailedPrecondition),
        ("snmcl: rpc error: code = Unavailable desc = connection error", Unavailable),
        ("snmcl: rpc error: code = Unknown desc = unseal: invalid state 0: storage node", FailedPrecondition),
        ("closed", Unavailable),
        ("something new", Internal),
    ],
)
def test_unknown_is_told_apart_by_its_text(text: str, expected: type[VarlogError]) -> None:
    assert type(from_rpc(failure(StatusCode.UNKNOWN, text))) is expected


def test_the_prefix_of_a_status_wrapped_twice_is_dropped() -> None:
    error = from_rpc(failure(StatusCode.NOT_FOUND, "rpc error: code = NotFound desc = no such log stream"))
    assert str(error) == "NOT_FOUND: no such log stream"
