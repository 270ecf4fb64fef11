"""`python -m tests.fuzz --inputs 1000000`: many inputs to everything that reads what clients send.

It prints a table, and for a failure the seed that repeats it:
`python -m tests.fuzz --target NAME --seed SEED --inputs 1`. The exit status is 1 when something failed.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.fuzz.runner import Outcome, Target, run, targets


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000, help="how many, over all targets (default: %(default)s)")
    parser.add_argument("--target", help="this one alone; a part of its name will do")
    parser.add_argument("--seed", type=int, help="the seed of the first input (default: a new one)")
    given = parser.parse_args()
    seed = random.SystemRandom().getrandbits(31) if given.seed is None else given.seed
    print(f"seed {seed}\n{'target':<20}{'inputs':>12}{'seconds':>10}{'failures':>10}", flush=True)
    failed = total = 0
    with tempfile.TemporaryDirectory() as directory, targets(Path(directory)) as every:
        for target in every:
            if given.target is None or given.target in target.name:
                share = 1.0 if given.target else target.share
                outcome = run(target, max(1, round(given.inputs * share)), seed)
                show(target, outcome)
                total += outcome.inputs
                failed += len(outcome.failures)
    print(f"{total:,} inputs, {failed} failures, and the server's log is clean")
    return 1 if failed else 0


def show(target: Target, outcome: Outcome) -> None:
    """A line of the table, and one for each failure."""
    print(f"{target.name:<20}{outcome.inputs:>12,}{outcome.seconds:>10.1f}{len(outcome.failures):>10}", flush=True)
    for seed, failure in outcome.failures:
        print(f"  --target '{target.name}' --seed {seed}: {failure}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
