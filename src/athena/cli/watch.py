"""`athena watch`: running transactions, live in the terminal; one plain line per change if the output is no terminal.

`Board` is the state to show: it takes rows and messages and knows no terminal. `LiveDisplay` draws it in place,
`PlainLog` writes lines. `watch` feeds them from the history, then from the live stream, at the history's cursor.
"""

from __future__ import annotations

import signal
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from athena.cli.credentials import find_key
from athena.cli.text import ACTIVE, STATUS_STYLES, complain, duration, harmless, local_time, steps, whole_number
from athena.client import Archived, Change, Client, Disconnected, Event, LiveStream, Ready, Reset

MOST_ROWS = 1000
"""Transactions kept in memory; beyond that, those that started last. Terminals show fewer. At most one page of the
history."""

TICK = 0.5
"""Seconds between redraws while nothing happens, since elapsed times advance."""

FASTEST_REDRAW = 0.05
"""The least seconds between redraws: a burst of changes is drawn once."""

BAR_WIDTH = 20
STDIN = 0

Row = Mapping[str, Any]


class Board:
    """The running transactions, in order of their start.

    A row is news only if it differs from what was last seen of it.
    """

    def __init__(self) -> None:
        self.active: dict[str, Row] = {}
        self.connection_lost: str | None = None

    def replace(self, rows: list[Row]) -> list[Row]:
        """Replace the state by `rows`, the newest part of the history in its order. Returns the news: running rows, and
        those that have finished since they were last shown as running."""
        before, self.active = self.active, {}
        news = []
        for row in reversed(rows):
            known = before.get(_id(row))
            if row.get("status") in ACTIVE:
                self.active[_id(row)] = row
            elif known is None:
                continue
            if known is None or _shown(known) != _shown(row):
                news.append(row)
        return news

    def change(self, message: Row) -> bool:
        """A transaction or notice changed; returns whether that is news."""
        key = _id(message)
        if message.get("status") not in ACTIVE:
            self.active.pop(key, None)
            return True
        known = self.active.get(key)
        self.active[key] = message
        if len(self.active) > MOST_ROWS:
            del self.active[next(iter(self.active))]
        return known is None or _shown(known) != _shown(message)

    def remove(self, ids: tuple[str, ...]) -> None:
        """These were archived."""
        for key in ids:
            self.active.pop(key, None)


def _id(row: Row) -> str:
    return str(row.get("id"))


def _shown(row: Row) -> tuple[object, ...]:
    return tuple(row.get(name) for name in ("status", "message", "on_step", "total_steps"))


class Display(Protocol):
    """What shows the board."""

    def news(self, row: Row) -> None:
        """`row` is new or has changed."""

    def connection(self, lost: str | None) -> None:
        """The connection was lost, for this reason, or is back (None)."""

    def refresh(self) -> None:
        """Time has passed."""


class PlainLog:
    """One line per change: `14:03:07 pending [2/9] install a package: unpacking (run-1)`. Flushed at once."""

    def __init__(self, write: Callable[[str], None], warn: Callable[[str], None]) -> None:
        self._write = write
        self._warn = warn
        self._lost = False

    def news(self, row: Row) -> None:
        self._write(plain_line(row, int(time.time() * 1000)))

    def connection(self, lost: str | None) -> None:
        if lost is not None and not self._lost:
            self._warn(f"athena watch: reconnecting ({lost})")
        elif lost is None and self._lost:
            self._warn("athena watch: connected again")
        self._lost = lost is not None

    def refresh(self) -> None:
        pass


def plain_line(row: Row, now: int) -> str:
    """`HH:MM:SS status [step/total] message (id)`; without the step if it is unknown. `now` is in Unix ms."""
    position = f" [{steps(row)}]" if steps(row) else ""
    return (
        f"{local_time(now, '%H:%M:%S')} {harmless(row.get('status'))}{position} "
        f"{harmless(row.get('message'))} ({harmless(row.get('id'))})"
    )


class Interrupts:
    """SIGINT (Ctrl-C) and SIGTERM end the command with status 128+n, but not in the middle of drawing: the contents of
    the screen must be known, or the wrong lines would be erased at the end.
    """

    def __init__(self) -> None:
        self._deferring = False
        self._waiting: int | None = None

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self.handle) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def handle(self, number: int, _frame: FrameType | None = None) -> None:
        if not self._deferring:
            raise SystemExit(128 + number)
        self._waiting = number

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Signals that arrive inside take effect at the end."""
        self._deferring = True
        # Also blocked, so that none interrupts a write: the rest would be lost in the buffers of sys.stdout.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, self._before)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            self._deferring = False
        if self._waiting is not None:
            raise SystemExit(128 + self._waiting)


class LiveDisplay:
    """Draws active transactions in place at the bottom; finished ones are printed above and scroll away."""

    def __init__(self, board: Board, live: Live, interrupts: Interrupts) -> None:
        self._board = board
        self._live = live
        self._interrupts = interrupts
        self._finished: list[Text] = []
        self._drawn = 0.0

    def news(self, row: Row) -> None:
        if row.get("status") not in ACTIVE:
            self._finished.append(finished_line(row))
        if time.monotonic() - self._drawn > FASTEST_REDRAW:
            self.refresh()

    def connection(self, lost: str | None) -> None:
        self._board.connection_lost = lost
        self.refresh()

    def refresh(self) -> None:
        self._drawn = time.monotonic()
        console = self._live.console
        with self._interrupts.deferred():
            self._live.update(rendered(self._board, console.height - 1, int(time.time() * 1000)))
            if self._finished:
                lines = Text("\n").join(self._finished)
                self._finished.clear()
                console.print(lines)  # which redraws the rest below them
            else:
                self._live.refresh()


def finished_line(row: Row) -> Text:
    """A finished transaction or a notice, as printed to the terminal's scroll-back."""
    completed = whole_number(row.get("ts_completed")) or whole_number(row.get("ts_display"))
    line = Text()
    line.append(f"{local_time(completed, '%H:%M:%S'):8} ", "dim")
    line.append(f"{harmless(row.get('status')):8}", STATUS_STYLES.get(str(row.get("status")), ""))
    line.append(harmless(row.get("message")))
    if took := duration(elapsed(row, completed)):
        line.append(f"  {took}", "dim")
    return line


