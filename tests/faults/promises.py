"""All promises of this suite, with how often each is tried."""

from __future__ import annotations

from tests.faults import crash, crowd, failed_write, full_disk, leak, resume, terminal
from tests.faults.promise import Promise

PROMISES = (
    Promise("acknowledged", "acknowledged is on disk", "kills", 4, 1_000, 4, crash.kill, "acknowledge_before_commit"),
    Promise("power", "survives power loss", "power cuts", 6, 200, 6, crash.power, "synchronous_normal"),
    Promise("failed-sync", "a failed sync ends it", "syncs", 2, 200, 2, crash.sync, "survive_a_failed_sync"),
    Promise("failed-write", "a failed write fails cleanly", "failures", 150, 20_000, 150, failed_write.fail),
    Promise("full-disk", "a full disk harms nothing else", "fills", 1, 50, 1, full_disk.fill),
    Promise(
        "resume", "no gap, no duplicate, in order", "cuts", 120, 10_000, 60, resume.disconnect, "read_before_attach"
    ),
    Promise(
        "one-end", "exactly one terminal state", "races", 1_500, 100_000, 500, terminal.race, "expire_unconditionally"
    ),
    Promise("slow", "slow and dead clients harm nobody", "clients", 50, 2_000, 50, crowd.slow),
    Promise("storm", "all come back after a crash", "clients", 300, 10_000, 10_000, crowd.storm),
    Promise("stop", "a clean stop", "stops", 2, 200, 10, crowd.stop),
    Promise("leak", "nothing leaks", "turns", 6, 7_000, 7_000, leak.churn, "never_detach"),
)

BY_NAME = {promise.name: promise for promise in PROMISES}
