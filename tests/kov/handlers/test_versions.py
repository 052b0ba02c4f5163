"""Each handler declares its request and answer once: they must fit every version, with nothing left over."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import get_args, get_type_hints

import pytest

from kov.handlers import APIS
from kov.wire.reading import reader
from kov.wire.schema import request_type, response_type
from kov.wire.writing import writer
from tests.kov.wire.requests import EVERY_VERSION


@pytest.mark.parametrize(("key", "version"), EVERY_VERSION)
def test_every_version_fits_its_handler(key: int, version: int) -> None:
    api = APIS[key]
    reader(request_type(key, version), api.request)
    writer(response_type(key, version), api.response)


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
