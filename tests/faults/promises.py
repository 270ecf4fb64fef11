"""All promises of this suite, with the number of times each is tried."""

from __future__ import annotations

from tests.faults import (
    backup,
    clocks,
    crash,
    crowd,
    failed_write,
    full_disk,
    leak,
    resume,
    retention,
    retries,
    terminal,
)
from tests.faults.promise import Promise

# fmt: off
DISK = (
    Promise("acknowledged", "acknowledged is on disk", "kills", 20, 20, 1_000, 10, crash.kill,
            "acknowledge_before_commit"),
    Promise("power", "survives power loss", "power cuts", 20, 20, 200, 10, crash.power, "synchronous_normal"),
    Promise("failed-sync", "a failed sync ends it", "syncs", 3, 20, 200, 10, crash.sync, "survive_a_failed_sync"),
    Promise("failed-write", "a failed write fails cleanly", "failures", 150, 1_000, 20_000, 150, failed_write.fail),
    Promise("full-disk", "a full disk harms nothing else", "fills", 1, 3, 50, 1, full_disk.fill),
    Promise("backup", "a copy is one moment's history", "copies", 3, 20, 200, 10, backup.copy, "a_plain_copy"),
)
DECISIONS = (
    Promise("resume", "no gap, no duplicate, in order", "cuts", 500, 500, 10_000, 250, resume.disconnect,
            "read_before_attach"),
    Promise("one-end", "exactly one terminal state", "races", 5_000, 5_000, 100_000, 1_000, terminal.race,
            "expire_unconditionally"),
    Promise("retries", "retries are safe", "retries", 100, 500, 10_000, 100, retries.lose, "without_a_key"),
    Promise("clocks", "clock jumps harm nothing", "jumps", 10, 20, 200, 10, clocks.jump, "judge_by_the_wall_clock"),
    Promise("retention", "only what has ended and is old goes", "rows", 3_200, 16_000, 400_000, 8_000,
            retention.replace, "retire_running_ones"),
)
CLIENTS = (
    Promise("slow", "slow and dead clients harm nobody", "clients", 50, 500, 2_000, 500, crowd.slow),
    Promise("storm", "all come back after a crash", "clients", 1_000, 5_000, 10_000, 10_000, crowd.storm),
    Promise("stop", "a clean stop", "stops", 4, 10, 200, 10, crowd.stop),
    Promise("leak", "nothing leaks", "seconds", 10, 120, 3_600, 3_600, leak.churn, "never_detach"),
)
# fmt: on

PROMISES = DISK + DECISIONS + CLIENTS
"""In parts that take about the same time, for tests that run in parallel."""
