"""How every command shows itself, and ends when it is interrupted or when nobody reads on."""

from __future__ import annotations

import os
import sys
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

INTERRUPTED: Final = 130
"""As shells count it: 128 and the number of SIGINT."""
NOBODY_READS: Final = 141
"""The same for SIGPIPE, by which programs end that don't look."""


class _Plain:
    """Help that names arguments as the documentation does, and tells types only where they say something."""

    def get_params(self, ctx: Any) -> list[Any]:
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for each in parameters:
            _leave_type_out(each)
        return parameters


class PlainCommand(_Plain, TyperCommand):
    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        names = [_usage(each) for each in self.get_params(ctx) if each.param_type_name == "argument"]
        return [*([self.options_metavar] if self.options_metavar else []), *names]


class QuietGroup(_Plain, TyperGroup):
    def invoke(self, ctx: Any) -> Any:  # typer keeps the type to itself
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            _to_nowhere(sys.stdout.fileno())
            raise typer.Exit(NOBODY_READS) from None
        except typer.Exit:
            self._flush()
            raise
        return result

    @staticmethod
    def _flush() -> None:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            _to_nowhere(sys.stdout.fileno())
            raise typer.Exit(NOBODY_READS) from None


def _leave_type_out(parameter: Any) -> None:
    if parameter.param_type_name == "argument":
        parameter.metavar = parameter.metavar or str(parameter.name).upper()
        parameter.display_type_rich = _no_type  # <str> and <path>: the name says it
    elif parameter.is_flag:
        parameter.metavar = ""


def _no_type(**_: object) -> None:
    """In the place of a parameter's method."""


def _usage(argument: Any) -> str:
    name = str(argument.metavar)
    return name if argument.required or name.startswith("[") else f"[{name}]"


def _to_nowhere(descriptor: int) -> None:
    """What is buffered would raise again when the interpreter ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
