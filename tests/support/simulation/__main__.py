"""`python -m tests.support.simulation COUNT [--processes N] [--first SEED]`: simulate, by hand.

Prints the seed and the reason of every history in which something went wrong, how the others ended,
and how long it took.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.support.engine import INSTANCE
from tests.support.simulation import Simulation, Violation

CHUNK = 1000
"""Seeds that a process takes at one time."""

SHOWN = 20
"""Chunks after which to say how it goes."""

Result = tuple[Counter[str], list[str]]


def main() -> None:
    """Simulate as many histories as the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.simulation")
    parser.add_argument("count", type=int)
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    begun, totals, last = time.monotonic(), Counter[str](), options.first + options.count
    chunks = [range(at, min(at + CHUNK, last)) for at in range(options.first, last, CHUNK)]
    with ProcessPoolExecutor(options.processes) as pool:
        for done, (counts, found) in enumerate(pool.map(_simulate, chunks), start=1):
            totals += counts
            sys.stdout.writelines(f"{line}\n" for line in found)
            if done % SHOWN == 0 or done == len(chunks):
                _show(totals, seconds=time.monotonic() - begun)
    sys.exit(1 if totals["wrong"] else 0)


def _show(totals: Counter[str], *, seconds: float) -> None:
    sys.stdout.write(f"{totals['histories']} histories in {seconds:.0f} s: {dict(totals)}\n")
    sys.stdout.flush()


def _simulate(seeds: range) -> Result:
    counts, found = Counter[str](), list[str]()
    for seed in seeds:
        counts["histories"] += 1
        simulation = Simulation(seed)
        try:
            trace = simulation.run()
        except (Violation, LookupError, TypeError, ValueError) as error:
            found.append(f"seed {seed}: {error!r}")
            counts["wrong"] += 1
        else:
            counts.update(_summary(simulation))
            counts["commands"] += len(trace)
    return counts, found


def _summary(simulation: Simulation) -> Iterator[str]:
    instance = simulation.world.instances[INSTANCE]
    if instance.finish is not None:
        yield instance.finish.status.value
    yield from ("instances" for _ in simulation.world.instances)
    yield from ("effects" for _ in simulation.world.effects)


if __name__ == "__main__":
    main()
