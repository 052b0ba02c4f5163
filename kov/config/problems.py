"""Mistakes in a mapping file, in words: where, what is wrong, and what to write."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from kov.config.schema import field_at, keys_of
from kov.config.yaml_file import Path
from kov.errors import ConfigError

_SHOWN_LENGTH = 40
_REASONS = {
    "model_type": "keys and their values belong here",
    "dict_type": "keys and their values belong here",
    "list_type": "a list belongs here",
    "too_short": "at least one is needed",
}


@dataclass(frozen=True, slots=True)
class Problem:
    path: Path
    text: str


def render_path(path: Path) -> str:
    """`topics.orders.partitions[2]`; topic names with dots are put in brackets."""
    rendered = ""
    for step in path:
        if isinstance(step, int) and not rendered.endswith("nodes"):
            rendered += f"[{step}]"
        elif isinstance(step, str) and "." in step:
            rendered += f"[{step!r}]"
        else:
            rendered += f".{step}" if rendered else str(step)
    return rendered


def explain(error: ValidationError) -> list[Problem]:
    return [_explain_one(details) for details in error.errors(include_url=False)]


@dataclass(frozen=True, slots=True)
class Located:
    """A problem and where it stands: a place in the order of the file, and the place's name."""

    order: int
    place: str
    problem: Problem


class BadFile(ConfigError):
    """One line per problem, in the order of the file; `problems` are the same for programs."""

    def __init__(self, problems: Iterable[Located]) -> None:
        self.problems = sorted(problems, key=lambda each: each.order)
        super().__init__("\n".join(map(_line, self.problems)))


def _line(located: Located) -> str:
    where = render_path(located.problem.path)
    return ": ".join(part for part in (located.place, where, located.problem.text) if part)


def _explain_one(details: ErrorDetails) -> Problem:
    path = tuple(details["loc"])
    if path and path[-1] == "[key]":
        key = details["input"]  # in the path itself pydantic writes True as 1
        return Problem((*path[:-2], key), _bad_key(key))
    _, description = field_at(path)
    write = f"; write {description}" if description else ""
    match details["type"]:
        case "extra_forbidden":
            return Problem(path, _unknown_key(path))
        case "missing":
            return Problem(path, f"is missing{write}")
        case "value_error":
            return Problem(path, str(details["ctx"]["error"]))
        case _ if details["input"] is None:
            return Problem(path, f"is empty{write}")
        case _:
            return Problem(path, f"{_shown(details['input'])} can't be used ({_reason(details)}){write}")


def _bad_key(key: str | int) -> str:
    if isinstance(key, str):
        return f"the key {key!r} is not a number; write a node's number, for example 1"
    kind = "true or false" if isinstance(key, bool) else "a number"
    return f"YAML reads this key as {kind}, and a name is needed; write it in quotes"


def _unknown_key(path: Path) -> str:
    section, _ = field_at(path[:-1])
    known = keys_of(section) if section else []
    close = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
    if close:
        return f"unknown key; did you mean {close[0]}?"
    return f"unknown key; known here: {', '.join(known)}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}..."


def _reason(details: ErrorDetails) -> str:
    message = _REASONS.get(details["type"], details["msg"])
    return message[:1].lower() + message[1:]
