"""Imports without the garbage collector, which would repeatedly scan objects that are only ever added to.

Otherwise it takes a tenth of the time until Athena is ready.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """Import within this block: objects that exist at its end are treated as needed, and never scanned again."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
