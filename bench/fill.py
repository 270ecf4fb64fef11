"""A long history in seconds: written straight into the store's tables, as the store itself would have left them."""

from __future__ import annotations

import time
from pathlib import Path

import apsw

MINUTE_MS = 60_000

FILL = """
CREATE TEMP TABLE number AS
    WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < :rows) SELECT n FROM counted;

-- Finished transactions, one a minute, the last one now; each was opened (an odd seq) and ended (the next).
INSERT INTO notification
SELECT printf('tx-%07d', n), 2 * n, 'webhook_tx', iif(n % 3, NULL, 'template'), iif(n % 10, 'success', 'error'),
       'Deploy web to production, build ' || n, iif(n % 10, 'all pods are up', 'the disk is full'),
       'n***a@example.com', 'shop-' || n % 50, ended - 30000, ended, ended, 4, 4, 180000, NULL, 0, NULL, NULL
FROM (SELECT n, :now - (:rows - n) * :gap AS ended FROM number);

INSERT INTO change
SELECT 2 * n - 1, NULL, :now - (:rows - n) * :gap - 30000, 'pending', NULL, NULL, 4, 0 FROM number
UNION ALL
SELECT 2 * n, 2 * n - 1, :now - (:rows - n) * :gap, iif(n % 10, 'success', 'error'), 'the end', 4, 4, 0 FROM number
ORDER BY 1;

UPDATE history SET seq = 2 * :rows, total = :rows, total_transactions = :rows;
DROP TABLE number;
"""


def fill(directory: Path, rows: int) -> None:
    """Give the empty history in `directory` so many finished transactions. No server may be running on it."""
    connection = apsw.Connection(str(directory / "athena.db"), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.pragma("synchronous", 0)
        with connection:
            now = time.time_ns() // 1_000_000
            connection.execute(FILL, {"rows": rows, "now": now, "gap": MINUTE_MS})
    finally:
        connection.close()
