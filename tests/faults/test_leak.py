"""The control of `leak` is detected by counting clients, so its memory measurement has a separate control."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from tests.faults import leak
from tests.faults.promise import PromiseBroken, Round


def test_memory_that_is_left_behind_is_found_out(tmp_path: Path) -> None:
    with pytest.raises(PromiseBroken, match="bytes after each of the last"):
        leak.churn(Round(tmp_path, Random(1), 1, "hoard"))
