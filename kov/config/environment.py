"""Values of the mapping file from the environment, for containers.

One rule: `KOV_` and the key's path in capitals, two underscores between the levels, and one for every '.' and
'-' within a level. Beyond the keys that everybody has there are `topics` and `nodes`, whole, as YAML.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args, get_origin

from kov.config.schema import File, Section
from kov.config.yaml_file import Path, YamlError, parse
from kov.errors import ConfigError

PREFIX: Final = "KOV_"
_LEVELS: Final = "__"

# Kubernetes gives these to every container beside a service that is called kov.
_OF_KUBERNETES: Final = re.compile(r"KOV_(.+_)?(SERVICE_(HOST|PORT(_.+)?)|PORT(_[0-9]+_(TCP|UDP|SCTP).*)?)")
_CLOSE: Final = 0.85


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """`path` is what it stands for in the mapping file; `write` says what belongs there."""

    name: str
    path: Path
    write: str
    is_list: bool
    is_text: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    variable: Variable
    value: object


def _variables(section: type[Section], path: Path) -> Iterator[Variable]:
    for name, field in section.model_fields.items():
        here = (*path, field.alias or name)
        inner = _section_in(field.annotation)
        if inner is not None:
            yield from _variables(inner, here)
            continue
        yield Variable(
            name=PREFIX + _LEVELS.join(re.sub(r"[^A-Z0-9]", "_", str(step).upper()) for step in here),
            path=here,
            write=field.description or "",
            is_list=get_origin(field.annotation) is list,
            is_text=not _is_structured(field.annotation),
        )


def _section_in(annotation: Any) -> type[Section] | None:
    kinds = (annotation, *get_args(annotation))
    if get_origin(annotation) is dict:
        return None
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)), None)


def _is_structured(annotation: Any) -> bool:
    return annotation in {int, bool} or get_origin(annotation) is dict


VARIABLES: Final[Mapping[str, Variable]] = {each.name: each for each in _variables(File, ())}
"""Every key of the mapping file that a variable can stand for, in the order of the file's reference."""


def overrides(environment: Mapping[str, str]) -> list[Override]:
    """What the environment says of the mapping file. An empty variable says nothing. Raises ConfigError."""
    return [
        Override(variable=variable, value=_value(variable, environment[name]))
        for name, variable in VARIABLES.items()
        if environment.get(name, "").strip()
    ]


def misspelt(environment: Mapping[str, str], options: Collection[str]) -> list[str]:
    """A sentence for each variable that looks like ours and isn't. `options`: those of the command line."""
    known = [*VARIABLES, *options]
    found = []
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known and not _OF_KUBERNETES.fullmatch(name):
            close = difflib.get_close_matches(name, known, n=1, cutoff=_CLOSE)
            found += [f"{name} in the environment does nothing; did you mean {each}?" for each in close]
    return found


def apply(values: dict[object, object], given: list[Override]) -> None:
    """Puts each into its place; where the file has something else than keys on the way, it stays wrong."""
    for override in given:
        section: object = values
        *way, last = override.variable.path
        for step in way:
            assert isinstance(section, dict)
            if section.get(step) is None:
                section[step] = {}
            section = section[step]
            if not isinstance(section, dict):
                break
        if isinstance(section, dict):
            section[last] = override.value


def _value(variable: Variable, text: str) -> object:
    if variable.is_list and not text.lstrip().startswith("["):
        return [each.strip() for each in text.split(",") if each.strip()]
    if variable.is_text and not variable.is_list:
        return text.strip()
    try:
        return parse(text).value
    except YamlError as error:
        raise ConfigError(f"{variable.name}: {error.text}; write {variable.write}") from None
