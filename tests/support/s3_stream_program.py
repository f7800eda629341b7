"""A large body into an S3 store and out of it, and what that takes of memory.

`python -m tests.support.s3_stream_program URL MIB` prints how many MiB more than before the process
had at most. The credentials are in the environment.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from varflow.variables.stores import opening

MIB = 1024 * 1024


async def source(mib: int) -> AsyncIterator[bytes]:
    for number in range(mib):
        yield number.to_bytes(4) * (MIB // 4)


def memory(name: str) -> float:
    """Return `VmRSS`, or its peak, `VmHWM`, in MiB."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith(name)) / 1024


async def main(url: str, mib: int) -> None:
    store = opening.open_store(url)
    await store.open()
    await store.put("warm", b"up")
    await store.get("warm")
    before = memory("VmRSS")
    assert await store.write_body("big", source(mib)) == mib * MIB
    position = 0
    async for chunk in store.read_body("big"):
        first = (position // MIB).to_bytes(4)
        assert position % MIB or chunk.startswith(first), position
        position += len(chunk)
    assert position == mib * MIB
    await store.close()
    more = memory("VmHWM") - before
    sys.stdout.write(f"{more:.1f}\n")


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
