"""What several commands' options share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kov.address import Address, NamedAddress


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def address(text: str | Address) -> Address:
    """Raises BadParameter, which typer shows. A default comes here as it is."""
    try:
        return text if isinstance(text, Address) else Address.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def named_address(text: str | NamedAddress) -> NamedAddress:
    """The same for the address of a listener."""
    try:
        return text if isinstance(text, NamedAddress) else NamedAddress.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


Level = Annotated[LogLevel, typer.Option("--log-level", help="How much to say on stderr.")]
Data = Annotated[Path | None, typer.Option(help="The embedded store's directory; default ./kov-data.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")]
Bootstrap = Annotated[
    Address,
    typer.Option("--bootstrap", "-b", parser=address, metavar="HOST:PORT", help="Where kov listens."),
]
