"""For a server under test (on its PYTHONPATH): on SIGUSR1 it logs what only the garbage collector has found since the
last time."""

import gc
import signal
import sys
from collections import Counter


def tell(*_: object) -> None:
    gc.collect()
    found = Counter(type(thing).__name__ for thing in gc.garbage)
    gc.garbage.clear()
    gc.set_debug(0)
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    print(f"garbage: {sum(found.values())} {found.most_common(5)}", file=sys.stderr, flush=True)


gc.set_debug(gc.DEBUG_SAVEALL)
signal.signal(signal.SIGUSR1, tell)
