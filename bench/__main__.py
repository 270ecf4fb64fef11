"""`python -m bench`: runs the measurements, prints the table, writes JSON to bench/results/."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import apsw
import typer
from rich.console import Console

import athena
from bench import install, loads, report
from bench.context import Context, Measure
from bench.measures import (
    access,
    apollo,
    burst,
    connects,
    edits,
    history,
    latency,
    memory,
    one,
    slow,
    stall,
    steady,
    storm,
)
from bench.servers import Unavailable, cores, pinned

RESULTS = Path(__file__).parent / "results"
IMAGES = Path(__file__).parent.parent / "docs/images"

QUIET_LOAD = 0.5
"""Load average above which other programs are using the machine."""

MEASURES: dict[str, Measure] = {
    "burst": burst.measure,
    "steady": steady.measure,
    "one": one.measure,
    "stall": stall.measure,
    "memory": memory.measure,
    "connects": connects.measure,
    "storm": storm.measure,
    "slow": slow.measure,
    "latency": latency.measure,
    "single": edits.measure_single,
    "bulk": edits.measure_bulk,
    "history": history.measure,
    "access": access.measure,
    "apollo": apollo.measure,
}

APART = ("apollo",)
"""Takes two minutes with a browser and says nothing about the server: only on request."""


def main(
    only: Annotated[
        list[str] | None,
        typer.Option(help=f"Measure this alone: {', '.join(MEASURES)}. Repeatable; without it, all but apollo."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds a figure; its median is reported.")] = 5,
    quick: Annotated[bool, typer.Option("--quick", help="2 short rounds: to see that it works, not how fast.")] = False,
    rows: Annotated[int, typer.Option(min=200_000, help="Rows of the history that pages are read from.")] = 1_000_000,
    plots: Annotated[bool, typer.Option("--plots", help="Draw the pictures of docs/images anew.")] = False,
) -> None:
    """Measure Athena's speed and memory beside its peers."""
    names = only or [name for name in MEASURES if name not in APART]
    if unknown := set(names) - set(MEASURES):
        raise typer.BadParameter(f"expected some of {', '.join(MEASURES)}, got {', '.join(sorted(unknown))}")
    console = Console(width=None if sys.stdout.isatty() else 150)
    rounds = 2 if quick else rounds
    _allow_many_files()
    RESULTS.mkdir(exist_ok=True)
    busy = os.getloadavg()[0]
    # Next to the results, not in /tmp: that may be in memory, where a sync costs nothing.
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=RESULTS) as scratch, pinned(cores().load):
        try:
            context = Context(rounds, quick, Path(scratch), loads.prepare(Path(scratch)), rows)
        except Unavailable as error:
            raise typer.BadParameter(str(error)) from None
        with console.status("putting the peers in place"):
            _install()
        figures, seconds = _measure(names, context, console)
    machine = _machine(rounds, busy, seconds)
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.json"
    report.write(figures, machine, path)
    report.show(figures, console)
    console.print(
        f"Median of {rounds} rounds; server on core {cores().server}, load on core {cores().load}, loopback. "
        f"Only ratios travel. {machine['seconds']:.0f} s. Written to {os.path.relpath(path)}"
    )
    if busy > QUIET_LOAD:
        console.print(
            f"[yellow]Load {busy:.1f} before it began: others want these cores too. Trust the ratios alone.[/]"
        )
    if plots:
        console.print(_plot(path))


def _install() -> None:
    """Before anything is measured; a peer that cannot be installed is reported by the measurement that needs it."""
    for get in (install.node_modules, install.python):
        with suppress(Unavailable):
            get()


def _measure(names: list[str], context: Context, console: Console) -> tuple[list[report.Figure], dict[str, float]]:
    """-> all figures, and how many seconds each measurement took."""
    figures: list[report.Figure] = []
    seconds: dict[str, float] = {}
    for name in names:
        begun = time.monotonic()
        with console.status(f"{name}: {context.rounds} rounds"):
            try:
                figures += MEASURES[name](context)
            except Unavailable as error:
                figures.append(report.Figure(group=name, name="Athena", unit="", missing=str(error)))
        seconds[name] = round(time.monotonic() - begun, 1)
    return figures, seconds


def _plot(path: Path) -> str:
    """Draw the pictures of docs/images from the results in `path` -> a message about it."""
    try:
        command = [str(install.python()), "-m", "bench.plots", str(path), str(IMAGES)]
    except Unavailable as error:
        return f"[yellow]No plots: {error}[/]"
    done = subprocess.run(command, cwd=IMAGES.parent.parent, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else f"[yellow]No plots: {done.stderr.strip()[-300:]}[/]"


def _allow_many_files() -> None:
    """Raise the limit of open files to its maximum; child processes inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _machine(rounds: int, busy: float, seconds: dict[str, float]) -> dict[str, Any]:
    """What is needed to judge the figures."""
    node = shutil.which("node")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout if node else ""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "athena": athena.__version__,
        "rounds": rounds,
        "cores": os.cpu_count(),
        "pinned": cores()._asdict(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "sqlite": apsw.sqlite_lib_version(),
        "node": version.strip() or None,
        "load_at_start": round(busy, 2),
        "seconds": round(sum(seconds.values()), 1),
        "seconds_each": seconds,
    }


if __name__ == "__main__":
    typer.run(main)
