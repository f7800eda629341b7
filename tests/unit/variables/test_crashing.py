"""The store that kills its process does so exactly where it is told to."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import asyncio, sys
from tests.support.crashing import CrashingStore
from varflow.variables.stores.memory import MemoryStore

async def main() -> None:
    store = CrashingStore(MemoryStore(), int(sys.argv[1]), sys.argv[2])
    await store.put("a", b"")
    print("put", flush=True)
    await store.get("a")
    print("got", store.calls, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("at", "when", "printed"),
    [(1, "before", ""), (1, "after", ""), (2, "before", "put\n"), (0, "after", "put\ngot 2\n")],
)
def test_the_process_dies_at_the_call(at: int, when: str, printed: str) -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(at), when],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == printed, done.stderr
    assert done.returncode == (-signal.SIGKILL if at else 0)
