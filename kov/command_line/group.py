"""How every command ends when it is interrupted, or when nobody reads on."""

from __future__ import annotations

import os
import sys
from typing import Any, Final

import typer
from typer.core import TyperGroup

INTERRUPTED: Final = 130
"""As shells count it: 128 and the number of SIGINT."""
NOBODY_READS: Final = 141
"""The same for SIGPIPE, by which programs end that don't look."""


class QuietGroup(TyperGroup):
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


def _to_nowhere(descriptor: int) -> None:
    """What is buffered would raise again when the interpreter ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
