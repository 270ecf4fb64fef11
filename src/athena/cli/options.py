"""Command-line options generated from the table of settings, so that there is only one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from athena.config import BY_NAME, Setting

METAVARS = {str: "TEXT", int: "INTEGER", float: "NUMBER", bool: None}


def setting_option(setting: Setting, callback: Callable[..., Any] | None = None) -> Any:
    """The Typer option of one setting, with the flag, environment variable, default and help from the table."""
    return typer.Option(
        setting.flag,
        envvar=setting.variable,
        help=setting.help,
        metavar="URL" if setting.name == "url" else METAVARS[type(setting.default)],
        callback=callback,
    )


def _checked_url(url: str) -> str:
    from athena.client import InvalidUrl  # imports urllib3 and websockets: only for the commands that need them
    from athena.client.http import base_url

    try:
        return base_url(url)
    except InvalidUrl as error:
        raise typer.BadParameter(str(error)) from None


Url = Annotated[str, setting_option(BY_NAME["url"], _checked_url)]
DEFAULT_URL = str(BY_NAME["url"].default)
