"""The floor for bulks: only the statements that Athena's store runs for an edit, on the same schema and settings.

No HTTP, no decoding, no lifecycle, no push; all parameters are created before the clock starts.

    python -m bench.peers.bare_sqlite DIRECTORY LINES [plain]

For each line of its input it works for that many seconds, and prints the edits per second. Each edit of a batch is of a
different transaction, as in the bulks. With `plain` the rows are the same, but the schema lacks Athena's optimization:
the next deadline is found by an index of all deadlines (docs/decisions/0025).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import apsw

from athena.database import connect, load_blocks, make_durable, migrate
from athena.store.sqlite_file import tune
from bench.traffic import MESSAGES, STEPS

SQL = load_blocks("athena.store", "sqlite.sql")
BATCHES = 8
"""Batches that are prepared before each timed stretch."""

PLAIN = """
DROP INDEX notification_to_look_at;
CREATE INDEX notification_by_deadline ON notification (deadline, id) WHERE deadline IS NOT NULL;
"""

Row = tuple[object, ...]


def main(directory: Path, lines: int, plain: bool) -> None:
    db = connect(directory / "floor.db", apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
    make_durable(db)
    tune(db)
    migrate(db, "athena.store")
    if plain:
        db.execute(PLAIN)
    ids = [f"bulk-0-{number:06}" for number in range(lines)]
    seq = _open(db, ids)
    for told in sys.stdin:
        stored, spent = 0, 0.0
        while spent < float(told):
            batches = [_batch(ids, seq + turn * lines, turn) for turn in range(BATCHES)]
            begun = time.perf_counter()
            for states, changes in batches:
                seq += lines
                with db:
                    db.executemany(SQL["progress"], states)
                    db.executemany(SQL["insert_change"], changes)
                    db.execute(SQL["advance"], (seq, 0, 0))
            spent += time.perf_counter() - begun
            stored += BATCHES * lines
        print(stored / spent, flush=True)


def _open(db: apsw.Connection, ids: list[str]) -> int:
    rest = (None, 0, None, 0, 1, STEPS, 10_000_000, 10_000_000, 0, "f" * 32, None)
    with db:
        db.executemany(
            SQL["insert"],
            [
                (tx_id, seq, "webhook_tx", None, "pending", f"Deploy {tx_id}", None, "-", *rest)
                for seq, tx_id in enumerate(ids, 1)
            ],
        )
        db.execute(SQL["advance"], (len(ids), len(ids), len(ids)))
    return len(ids)


def _batch(ids: list[str], seq: int, turn: int) -> tuple[list[Row], list[Row]]:
    """The parameters of one edit of each id: those for the rows, and those for the changes."""
    encoded = MESSAGES[turn % 2].encode()
    states: list[Row] = []
    changes: list[Row] = []
    for number, tx_id in enumerate(ids, seq + 1):
        message = encoded.decode()  # a separate string for each, as if decoded from a request
        states.append((number, f"Deploy {tx_id}", message, 1, STEPS, 10_000_000, 10_000_000 + number, tx_id))
        changes.append((number, number - len(ids), number, "pending", message, 1, STEPS, 0))
    return states, changes


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), "plain" in sys.argv[3:])
