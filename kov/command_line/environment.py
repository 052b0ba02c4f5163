"""Options that come from the environment: `KOV_` and the option's name in capitals, '_' for '-'."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

import typer

_log = logging.getLogger(__name__)


def from_environment(context: typer.Context) -> frozenset[str]:
    """Those of the command's parameters that were given there."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    # By its name: the enum belongs to click, or to typer's own copy of it.
    return frozenset(
        name for name, each in sources.items() if each is not None and each.name == "ENVIRONMENT"
    )


def variables(context: typer.Context) -> dict[str, str]:
    """What stands for which parameter, as people write it: `KOV_NODE_ID` for `--node-id`."""
    found = {}
    for parameter in context.command.params:
        if parameter.name is not None and parameter.name != "help":
            shown = parameter.opts[0] if parameter.param_type_name == "option" else parameter.name.upper()
            found[f"{context.auto_envvar_prefix}_{parameter.name.upper()}"] = shown
    return found


def say_what_is_misspelt(context: typer.Context, environment: Mapping[str, str] = os.environ) -> None:
    """A warning for each variable that was probably meant for kov and does nothing."""
    if not any(name.startswith("KOV_") for name in environment):
        return
    from kov.config.environment import misspelt  # noqa: PLC0415 - pydantic, for those who set something

    for sentence in misspelt(environment, variables(context)):
        _log.warning("%s", sentence)
