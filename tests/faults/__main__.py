"""`python -m tests.faults`: every promise, with faults injected on purpose, and the control that must fail.

It prints a table, and for a failing round what repeats it: `python -m tests.faults --only NAME --seed SEED --count N`.
The exit status is 1 when a promise was broken, or a control was not found out.
"""

from __future__ import annotations

import argparse
import logging
import random
import signal
import sys
import time

from tests.faults.promise import Promise, PromiseBroken, control_fails, keep
from tests.faults.promises import PROMISES


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_const", const="quick", dest="size", help="as in `make test` (minutes)")
    size.add_argument("--long", action="store_const", const="long", dest="size", help="the long counts (hours)")
    parser.set_defaults(size="short")
    parser.add_argument("--only", metavar="NAME", choices=[one.name for one in PROMISES], help="this promise alone")
    parser.add_argument("--count", type=int, help="how many faults, instead of the promise's own number")
    parser.add_argument("--seed", type=int, help="the seed of the first round (default: a new one)")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # on the way out the servers are ended
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns when a peer is gone, which is what is done here
    seed = random.SystemRandom().getrandbits(31) if given.seed is None else given.seed
    print(f"seed {seed}")
    print(f"{'promise':<36}{'rounds':>18}  {'result':<10}{'control':<28}{'seconds':>8}", flush=True)
    bad = 0
    for promise in PROMISES:
        if given.only in (None, promise.name):
            bad += show(promise, seed, given.count or getattr(promise, given.size))
    return 1 if bad else 0


def show(promise: Promise, seed: int, total: int) -> bool:
    """A line of the table, and one for each failing round -> whether something is wrong."""
    start = time.monotonic()
    result = keep(promise, total, seed)
    broken = any(what.startswith(PromiseBroken.__name__) for _, what in result.failures)
    verdict = "broken" if broken else "not tried" if result.failures else "kept"  # that is, something else went wrong
    control = "–"
    if promise.control is not None:
        try:
            control_fails(promise, seed)
            control = "fails, as it must"
        except AssertionError:
            control = "NOT FOUND OUT"
    times = f"{result.times:,} {promise.unit}"
    print(f"{promise.text:<36}{times:>18}  {verdict:<10}{control:<28}{time.monotonic() - start:>8.1f}", flush=True)
    for failing, what in result.failures:
        count = min(promise.per_round, total)
        print(f"  --only {promise.name} --seed {failing} --count {count}: {what}", flush=True)
    return bool(result.failures) or control == "NOT FOUND OUT"


if __name__ == "__main__":
    sys.exit(main())
