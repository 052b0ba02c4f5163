"""Writes docs/client-api.md from the docstrings of varlog_client; with --check it only compares."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import varlog_client

PAGE = Path(__file__).with_name("client-api.md")
FIRST = ("Log", "LogStreamAppender", "AppenderManager", "Subscriber", "TopicSubscriber", "Admin")
_MODULE = re.compile(r"\b(?:collections\.abc|varlog_client\.\w+)\.")
HEAD = """# varlog_client: reference

Made from the docstrings by `make docs`; the introduction is [client.md](client.md).
"""


def page() -> str:
    public = {name: getattr(varlog_client, name) for name in varlog_client.__all__}
    classes = {name: each for name, each in public.items() if inspect.isclass(each)}
    errors = {name: each for name, each in classes.items() if issubclass(each, Exception)}
    values = {name: each for name, each in classes.items() if name not in errors and name not in FIRST}
    others = {name: each for name, each in public.items() if name not in classes}
    parts = [HEAD]
    for name in FIRST:
        parts += _class(name, public[name])
    parts.append("## Values\n")
    for name, each in values.items():
        parts += _value(name, each)
    parts += ["## Ids, numbers and other names\n", "\n".join(_others(others)) + "\n"]
    parts.append("## Errors\n")
    for name, each in sorted(errors.items(), key=lambda item: _ancestry(item[1])):
        parts.append(f"### `{name}({each.__bases__[0].__name__})`\n\n{_doc(each)}\n")
    return "\n".join(parts)


def _class(name: str, cls: type) -> Iterator[str]:
    yield f"## `{name}`\n\n{_doc(cls)}\n"
    for member, found in _members(cls):
        match found:
            case property():
                yield f"### `{name}.{member}`\n\n{_doc(found)}\n"
            case classmethod():
                yield f"### `{_signature(f'{name}.{member}', found.__func__)}`\n\n{_doc(found.__func__)}\n"
            case _:
                yield f"### `{_signature(f'{name}.{member}', found)}`\n\n{_doc(found)}\n"


def _members(cls: type) -> Iterator[tuple[str, object]]:
    """Public methods and properties, those of the base classes first, each in the order of the source."""
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("varlog_client"):
            for name, found in vars(base).items():
                of_interest = inspect.isfunction(found) or isinstance(found, property | classmethod)
                overridden = any(name in vars(each) for each in cls.__mro__[: cls.__mro__.index(base)])
                if of_interest and not name.startswith("_") and not overridden:
                    yield name, found


def _signature(name: str, function: object) -> str:
    assert inspect.isfunction(function)
    signature = inspect.signature(function)
    plain = signature.replace(
        parameters=[each for each in signature.parameters.values() if each.name not in {"self", "cls"}]
    )
    text = str(plain).replace("'", "")
    return f"{'async ' if inspect.iscoroutinefunction(function) else ''}{name}{text}"


def _value(name: str, cls: type) -> Iterator[str]:
    yield f"### `{name}`\n"
    if doc := _doc(cls):
        yield f"{doc}\n"
    if issubclass(cls, enum.Enum):
        yield "\n".join(f"- `{member.name}` = {member.value}" for member in cls) + "\n"
    elif fields := _fields(cls):
        yield "\n".join(f"- `{field}: {kind}`" for field, kind in fields.items()) + "\n"


def _fields(cls: type) -> dict[str, str]:
    if dataclasses.is_dataclass(cls):
        return {field.name: str(field.type) for field in dataclasses.fields(cls)}
    return {name: getattr(kind, "__forward_arg__", str(kind)) for name, kind in cls.__annotations__.items()}


def _others(names: dict[str, object]) -> Iterator[str]:
    for name, each in sorted(names.items()):
        supertype = getattr(each, "__supertype__", None)
        if supertype is not None:
            yield f"- `{name}`: a new type of `{supertype.__name__}`"
        elif isinstance(each, int):
            yield f"- `{name}` = {each}"
        else:
            yield f"- `{name}` = `{_MODULE.sub('', str(each))}`"


def _ancestry(cls: type) -> list[str]:
    return [base.__name__ for base in reversed(cls.__mro__)]


def _doc(thing: object) -> str:
    doc = inspect.getdoc(thing) or ""
    made_up = getattr(thing, "__name__", " ") + "("  # what dataclasses and named tuples say by themselves
    return "" if doc.startswith(made_up) else doc


def main() -> int:
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.read_text(encoding="utf-8") == page():
        return 0
    print(f"{PAGE.name} is out of date: make docs", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
