"""Writes the tables of docs/configuration.md from `kov serve`'s options and the mapping file's models.

With --check it only compares. What keys mean stands in configuration.yaml: a key that is not explained there,
or explained and no longer there, is an error.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, get_args, get_origin

import typer
import yaml

from kov.cli import app
from kov.command_line.environment import variables
from kov.config.environment import VARIABLES
from kov.config.schema import File, Section

PAGE: Final = Path(__file__).with_name("configuration.md")
MAX_INT32: Final = 2**31 - 1
NO_BOUND: Final = (MAX_INT32, 2**63 - 1)

MEANING: Final = PAGE.with_suffix(".yaml")

Row = tuple[str, ...]


def options() -> Iterator[Row]:
    """The options of `kov serve`."""
    command = typer.main.get_command(app).commands["serve"]  # type: ignore[attr-defined]
    context = command.make_context("serve", [], resilient_parsing=True)
    named = {shown: name for name, shown in variables(context).items()}
    yield "option", "what it says", "default", "variable"
    for option in command.params:
        if option.name in {"help", "context"}:
            continue
        is_option = option.param_type_name == "option"
        shown = option.opts[0] if is_option else option.name.upper()
        default = "" if option.default is None else _plain(option.default)
        text = option.help or ""
        yield f"`{shown}`", text, f"`{default}`" if default else "", f"`{named[shown]}`"


def keys() -> Iterator[Row]:
    """The keys of the mapping file. Raises ValueError where MEANING says too much or too little."""
    yield "key", "what it means", "value", "default"
    unused = yaml.safe_load(MEANING.read_text(encoding="utf-8"))
    for path, field in _fields(File, ""):
        if path not in unused:
            raise ValueError(f"{path} has no explanation in {MEANING.name}")
        meaning = unused.pop(path)
        default = "needed" if field.is_required() else _default(field)
        yield f"`{path}`", meaning, _bounds(field) + (field.description or ""), default
    if unused:
        raise ValueError(f"explained in {MEANING.name}, but no key of the file: {', '.join(unused)}")


def of_the_environment() -> Iterator[Row]:
    """Which variables stand for which keys."""
    yield "variable", "key"
    for variable in VARIABLES.values():
        yield f"`{variable.name}`", f"`{'.'.join(str(step) for step in variable.path)}`"


def _fields(section: type[Section], before: str) -> Iterator[tuple[str, Any]]:
    """Every value that can be written, by its path; N and NAME stand for what people choose."""
    for name, field in section.model_fields.items():
        path = f"{before}{field.alias or name}"
        kinds = list(_kinds(field.annotation))
        inner = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)), None)
        is_by_name = any(get_origin(kind) is dict for kind in kinds)
        if inner is None or is_by_name:
            yield path, field
        if inner is not None:
            chosen = ("N." if name == "nodes" else "NAME.") if is_by_name else ""
            yield from _fields(inner, f"{path}.{chosen}")


def _kinds(annotation: Any) -> Iterator[Any]:
    """Itself and what it is made of, but not what lies in the sections."""
    yield annotation
    for each in get_args(annotation):
        yield from _kinds(each)


def _bounds(field: Any) -> str:
    """`1 to 10000: `, where there are bounds that say more than that a number is 32 bits wide."""
    least = next((each.ge for each in field.metadata if hasattr(each, "ge")), None)
    most = next((each.le for each in field.metadata if hasattr(each, "le")), MAX_INT32)
    return f"{least} to {most}: " if least is not None and most < MAX_INT32 else ""


def _default(field: Any) -> str:
    if field.default_factory is not None or field.default is None:
        return ""
    return "no bound" if field.default in NO_BOUND else f"`{_plain(field.default)}`"


def _plain(value: object) -> str:
    text = str(getattr(value, "value", value))
    return text.lower() if isinstance(value, bool) else text


PARTS: Final[dict[str, Callable[[], Iterator[Row]]]] = {
    "options": options,
    "keys": keys,
    "variables": of_the_environment,
}


def table(rows: Iterator[Row]) -> str:
    head, *others = (tuple(re.sub(r"\s+", " ", cell).replace("|", "\\|") for cell in row) for row in rows)
    lines = [head, ("---",) * len(head), *others]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def page(text: str) -> str:
    """`text` with the tables as they are to be. ValueError where their marks are missing."""
    for name, rows in PARTS.items():
        begin, end = f"<!-- {name}: made by `make docs` -->\n", f"<!-- end of {name} -->\n"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"{PAGE.name} has lost the marks around {name}")
        text = f"{before}{begin}\n{table(rows())}\n{end}{after}"
    return text


def main() -> int:
    text = PAGE.read_text(encoding="utf-8")
    wanted = page(text)
    if wanted == text:
        return 0
    if "--check" in sys.argv[1:]:
        print(f"{PAGE.name} is out of date: make docs", file=sys.stderr)
        return 1
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
