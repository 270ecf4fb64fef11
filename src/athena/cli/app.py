"""The command line: every command with its options and help. Each is implemented in the module of its name."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

import athena
from athena.cli import access
from athena.cli.options import DEFAULT_URL, Url
from athena.cli.serve import serve
from athena.cli.text import complain
from athena.errors import AthenaError

app = typer.Typer(
    name="athena",
    help="Notifications about long-running transactions: durable history, live push.",
    epilog="To begin: athena serve in one terminal, athena watch in another, athena demo in a third.",
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command()(serve)
access.register(app)


def main() -> None:
    """The entry point. Exits with status 1 and a one-line message on failure, 2 on wrong usage."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a locale without "…" is no failure
    try:
        app()
    except Exception as error:
        complain(f"athena: {_explained(error)}")
        sys.exit(1)


def _explained(error: Exception) -> str:
    """What to say of an error that is no defect; raises one that is."""
    from athena.client import ClientError  # only now: most starts need neither
    from athena.database import explain

    if isinstance(error, AthenaError | ClientError):
        return str(error)
    why = explain(error)
    if why is None:
        raise error
    return f"expected the database to do its work, got: {why}; see its disk, and how many files may be open"


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"athena {athena.__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command()
def watch(url: Url = DEFAULT_URL) -> None:
    """Show running transactions, live.

    One line per transaction, updated in place; finished ones scroll away. If the output is not a terminal, one plain
    line per change: `HH:MM:SS status [step/total] message (id)`. Reconnects and resumes by itself; Ctrl-C ends it.
    """
    from athena.cli.watch import watch as watch_

    watch_(url)


def _filter(flag: str, metavar: str, help_: str) -> Any:
    """An option that filters the history."""
    return typer.Option(flag, metavar=metavar, help=help_, show_default=False)


class StatusName(StrEnum):
    """The statuses, as choices."""

    PENDING = "pending"
    UNDOING = "undoing"
    SUCCESS = "success"
    ERROR = "error"


class TypeName(StrEnum):
    """The types of rows, as choices."""

    TRANSACTION = "webhook_tx"
    NOTICE = "notification"


TransactionId = Annotated[
    str | None, typer.Argument(metavar="TX_ID", help="Show this transaction, change by change.", show_default=False)
]


@app.command()
def history(
    tx_id: TransactionId = None,
    status: Annotated[
        list[StatusName] | None, _filter("--status", "STATUS", "pending, undoing, success or error; may be repeated.")
    ] = None,
    type_: Annotated[
        TypeName | None, _filter("--type", "TYPE", "webhook_tx (transactions) or notification (notices).")
    ] = None,
    sub_type: Annotated[str | None, _filter("--sub-type", "NAME", 'For example "template".')] = None,
    component_id: Annotated[str | None, _filter("--component-id", "ID", "What it is about.")] = None,
    by: Annotated[str | None, _filter("--by", "NAME", "Who started it.")] = None,
    search: Annotated[
        str | None, _filter("--search", "TEXT", "Text in the description, message, id, by or component id.")
    ] = None,
    since: Annotated[
        str | None, _filter("--from", "WHEN", "Not before: 2026-01-31, 2026-01-31T14:00, or ago: 90m, 2h, 7d.")
    ] = None,
    until: Annotated[str | None, _filter("--to", "WHEN", "Not after; as --from.")] = None,
    archived: Annotated[bool, typer.Option("--archived", help="Show archived ones too.")] = False,
    limit: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="Show this many at most.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, as the API gives them.")] = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Show the history: active ones first, then the newest.

    With a TX_ID: that transaction with all its changes.
    """
    from athena.cli.history import history as history_
    from athena.cli.history import transaction

    if tx_id is not None:
        transaction(url, tx_id, as_json)
        return
    filters = {
        "status": ",".join(status) if status else None,
        "type": type_,
        "sub_type": sub_type,
        "component_id": component_id,
        "by": by,
        "search": search,
        "from_": _moment(since, "--from"),
        "to": _moment(until, "--to"),
        "archived": archived or None,
    }
    history_(url, limit, as_json, filters)


def _moment(text: str | None, flag: str) -> int | None:
    from athena.cli.history import moment

    try:
        return None if text is None else moment(text, int(time.time() * 1000))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=flag) from None


def _text_within(limit: int) -> Callable[[str | None], str | None]:
    """An option's callback that accepts 1 to `limit` characters."""

    def checked(text: str | None) -> str | None:
        if text is not None and not 1 <= len(text) <= limit:
            raise typer.BadParameter(f"expected 1 to {limit} characters, got {len(text)}")
        return text

    return checked


