"""Installs the peers: npm packages and Python packages, pinned, in separate folders that git ignores.

Nothing is installed twice; if something cannot be installed, the report shows the reason.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from bench.servers import Unavailable

FOLDER = Path(__file__).parent
NPM = FOLDER / "peers/npm"
VENV = FOLDER / ".peers-venv"
LOCK = FOLDER / "peers/python.lock"


def node_modules() -> Path:
    """The npm peers. Raises `Unavailable` with the reason if they cannot be installed."""
    if reason := _npm():
        raise Unavailable(reason)
    return NPM / "node_modules"


def python() -> Path:
    """The interpreter with the Python peers. Raises `Unavailable` with the reason if they cannot be installed."""
    if reason := _venv():
        raise Unavailable(reason)
    return VENV / "bin/python"


@cache
def _npm() -> str:
    if shutil.which("npm") is None or shutil.which("node") is None:
        return "node and npm are not installed"
    command = ["npm", "ci", "--silent", "--no-fund", "--no-audit"]
    return _once(NPM / "package-lock.json", NPM / "node_modules/lock.stamp", [command], NPM)


@cache
def _venv() -> str:
    quiet = ["--quiet", "--disable-pip-version-check"]
    make = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    fill = [str(VENV / "bin/python"), "-m", "pip", "install", *quiet, "--no-deps", "--require-hashes", "-r", str(LOCK)]
    return _once(LOCK, VENV / "lock.stamp", [make, fill], FOLDER)


def _once(lock: Path, stamp: Path, commands: list[list[str]], folder: Path) -> str:
    """Run `commands`, unless already done for this lock file -> why they failed, or an empty string."""
    if stamp.is_file() and stamp.read_bytes() == lock.read_bytes():
        return ""
    for command in commands:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["it said nothing"]
            return f"{Path(command[0]).name} failed: {last[0][:200]}"
    stamp.write_bytes(lock.read_bytes())
    return ""
