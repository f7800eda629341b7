"""Running a coroutine."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from varflow_cli.console import loops


class NeverBegun:
    """What no loop runs: as a coroutine before which Ctrl-C was pressed."""

    is_closed = False

    def close(self) -> None:
        self.is_closed = True


async def work() -> int:
    return 7


def test_what_a_coroutine_returns_comes_back() -> None:
    assert loops.run(work()) == 7


def test_signals_are_taken_as_long_as_it_runs() -> None:
    before = signal.getsignal(signal.SIGINT)

    loops.run(work())

    assert signal.getsignal(signal.SIGINT) is before


def test_work_that_never_began_is_closed() -> None:
    never = NeverBegun()

    with pytest.raises(ValueError, match="coroutine"):
        loops.run(never)  # type: ignore[arg-type]

    assert never.is_closed


CLEANING_UP = """
import asyncio, os, signal, sys
from varflow_cli.console import loops

interrupts, seconds = map(float, sys.argv[1].split(",")), float(sys.argv[2])

async def work():
    for after in interrupts:
        asyncio.get_running_loop().call_later(after, os.kill, os.getpid(), signal.SIGINT)
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(seconds)
        print("cleaned up", flush=True)

try:
    loops.run(work())
except KeyboardInterrupt:
    sys.exit(3)
"""


def interrupted(*, at: str, cleaning_seconds: float) -> tuple[int, bytes, bytes]:
    program = [sys.executable, "-c", CLEANING_UP, at, str(cleaning_seconds)]
    done = subprocess.run(program, capture_output=True, timeout=30, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("at", ["0.01", "0.01,0.02,0.03"], ids=["once", "at once to the group too"])
def test_interrupted_work_cleans_up(at: str) -> None:
    assert interrupted(at=at, cleaning_seconds=0.1) == (3, b"cleaned up\n", b"")


def test_a_second_interrupt_ends_what_takes_long_to_clean_up() -> None:
    assert interrupted(at="0.01,0.5", cleaning_seconds=60) == (1, b"", b"")
