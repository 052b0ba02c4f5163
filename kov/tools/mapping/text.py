"""The text of a mapping file: a new one, or an existing one with more topics, everything else left as it is.

Pure. Comments and layout of an existing file stay, which no YAML library that we have would do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import yaml

from kov.config.yaml_file import YamlError, parse
from kov.errors import ConfigError

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_STEP: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """A topic as the file names it."""

    topic_id: int
    log_streams: Sequence[int]


Topics = Mapping[str, Mapped]


def new_text(cluster_id: int, metadata_repositories: Sequence[str], admin: str | None, topics: Topics) -> str:
    repositories = ", ".join(f'"{each}"' for each in metadata_repositories)
    lines = ["varlog:", f"  cluster_id: {cluster_id}", f"  metadata_repositories: [{repositories}]"]
    lines += [f'  admin: "{admin}"'] if admin else []
    return "\n".join([*lines, "topics:", *_block(topics, _STEP)]) + "\n"


def extended(text: str, topics: Topics) -> str:
    """`text`, a mapping file's, with `topics` behind those it has.

    Raises ConfigError, with what to write, where the file's layout is one that this can't add to.
    """
    changed = _inserted(text, topics)
    if changed is None or not _holds_just(text, changed, topics):
        wanted = "\n".join(_block(topics, _STEP))
        raise ConfigError(f"the file's topics can't be added to by a program; write there:\n{wanted}")
    return changed


def _block(topics: Topics, indent: int) -> list[str]:
    lines = []
    for name, topic in topics.items():
        deeper = " " * (indent + _STEP)
        lines.append(f"{' ' * indent}{_key(name)}:")
        lines += [f"{deeper}topic_id: {topic.topic_id}", f"{deeper}partitions: {list(topic.log_streams)}"]
    return lines


def _flow(topics: Topics) -> str:
    return ", ".join(
        f"{_key(name)}: {{topic_id: {topic.topic_id}, partitions: {list(topic.log_streams)}}}"
        for name, topic in topics.items()
    )


def _key(name: str) -> str:
    """In quotes where YAML would read something else than this name."""
    return name if _PLAIN.fullmatch(name) and yaml.safe_load(name) == name else f'"{name}"'


def _inserted(text: str, topics: Topics) -> str | None:
    root = parse(text).root
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        return None
    node = next((value for key, value in root.value if key.value == "topics"), None)
    lines = text.splitlines()
    if node is None:
        return "\n".join([*lines, "topics:", *_block(topics, _STEP)]) + "\n"
    if not isinstance(node, yaml.MappingNode) or not node.value:
        return None
    end: yaml.Mark = node.end_mark
    if node.flow_style:
        line = lines[end.line]
        close = end.column - 1
        lines[end.line] = f"{line[:close].rstrip()}, {_flow(topics)}{line[close:]}"
        return "\n".join(lines) + "\n"
    indent = node.value[0][0].start_mark.column
    at = end.line
    while at and not _belongs(lines[at - 1], indent):
        at -= 1
    return "\n".join([*lines[:at], *_block(topics, indent), *lines[at:]]) + "\n"


def _belongs(line: str, indent: int) -> bool:
    """Whether the line is one of a block of this depth: not empty, no comment on what follows it."""
    return bool(line.strip()) and (not line.lstrip().startswith("#") or line.startswith(" " * indent))


def _holds_just(text: str, changed: str, topics: Topics) -> bool:
    try:
        before, after = parse(text).value, parse(changed).value
    except YamlError:
        return False
    if not isinstance(before, dict) or not isinstance(after, dict):
        return False
    added = {
        name: {"topic_id": topic.topic_id, "partitions": list(topic.log_streams)}
        for name, topic in topics.items()
    }
    return after == before | {"topics": (before.get("topics") or {}) | added}
