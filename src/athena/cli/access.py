"""The access control commands, with their options and help: `keys`, `audit`, `sign-in`."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from athena.cli.options import DEFAULT_URL, Url, setting_option
from athena.config import BY_NAME

keys = typer.Typer(
    name="keys",
    help="Make, list and revoke API keys, in the data directory. A running Athena follows within seconds.",
    rich_markup_mode=None,
    no_args_is_help=True,
)

Data = Annotated[str, setting_option(BY_NAME["data"])]
DEFAULT_DATA = str(BY_NAME["data"].default)
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


class RoleName(StrEnum):
    """The roles, as choices."""

    VIEWER = "viewer"
    REPORTER = "reporter"
    MANAGER = "manager"


def _lifetime(text: str | None) -> int | None:
    """The milliseconds from now until a time such as 90m, 12h, 30d or a future date."""
    from athena.cli.history import AGO, moment

    if text is None:
        return None
    now = int(time.time() * 1000)
    try:
        then = moment(text, now)
    except ValueError:
        then = now
    lifetime = now - then if AGO.fullmatch(text.strip()) else then - now
    if lifetime <= 0:
        raise typer.BadParameter(f"expected a time such as 12h or 30d, or a date to come, got {text!r}")
    return lifetime


def _ago(text: str | None, flag: str) -> int | None:
    """The milliseconds from a time such as 90m, 2h, 7d ago until now."""
    from athena.cli.history import moment

    now = int(time.time() * 1000)
    try:
        return None if text is None else now - moment(text, now)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=flag) from None


def _name(text: str) -> str:
    if not 1 <= len(text) <= 128:
        raise typer.BadParameter(f"expected 1 to 128 characters, got {len(text)}")
    return text


@keys.command()
def create(
    name: Annotated[str, typer.Option(metavar="TEXT", callback=_name, help="What or who it is for.")],
    role: Annotated[RoleName, typer.Option(help="viewer reads, reporter also reports, manager may do everything.")],
    expires: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN", help="When it ends: in 12h, 30d, or on 2031-01-31. Never without.", show_default=False
        ),
    ] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Make a key and print it. It is shown only now: just a hash of it is stored."""
    from athena.cli import keys as keys_

    keys_.create(Path(data), name, role.value, _lifetime(expires))


@keys.command("list")
def list_(as_json: AsJson = False, data: Data = DEFAULT_DATA) -> None:
    """List all keys: for whom, until when, when last used. Their secrets are not stored."""
    from athena.cli import keys as keys_

    keys_.show(Path(data), as_json)


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="From `athena keys list`.")], data: Data = DEFAULT_DATA
) -> None:
    """End a key at once, with every session and live connection that uses it."""
    from athena.cli import keys as keys_

    keys_.revoke(Path(data), key_id)


def audit(
    since: Annotated[
        str | None, typer.Option("--from", metavar="WHEN", help="Not before: 2026-01-31, or ago: 2h, 7d.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="At most so many, the newest.")] = 100,
    as_json: AsJson = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Show who signed in, was refused, changed keys, archived or purged: when, and from where."""
    from athena.cli import keys as keys_

    ago = _ago(since, "--from")
    keys_.audit(Path(data), 0 if ago is None else int(time.time() * 1000) - ago, limit, as_json)


def sign_in(url: Url = DEFAULT_URL) -> None:
    """Print a link that signs a browser in, once and within five minutes."""
    from athena.cli.credentials import find_key
    from athena.client import Client

    with Client(url, key=find_key(url)) as client:
        link = client.request("POST", "/sign-in-links")["link"]
        print(link if "://" in link else f"{client.url}{link}")


def register(app: Any) -> None:
    """Add the commands to `athena`."""
    app.add_typer(keys)
    app.command()(audit)
    app.command("sign-in")(sign_in)
