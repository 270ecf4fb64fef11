"""`make setup` and the Python it selects: the real scripts, with a fake Python that only identifies itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PYTHON = """#!/bin/sh
case "$*" in
    *realpath*) cat "$(dirname "$0")/identity" ;;
    *version_info*) {version} ;;
    *sys.base_prefix*) exit {elsewhere} ;;
    *ensurepip*) [ -z "{incomplete}" ] || [ -e "$(dirname "$0")/../installed" ] ;;
    *"-m venv"*) mkdir -p .venv/bin && cp "$(dirname "$0")/identity" .venv/bin/ && cp "$0" .venv/bin/python &&
        cp "$0" .venv/bin/athena ;;
esac
"""


class Project:
    """A working tree with only the setup, and an `apt-get` (and `sudo`) that only record their calls."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "a project"
        self.bin = directory / "bin"
        shutil.copytree(ROOT / "scripts", self.path / "scripts")
        for lock in ("requirements.lock", "requirements-dev.lock"):
            (self.path / lock).touch()
        self.bin.mkdir()
        self.command("sudo", '#!/bin/sh\nexec "$@"\n')
        self.command("apt-get", '#!/bin/sh\necho "$*" >> "$(dirname "$0")/installed"\n')

    def command(self, name: str, text: str) -> Path:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def python(self, version: str, does: str = "", incomplete: str = "", elsewhere: int = 0) -> Path:
        directory = self.bin / version
        directory.mkdir()
        (directory / "identity").write_text(version)
        text = PYTHON.format(version=does or f"echo {version}", incomplete=incomplete, elsewhere=elsewhere)
        return self.command(f"{version}/python", text)

    def set_up(self, python: Path | str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": f"{self.bin}:{os.environ['PATH']}", "PYTHON": str(python)}
        command = ["sh", str(self.path / "scripts/setup.sh")]
        return subprocess.run(command, env=environment, cwd=self.bin, capture_output=True, text=True, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_a_venv_stays_until_another_python_is_asked_for(project: Project) -> None:
    left = project.path / ".venv/left"
    first = project.python("3.11.7")
    assert "packages for Python 3.11.7" in project.set_up(first).stderr
    left.touch()
    assert project.set_up(first).stderr == ""
    assert left.exists()
    (project.path / "requirements-dev.lock").write_text("# another one\n")
    assert "packages for Python 3.11.7" in project.set_up("3.11.7/python").stderr, "named from where the caller is"
    assert left.exists()
    done = project.set_up(project.python("3.12.1"))
    assert done.returncode == 0
    assert "packages for Python 3.12.1" in done.stderr
    assert not left.exists(), "one Python's commands with the library of another"


def test_a_venv_whose_python_is_gone_is_made_anew(project: Project) -> None:
    first = project.python("3.11.7")
    project.set_up(first)
    (project.path / ".venv/bin/python").unlink()
    (project.path / ".venv/bin/python").symlink_to("/nowhere/python")
    assert "packages for Python 3.11.7" in project.set_up(first).stderr
    assert project.set_up(first).stderr == ""


def test_only_what_is_missing_of_the_systems_python_is_installed(project: Project) -> None:
    installed = project.bin / "installed"
    done = project.set_up(project.python("3.12.1", incomplete="yes", elsewhere=1))
    assert done.returncode == 1
    assert "the modules venv and ensurepip" in done.stderr
    assert not installed.exists()
    assert not (project.path / ".venv").exists()
    assert project.set_up(project.python("3.11.7", incomplete="yes")).returncode == 0
    assert installed.read_text().split()[-1] == "python3.11-venv"


@pytest.mark.parametrize("does", ["exit 1", "echo 'no such version is installed' >&2; exit 127"])
def test_a_python_that_will_not_do_is_named_and_nothing_is_installed(project: Project, does: str) -> None:
    python = project.python("3.10.1", does)
    done = project.set_up(python)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"setup: expected a Python that runs, 3.11 or newer, got {python}")
    for unusable in ("no-such-python", "python3 -X dev", str(project.bin)):
        done = project.set_up(unusable)
        assert done.returncode == 1
        assert f"got {unusable}" in done.stderr
    assert not (project.bin / "installed").exists()
    assert not (project.path / ".venv").exists()
