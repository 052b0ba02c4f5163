from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import get_args, get_type_hints

import pytest

from kov.handlers import APIS, fit
from kov.handlers.base import request_type, response_type
from tests.kov.wire.requests import EVERY_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerOld:
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Old:
    items: tuple[InnerOld, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    name: str
    number: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class New:
    items: tuple[Inner, ...] | None
    one: Inner | None = None
    flag: bool = True


def test_fields_that_a_version_lacks_take_the_default_when_read() -> None:
    old = Old(items=(InnerOld(name="a"), InnerOld(name="b")))
    assert fit.read(New, old) == New(items=(Inner(name="a"), Inner(name="b")))


def test_fields_that_a_version_lacks_are_dropped_when_written() -> None:
    new = New(items=(Inner(name="a", number=1),), one=Inner(name="x"), flag=False)
    assert fit.write(Old, new) == Old(items=(InnerOld(name="a"),))


def test_null_arrays_and_structures_stay_null() -> None:
    new = New(items=None, one=None)
    assert fit.read(New, new) == new
    assert fit.read(New, New(items=(), one=Inner(name="x"))) == New(items=(), one=Inner(name="x"))


def test_a_type_that_cannot_fit_is_named() -> None:
    with pytest.raises(TypeError, match=r"Inner\.name has no default, and Old lacks it"):
        fit.prepare(Old, Inner)
    with pytest.raises(TypeError, match="int is not a dataclass"):
        fit.prepare(Old, int)


@pytest.mark.parametrize(("key", "version"), EVERY_VERSION)
def test_every_version_fits_its_handler(key: int, version: int) -> None:
    api = APIS[key]
    fit.prepare(request_type(key, version), api.request)
    fit.prepare(api.response, response_type(key, version))


def test_no_handler_declares_a_field_that_no_version_has() -> None:
    for api in APIS.values():
        for declared, schema in ((api.request, request_type), (api.response, response_type)):
            known = set().union(*(_fields(schema(api.key, version)) for version in api.versions))
            assert _fields(declared) <= known, f"{api.name}: {_fields(declared) - known}"


def _fields(declared: type[object]) -> set[str]:
    """The names of all fields, nested ones too."""
    assert is_dataclass(declared)
    found = {field.name for field in fields(declared)}
    for hint in get_type_hints(declared).values():
        for inner in (hint, *get_args(hint), *(a for member in get_args(hint) for a in get_args(member))):
            if isinstance(inner, type) and is_dataclass(inner):
                found |= _fields(inner)
    return found
