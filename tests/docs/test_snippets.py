"""Every `sh` snippet of the README and the API docs that talks to a running Athena is run against one."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.docs.test_docs import DOCS, ROOT
from tests.support.server import Athena


def snippets() -> Iterator[tuple[str, str]]:
    for page in (ROOT / "README.md", DOCS / "api.md"):
        for number, text in enumerate(re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL), 1):
            if "curl" in text:
                yield f"{page.name} {number}", text


@pytest.mark.parametrize("text", [text for _, text in snippets()], ids=[name for name, _ in snippets()])
def test_snippet(start_athena: Callable[..., Athena], tmp_path: Path, text: str) -> None:
    """Run in a directory where a server has just been started for the first time, as in the README."""
    athena = start_athena("--auth", "keys", data=tmp_path / "athena-data")
    text = text.replace("http://127.0.0.1:8787", athena.url).replace("curl ", "curl --fail -w '\\n' ")
    script = f"set -eu\nexport ATHENA_KEY=$(cat athena-data/manager.key)\n{text}"
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines() if line]
    assert answers
    for answer in answers:
        assert "statusCode" not in answer