def rendered(board: Board, height: int, now: int) -> Group:
    """The active transactions in at most `height` lines, the last started at the bottom; `now` is in Unix ms."""
    rows = list(board.active.values())
    hidden = max(0, len(rows) - max(1, height - 1))
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(width=7, no_wrap=True)
    table.add_column(width=BAR_WIDTH, no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column(no_wrap=True, justify="right")
    for row in rows[hidden:]:
        style = STATUS_STYLES.get(str(row.get("status")), "")
        table.add_row(
            Text(harmless(row.get("status")), style),
            _bar(row, style),
            Text(steps(row)),
            Text(harmless(row.get("message"))),
            Text(duration(elapsed(row, now)), "dim"),
        )
    return Group(table, _footer(board, hidden))


def _bar(row: Row, style: str) -> ProgressBar | Text:
    total_steps = whole_number(row.get("total_steps"))
    if not total_steps:
        return Text("")
    on_step = whole_number(row.get("on_step")) or 0
    return ProgressBar(total_steps, on_step, width=BAR_WIDTH, complete_style=style, finished_style=style)


def _footer(board: Board, hidden: int) -> Text:
    parts = [f"and {hidden:,} that started earlier"] if hidden else []
    if board.connection_lost is not None:
        parts.append(f"reconnecting ({harmless(board.connection_lost)})")
    elif not board.active:
        parts.append("nothing is going on; waiting (Ctrl-C ends)")
    return Text(" · ".join(parts), "dim", no_wrap=True, overflow="ellipsis")


def elapsed(row: Row, until: int | None) -> int | None:
    """Milliseconds from the row's start to `until`; None if either is unknown."""
    started = whole_number(row.get("ts_started"))
    return None if started is None or until is None else max(0, until - started)


# ---- the command -----------------------------------------------------------------------------------------------------
def watch(url: str) -> None:
    """Show running transactions until interrupted. Raises `ClientError` when Athena cannot be reached at the start, or
    whenever it refuses the key; otherwise reconnects by itself."""
    board = Board()
    with Client(url, key=find_key(url)) as client, _display(board) as display:

        def refetch() -> str:
            page = client.notifications(limit=MOST_ROWS)
            for row in board.replace(page["notifications"]):
                display.news(row)
            display.refresh()
            return str(page["cursor"])

        with LiveStream(url, refetch(), refetch=refetch, key=find_key(url)) as stream:
            while True:
                event = stream.receive(TICK)
                if event is None:
                    display.refresh()
                else:
                    _show(event, board, display)


def _show(event: Event, board: Board, display: Display) -> None:
    match event:
        case Change(message):
            if board.change(message):
                display.news(message)
        case Archived(ids):
            board.remove(ids)
        case Ready():
            display.connection(None)
        case Disconnected(_, _, refusal) if refusal is not None and refusal.http_status in (401, 403):
            raise refusal  # the key was revoked: retrying is pointless
        case Disconnected(why):
            display.connection(why)
        case Reset():
            pass  # the stream refetches


@contextmanager
def _display(board: Board) -> Iterator[Display]:
    console = Console(highlight=False)
    if not console.is_terminal or console.is_dumb_terminal:
        yield PlainLog(lambda line: print(line, flush=True), complain)
        return
    live = Live(console=console, auto_refresh=False, transient=True, vertical_overflow="crop")
    with _keys_kept_out(), Interrupts() as interrupts:
        try:
            with interrupts.deferred():
                live.start()
            yield LiveDisplay(board, live, interrupts)
        finally:
            with interrupts.deferred():
                live.stop()


@contextmanager
def _keys_kept_out() -> Iterator[None]:
    """Keep the keyboard from changing the screen: keys are not echoed (a `^C` would land in the middle of the drawing),
    and Ctrl-C does not discard output that is not yet shown (termios(3), NOFLSH).
    """
    try:
        before = termios.tcgetattr(STDIN)
    except termios.error:
        yield  # standard input is not a terminal
        return
    quiet = [*before[:3], (before[3] & ~termios.ECHO) | termios.NOFLSH, *before[4:]]
    termios.tcsetattr(STDIN, termios.TCSADRAIN, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(STDIN, termios.TCSADRAIN, before)
