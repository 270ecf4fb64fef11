"""`athena watch`: the board, and the command itself in a terminal and in a pipe."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from rich.console import Console
from tests.support.server import ATHENA, PATIENCE, Athena, environment
from tests.support.terminal import Terminal

from athena.cli.watch import MOST_ROWS, Board, Interrupts, PlainLog, finished_line, plain_line, rendered

TIME = r"\d\d:\d\d:\d\d"


def row(key: str = "a", status: str = "pending", **members: Any) -> dict[str, Any]:
    return {"id": key, "status": status, "message": f"job {key}", **members}


# ---- the board -------------------------------------------------------------------------------------------------------
def test_what_goes_on_is_shown_in_order_of_its_start() -> None:
    board = Board()
    assert board.replace([row("new"), row("old"), row("over", "success")]) == [row("old"), row("new")]
    assert board.change(row("newest"))
    assert list(board.active) == ["old", "new", "newest"]


def test_a_change_keeps_its_place() -> None:
    board = Board()
    board.replace([row("b"), row("a")])
    assert board.change(row("a", on_step=1, total_steps=2))
    assert list(board.active) == ["a", "b"]


def test_what_is_over_is_news_and_leaves() -> None:
    board = Board()
    board.replace([row("a")])
    assert board.change(row("a", "success"))
    assert board.change(row("notice", "error"))
    assert board.active == {}


def test_what_looks_the_same_is_no_news() -> None:
    board = Board()
    board.replace([row("a", on_step=1)])
    assert not board.change(row("a", on_step=1, cursor="later"))
    assert board.change(row("a", "undoing", on_step=1))


def test_a_refetch_tells_only_what_is_different() -> None:
    board = Board()
    board.replace([row("c"), row("b"), row("a")])
    news = board.replace([row("d"), row("b", on_step=1), row("a"), row("c", "error"), row("old", "success")])
    assert news == [row("c", "error"), row("b", on_step=1), row("d")]
    assert list(board.active) == ["a", "b", "d"]


def test_archived_ones_leave() -> None:
    board = Board()
    board.replace([row("b"), row("a")])
    board.remove(("a", "unknown"))
    assert list(board.active) == ["b"]


def test_memory_is_bounded() -> None:
    board = Board()
    for index in range(MOST_ROWS + 10):
        board.change(row(str(index)))
    assert len(board.active) == MOST_ROWS
    assert next(iter(board.active)) == "10"


# ---- how it is written -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, "pending job a (a)"),
        ({"on_step": 2, "total_steps": 9}, "pending [2/9] job a (a)"),
        ({"total_steps": 9}, "pending [-/9] job a (a)"),
        ({"message": "[red]x[/red] \x1b[31m\n"}, "pending [red]x[/red] �[31m  (a)"),
        ({"message": None, "id": ["x"]}, "pending None (['x'])"),
    ],
)
def test_plain_line(members: dict[str, Any], expected: str) -> None:
    assert re.fullmatch(TIME + " " + re.escape(expected), plain_line({**row(), **members}, 1_700_000_000_000))


def test_an_outage_is_said_once() -> None:
    said: list[str] = []
    log = PlainLog(said.append, said.append)
    log.connection(None)
    for _ in range(3):
        log.connection("connection refused")
    log.refresh()
    log.connection(None)
    log.connection(None)
    assert said == ["athena watch: reconnecting (connection refused)", "athena watch: connected again"]


def drawn(board: Board, height: int, width: int = 80) -> list[str]:
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(rendered(board, height, now=10_000))
    return [line.rstrip() for line in captured.get().splitlines()]


def test_rendered() -> None:
    board = Board()
    board.replace([row("b", ts_started=9_000), row("a", on_step=1, total_steps=2, ts_started=3_000)])
    [first, second, _] = drawn(board, 10)
    assert re.fullmatch(r"pending ━{9,10}[╸╺]?\s*━*\s* 1/2 job a +7 s", first)
    assert re.fullmatch(r"pending +job b +1 s", second)


def test_it_never_needs_more_lines_than_there_are() -> None:
    board = Board()
    for index in range(100):
        board.change(row(str(index), message="long " * 50))
    for height in (2, 5, 30):
        lines = drawn(board, height)
        assert len(lines) == height
        assert lines[-1] == f"and {100 - (height - 1)} that started earlier"
        assert all(len(line) <= 80 for line in lines)
    assert len(drawn(board, 0)) == 2


def test_text_from_elsewhere_is_only_text() -> None:
    board = Board()
    board.replace([row("a", message="[bold]x[/bold] \x1b[2J", status="pending")])
    board.connection_lost = "\x1b[2J"
    text = "\n".join(drawn(board, 10))
    assert "[bold]x[/bold] �[2J" in text
    assert "\x1b" not in text
    assert "\x1b" not in finished_line(row("a", "\x1b[2J", message="\x1b[2J")).plain


@pytest.mark.parametrize(
    "odd",
    [
        {"status": []},
        {"total_steps": -1, "on_step": 10**30},
        {"total_steps": 0},
        {"ts_started": "x"},
        {"ts_completed": 10**30},
    ],
)
def test_odd_rows_are_drawn_somehow(odd: dict[str, Any]) -> None:
    board = Board()
    board.active = {"a": {**row(), **odd}}
    assert "job a" in drawn(board, 10)[0]
    assert "job a" in finished_line({**row(), **odd}).plain


def test_a_finished_line_says_when_what_and_how_long() -> None:
    line = finished_line(row("a", "success", ts_started=1_000, ts_completed=188_000)).plain
    assert re.fullmatch(TIME + r" success job a  3:07", line)


def test_an_interrupt_waits_until_a_drawing_is_complete() -> None:
    with Interrupts() as interrupts:
        done: list[str] = []

        def draw() -> None:
            with interrupts.deferred():
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGTERM)
                done.append("all")

        with pytest.raises(SystemExit) as ended:
            draw()
        assert done == ["all"]
        assert ended.value.code == 128 + signal.SIGTERM


def test_an_interrupt_between_drawings_takes_effect_at_once() -> None:
    with Interrupts() as interrupts:
        with interrupts.deferred():
            pass
        with pytest.raises(SystemExit) as ended:
            signal.raise_signal(signal.SIGINT)
        assert ended.value.code == 130
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# ---- in a pipe -------------------------------------------------------------------------------------------------------
@contextmanager
def watching(athena: Athena) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [ATHENA, "watch", "--url", athena.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def lines(process: subprocess.Popen[str], count: int) -> list[str]:
    """The next lines, without their times."""
    assert process.stdout is not None
    found = [process.stdout.readline() for _ in range(count)]
    assert all(re.match(TIME + " .*\n", line) for line in found), found
    return [line[9:-1] for line in found]


def test_plain_lines_across_a_kill_and_a_purge(athena: Athena) -> None:
    athena.request("POST", "/api/v3/webhooks/txs", {"tx_id": "over", "description": "job"})
    athena.request("PUT", "/api/v3/webhooks/txs/over", {"status": "success"})
    athena.request("POST", "/api/v3/webhooks/txs", {"tx_id": "a", "description": "job", "on_step": 1, "total_steps": 3})
    with watching(athena) as process:
        assert lines(process, 1) == ["pending [1/3] job (a)"]
        athena.request("PUT", "/api/v3/webhooks/txs/a", {"status": "pending", "on_step": 2, "athena_msg": "two"})
        assert lines(process, 1) == ["pending [2/3] job: two (a)"]

        athena.kill()
        assert process.stderr is not None
        assert process.stderr.readline() == "athena watch: reconnecting (connection lost)\n"
        athena.start()
        athena.request("PUT", "/api/v3/webhooks/txs/a", {"status": "undoing", "on_step": 1, "athena_msg": "back"})
        athena.request("PUT", "/api/v3/webhooks/txs/a", {"status": "error"})
        last = lines(process, 1)
        if last == ["undoing [1/3] job: back (a)"]:  # a superseded state may be omitted
            last = lines(process, 1)
        assert last == ["error [1/3] job: no error message was given (a)"]
        assert process.stderr.readline() == "athena watch: connected again\n"

        athena.request("DELETE", "/api/v3/notifications/purge")
        athena.request("POST", "/api/v3/webhooks/txs", {"tx_id": "b", "description": "after the purge"})
        assert lines(process, 1) == ["pending after the purge (b)"]
        athena.request("POST", "/api/v3/notifications", {"status": "success", "message": "a notice"})
        assert lines(process, 1)[0].startswith("success a notice (")

        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        assert process.stderr.read() == ""


def test_more_than_its_reader_takes_is_no_failure(athena: Athena) -> None:
    with watching(athena) as process:
        athena.request("POST", "/api/v3/webhooks/txs", {"tx_id": "a", "description": "job"})
        lines(process, 1)
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        athena.request("PUT", "/api/v3/webhooks/txs/a", {"status": "success"})
        assert process.wait(PATIENCE) == 1
        assert process.stderr.read() == ""


# ---- in a terminal ---------------------------------------------------------------------------------------------------
def shows(*parts: str) -> Any:
    """Whether a screen has a line with all these parts."""
    return lambda screen: any(all(part in line for part in parts) for line in screen)


def test_live_in_a_terminal_across_a_kill(athena: Athena) -> None:
    athena.request("POST", "/api/v3/webhooks/txs", {"tx_id": "a", "description": "install", "total_steps": 9})
    with Terminal(ATHENA, "watch", "--url", athena.url, columns=80, lines=10) as terminal:
        terminal.see(shows("pending", "-/9", "install"))
        athena.request("PUT", "/api/v3/webhooks/txs/a", {"status": "pending", "on_step": 5, "athena_msg": "half"})
        screen = terminal.see(shows("pending", "━", "5/9", "install: half"))
        assert len([line for line in screen if "install" in line]) == 1  # updated in place

        athena.kill()
        terminal.see(shows("reconnecting"))
        athena.start()
        athena.request("POST", "/api/v3/webhooks/txs", {"tx_id": "b", "description": "[bold]x[/bold] \x1b[2J"})
        screen = terminal.see(shows("pending", "[bold]x[/bold] �[2J"))
        terminal.see(lambda screen: not shows("reconnecting")(screen))
        assert shows("install: half")(screen)

        athena.request("PUT", "/api/v3/webhooks/txs/a", {"status": "success", "on_step": 9, "athena_msg": "done"})
        athena.request("PUT", "/api/v3/webhooks/txs/b", {"status": "error", "athena_msg": "failed"})
        screen = terminal.see(shows("nothing is going on"))
        assert [line.split()[1] for line in screen[:2]] == ["success", "error"]
        assert "install: done" in screen[0]

        terminal.press(b"\x03")
        assert terminal.wait() == 130
        assert_clean(terminal)
        assert not shows("nothing is going on")(terminal.screen)
        assert shows("install: done")(terminal.screen)  # finished rows stay in the scroll-back


def test_sigterm_leaves_a_clean_terminal_too(athena: Athena) -> None:
    with Terminal(ATHENA, "watch", "--url", athena.url) as terminal:
        terminal.see(shows("nothing is going on"))
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.wait() == 128 + signal.SIGTERM
        assert_clean(terminal)


def assert_clean(terminal: Terminal) -> None:
    """The cursor is visible and keys are shown again; nothing else was written."""
    assert terminal.output.rfind(b"\x1b[?25h") > terminal.output.rfind(b"\x1b[?25l")
    assert terminal.shows_keys
    assert b"^C" not in terminal.output
    assert b"Traceback" not in terminal.output


def test_more_than_fits_stays_within_the_terminal(athena: Athena) -> None:
    opens = [{"op": "open", "tx_id": f"t{index}", "description": f"job {index}"} for index in range(50)]
    athena.request("POST", "/api/v3/webhooks/txs/bulk", opens)
    with Terminal(ATHENA, "watch", "--url", athena.url, columns=60, lines=8) as terminal:
        screen = terminal.see(shows("that started earlier"))
        assert len([line for line in screen if "pending" in line]) == 6
        assert shows("and 44 that started earlier")(screen)


def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines(athena: Athena) -> None:
    athena.request("POST", "/api/v3/webhooks/txs", {"tx_id": "a", "description": "job"})
    with Terminal(ATHENA, "watch", "--url", athena.url, variables={"TERM": "dumb"}) as terminal:
        terminal.read_until(TIME + r" pending job \(a\)\r\n")
        assert b"\x1b" not in terminal.output