def _label(metavar: str, help_: str, *flags: str) -> Any:
    """An option for a short text that is stored with the transaction."""
    return typer.Option(*flags, metavar=metavar, callback=_text_within(256), help=help_, show_default=False)


@app.command(context_settings={"allow_interspersed_args": False})
def run(
    command: Annotated[list[str], typer.Argument(metavar="COMMAND", help="The command, and its arguments.")],
    description: Annotated[str, _label("TEXT", "What is being done, in a few words.", "--description", "-d")],
    steps: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", min=1, max=999_999_999, help="How many steps it has.", show_default=False),
    ] = None,
    by: Annotated[str | None, _label("NAME", "Who started it.", "--by")] = None,
    component_id: Annotated[str | None, _label("ID", "What it is about.", "--component-id")] = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Run any command as a transaction.

    Lines `::step K message` or `::step K/N message` in its output set the step and are not printed; everything else
    passes through untouched. Its exit code decides success or error, and is the exit code of `athena run`. The command
    is never broken or delayed, even if Athena is down.

    For example: athena run -d "install a package" --steps 3 -- ./install.sh
    """
    from athena.cli.run import run as run_

    raise typer.Exit(run_(url, command, description=description, steps=steps, by=by, component_id=component_id))


@app.command()
def demo(
    speed: Annotated[float, typer.Option(metavar="FACTOR", min=0.01, help="Times as fast.")] = 1.0,
    url: Url = DEFAULT_URL,
) -> None:
    """Report a few realistic transactions, one failing and undoing, for about 20 seconds."""
    from athena.cli.demo import demo as demo_

    demo_(url, speed)


CopyFile = Annotated[Path, typer.Argument(metavar="FILE", show_default=False)]


@app.command()
def backup(file: CopyFile, data: access.Data = access.DEFAULT_DATA) -> None:
    """Copy the history to a new file, whether or not the server runs.

    The copy is the history at one moment; producers do not wait for it. It contains no keys and no audit log.
    """
    from athena.cli.backup import backup as backup_

    backup_(Path(data), file)


@app.command()
def restore(
    file: CopyFile,
    replace: Annotated[bool, typer.Option("--replace", help="Put the history that is there aside.")] = False,
    data: access.Data = access.DEFAULT_DATA,
) -> None:
    """Restore the history from a copy. The server must not be running.

    Every page of the copy is checked first; if it cannot be used, nothing is changed.
    """
    from athena.cli.backup import put_back

    put_back(Path(data), file, replace)


@app.command()
def doctor(
    url: Url = DEFAULT_URL,
    data: access.Data = access.DEFAULT_DATA,
    thorough: Annotated[bool, typer.Option("--thorough", help="Read every page of the history's file.")] = False,
    as_json: access.AsJson = False,
) -> None:
    """Check everything that Athena needs, and say how to fix what is wrong.

    The data directory, SQLite, the history, the disk, limits and the clock of this machine; then, if a server answers,
    a real transaction, which must arrive over every transport and is archived afterwards. Nothing else is changed.
    Exits with status 1 if a check has failed.
    """
    from athena.cli.doctor import doctor as doctor_

    raise typer.Exit(doctor_(url, Path(data), thorough, as_json))


@app.command(hidden=True)
def seed(
    rows: Annotated[int, typer.Option(min=1, metavar="NUMBER", help="How many rows.")] = 10_000,
    days: Annotated[int, typer.Option(min=1, metavar="NUMBER", help="Over how many days, up to now.")] = 30,
    data: access.Data = access.DEFAULT_DATA,
) -> None:
    """Fill an empty data directory with a made-up history, for measurements and for trying the UI."""
    from athena.cli.seed import seed as seed_

    seed_(Path(data), rows, days)
