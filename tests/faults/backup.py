"""A copy made under load is the history at one moment: everything acknowledged before it, without a gap.

The control is a plain copy of the file.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path

from tests.faults.crash import check_file
from tests.faults.ledger import Ledger, Load, read_back
from tests.faults.promise import Round, hold, promised
from tests.faults.server import server
from tests.support.server import Athena, run_athena

PRODUCERS = 20


def copy(this: Round) -> None:
    """`times` copies of one history, each restored elsewhere and served."""
    asyncio.run(_copy(this))


async def _copy(this: Round) -> None:
    ledger = Ledger(time.monotonic_ns)
    with server(this.directory / "data") as athena:
        for number in range(this.times):
            target = this.directory / f"copy-{number}"
            async with Load(athena.port, ledger, this.dice, PRODUCERS, f"c{number}-") as load:
                await load.answered(this.dice.randint(50, 400))
                before = time.monotonic_ns()
                await asyncio.to_thread(_copy_file if this.broken else _back_up, athena, target)
                await load.answered(PRODUCERS)  # the load continues throughout
                await load.stop()
            with promised(), server(target) as restored:
                ledger.check(await read_back(restored.port), upto=before)
            check_file(target)
        ledger.check(await read_back(athena.port))


def _back_up(athena: Athena, target: Path) -> None:
    file = target.with_suffix(".db")
    for arguments in (("backup", str(file), "--data", str(athena.data)), ("restore", str(file), "--data", str(target))):
        done = run_athena(*arguments)
        hold(done.returncode == 0, f"athena {arguments[0]}: {done.stderr.decode()}")
    hold(file.stat().st_mode & 0o777 == 0o600, "others may read the copy")


def _copy_file(athena: Athena, target: Path) -> None:
    target.mkdir()
    shutil.copyfile(athena.data / "athena.db", target / "athena.db")
