"""One way to write a handler for all versions of its API: our own types outside, kio's per version inside.

A handler declares its request and answer once, as frozen dataclasses that hold the fields of every version,
named as in kio. `read` turns the kio request of any version into the declared type: fields that the version
lacks take the declared default. `write` turns the declared answer into the kio class of a version: fields
that the version lacks are dropped. Both go down into nested structures and arrays of them.

How two types fit is worked out once per pair and kept. A pair that can't is a TypeError that names the field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, fields, is_dataclass
from operator import attrgetter
from types import NoneType
from typing import Final, TypeAlias, TypeGuard, TypeVar, cast, get_args, get_type_hints

T = TypeVar("T")
_Make: TypeAlias = Callable[[object], object]

_makers: Final[dict[tuple[object, object], _Make]] = {}


def read(declared: type[T], entity: object) -> T:
    """The request `entity`, an instance of a kio class, as the handler's own type."""
    return cast("T", _maker(type(entity), declared)(entity))


def write(schema: type[T], answer: object) -> T:
    """`answer` as an instance of the kio class `schema`."""
    return cast("T", _maker(type(answer), schema)(answer))


def prepare(source: type[object], target: type[object]) -> None:
    """Raises TypeError unless every `source` can be turned into a `target`, whatever its values."""
    _maker(source, target)


def _maker(source: type[object], target: type[object]) -> _Make:
    known = _makers.get((source, target))
    if known is None:
        known = _makers[source, target] = _new_maker(source, target)
    return known


def _new_maker(source: type[object], target: type[object]) -> _Make:
    """Makes a `target` from a `source`, field by field of the same name."""
    given, wanted = get_type_hints(source), get_type_hints(target)
    names = [field.name for field in _fields(target) if _is_given(field, source, target, given)]
    converters = {name: _nested(given[name], wanted[name]) for name in names}
    nested = [(name, convert) for name, convert in converters.items() if convert is not None]
    values = _getter([name for name, convert in converters.items() if convert is None])

    def make(value: object) -> object:
        arguments = values(value)
        for name, convert in nested:
            arguments[name] = convert(getattr(value, name))
        return target(**arguments)

    return make


def _is_given(field: Field[object], source: type[object], target: type[object], given: Iterable[str]) -> bool:
    if field.name in given:
        return True
    if field.default is MISSING and field.default_factory is MISSING:
        raise TypeError(
            f"{target.__qualname__}.{field.name} has no default, and {source.__qualname__} lacks it"
        )
    return False


def _getter(names: list[str]) -> Callable[[object], dict[str, object]]:
    if not names:
        return lambda _: {}
    if len(names) == 1:
        (name,) = names
        return lambda value: {name: getattr(value, name)}
    get = attrgetter(*names)
    return lambda value: dict(zip(names, get(value), strict=True))


def _nested(given: object, wanted: object) -> _Make | None:
    """How to convert a field that holds structures; None for one whose value is taken as it is."""
    given_element, wanted_element = _element(given), _element(wanted)
    if _is_structure(given_element) and _is_structure(wanted_element):
        return _for_all(_maker(given_element, wanted_element))
    given, wanted = _without_none(given), _without_none(wanted)
    if _is_structure(given) and _is_structure(wanted):
        convert = _maker(given, wanted)
        return lambda item: None if item is None else convert(item)
    return None


def _for_all(convert: _Make) -> _Make:
    def convert_all(items: object) -> object:
        if items is None:
            return None
        assert isinstance(items, tuple)
        return tuple([convert(item) for item in items])

    return convert_all


def _fields(target: type[object]) -> tuple[Field[object], ...]:
    if not is_dataclass(target):
        raise TypeError(f"{target.__qualname__} is not a dataclass")
    return fields(target)


def _is_structure(declared: object) -> TypeGuard[type[object]]:
    return isinstance(declared, type) and is_dataclass(declared)


def _element(declared: object) -> object:
    """`T` of `tuple[T, ...]` or of that or None; None for anything else."""
    members = get_args(_without_none(declared))
    return members[0] if len(members) == 2 and members[1] is ... else None


def _without_none(declared: object) -> object:
    members = [member for member in get_args(declared) if member is not NoneType]
    return members[0] if len(members) == 1 and NoneType in get_args(declared) else declared
