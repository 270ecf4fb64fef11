"""`athena serve`: its flags are the server's settings in `athena.config.SETTINGS`."""

from __future__ import annotations

import inspect
from typing import Annotated, Any, cast

import typer

from athena.cli.options import setting_option
from athena.config import SETTINGS, Setting, resolve
from athena.loading import no_collection


def serve(**flags: Any) -> None:
    """Run the server.

    It prints where it listens, and runs until SIGTERM or Ctrl-C, which end it cleanly. The history is kept in the data
    directory, and is still there after a restart.
    """
    with no_collection():
        from athena.node import run  # the whole server, which the other commands do not load

    raise typer.Exit(run(resolve(flags)))


def _parameter(setting: Setting) -> inspect.Parameter:
    annotation = cast(Any, Annotated)[type(setting.default), setting_option(setting)]
    return inspect.Parameter(
        setting.name, inspect.Parameter.KEYWORD_ONLY, default=setting.default, annotation=annotation
    )


# Typer reads the flags from the signature.
serve.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [_parameter(setting) for setting in SETTINGS if not setting.client]
)
