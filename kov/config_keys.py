"""A named setting as Kafka's tools see it: its type, its default, what it may be, and Kafka's words for no.

The texts follow Kafka's `ConfigDef`, since clients and people look for them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, assert_never


class ConfigType(IntEnum):
    """Numbered as in DescribeConfigs."""

    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    PASSWORD = 9


Allowed = Callable[[str], str | None]
"""Why a value of the right type is refused, or None."""

_BITS: Final = {ConfigType.SHORT: 15, ConfigType.INT: 31, ConfigType.LONG: 63}
_DOUBLE: Final = re.compile(r"[+-]?(NaN|Infinity|(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)", re.ASCII)


def _anything(_: str) -> str | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigKey:
    """`broker_name`: the broker setting that Kafka takes the default from. `acted_on`: whether kov does
    anything else with a value than keeping it and telling it."""

    name: str
    type: ConfigType
    default: str
    documentation: str
    broker_name: str | None = None
    acted_on: bool = False
    allowed: Allowed = _anything

    def problem(self, value: str) -> str | None:
        """Why Kafka, or kov, refuses `value`, in Kafka's words; None for a value that may be written."""
        reason = _not_of_type(self.type, value) or self.allowed(value.strip())
        return reason and f"Invalid value {value} for configuration {self.name}: {reason}"


def items(value: str) -> list[str]:
    """What a value of type LIST holds; "" holds nothing."""
    return [item.strip() for item in value.split(",")] if value.strip() else []


def at_least(lowest: float) -> Allowed:
    return lambda value: f"Value must be at least {lowest}" if float(value) < lowest else None


def between(lowest: float, highest: float) -> Allowed:
    def check(value: str) -> str | None:
        if float(value) > highest:
            return f"Value must be no more than {highest}"
        return at_least(lowest)(value)

    return check


def one_of(*values: str) -> Allowed:
    return lambda value: None if value in values else f"String must be one of: {', '.join(values)}"


def each_of(*values: str) -> Allowed:
    def check(value: str) -> str | None:
        return next((reason for item in items(value) if (reason := one_of(*values)(item))), None)

    return check


def only(value: str, otherwise: str) -> Allowed:
    """Kafka allows more; kov doesn't, and says why."""
    return lambda given: None if given == value else otherwise


def both(first: Allowed, second: Allowed) -> Allowed:
    return lambda value: first(value) or second(value)


def _not_of_type(kind: ConfigType, value: str) -> str | None:
    text = value.strip()
    match kind:
        case ConfigType.BOOLEAN:
            known = text.lower() in {"true", "false"}
            return None if known else "Expected value to be either true or false"
        case ConfigType.SHORT | ConfigType.INT | ConfigType.LONG:
            return None if _is_number(text, _BITS[kind]) else f"Not a number of type {kind.name}"
        case ConfigType.DOUBLE:
            return None if _DOUBLE.fullmatch(text) else "Not a number of type DOUBLE"
        case ConfigType.STRING | ConfigType.LIST | ConfigType.PASSWORD:
            return None
        case _:
            assert_never(kind)


def _is_number(text: str, bits: int) -> bool:
    digits = text[1:] if text[:1] in {"-", "+"} else text
    return digits.isascii() and digits.isdigit() and len(digits) <= 25 and -(2**bits) <= int(text) < 2**bits
