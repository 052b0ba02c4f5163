"""YAML with what people need to mend it: lines, columns, and no silently dropped duplicate keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml

Path = tuple[str | int, ...]
"""Where a value stands in the file: keys and list positions, from the top."""

_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlError(Exception):
    """The text can't be read as YAML; `line` and `column` count from 1, 0 where they are not known."""

    def __init__(self, text: str, *, line: int = 0, column: int = 0) -> None:
        super().__init__(text)
        self.text = text
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Document:
    """The values of a YAML text, and the tree they came from."""

    value: object
    root: yaml.Node | None

    def line_of(self, path: Path) -> int:
        """The line of the value at `path`, or of the nearest thing around it that exists; from 1."""
        node, line = self.root, 1
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            line, node = found
        return line


def parse(text: str) -> Document:
    """Raises YamlError for what is not YAML, for a key that stands twice, and for several documents."""
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return Document(None, None)
        _refuse_duplicates(root)
        return Document(loader.construct_document(root), root)
    except yaml.MarkedYAMLError as error:
        raise _located(error) from None
    except yaml.YAMLError as error:
        raise YamlError(str(error).splitlines()[0]) from None
    except (ValueError, RecursionError) as error:
        raise YamlError(f"a value can't be read: {error}") from None
    finally:
        loader.dispose()


def _located(error: yaml.MarkedYAMLError) -> YamlError:
    mark = error.problem_mark or error.context_mark
    parts = [part for part in (error.context, error.problem) if part]
    text = ", ".join(parts) or "this is not YAML"
    return YamlError(text, line=mark.line + 1 if mark else 0, column=mark.column + 1 if mark else 0)


def _refuse_duplicates(root: yaml.Node) -> None:
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:  # an alias: the same node stands in several places
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _refuse_duplicate_keys(node)
        waiting.extend(_children(node))


def _refuse_duplicate_keys(node: yaml.MappingNode) -> None:
    first: dict[tuple[str, str], yaml.ScalarNode] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        known = first.setdefault((key.tag, key.value), key)
        if known is not key:
            raise YamlError(
                f"the key {key.value!r} stands here for the second time "
                f"(first in line {known.start_mark.line + 1}); keep one of the two",
                line=key.start_mark.line + 1,
                column=key.start_mark.column + 1,
            )


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _child(node: yaml.Node | None, step: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        item: yaml.Node = node.value[step]
        return item.start_mark.line + 1, item
    if isinstance(node, yaml.MappingNode):
        pairs: Sequence[tuple[yaml.Node, yaml.Node]] = node.value
        for key, value in pairs:
            if isinstance(key, yaml.ScalarNode) and _is_key(key, step):
                return key.start_mark.line + 1, value
    return None


def _is_key(key: yaml.ScalarNode, step: str | int) -> bool:
    """YAML spells true and false in many ways."""
    return bool(key.tag.endswith(":bool")) if isinstance(step, bool) else key.value == str(step)
