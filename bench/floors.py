"""The raw floors: the least that the same work costs without Varflow, on this machine and now."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from pathlib import Path


def durable_write_seconds(folder: Path, *, size: int = 1024, times: int = 300) -> float:
    """Return the median of: write a file, fsync it, rename it, fsync its folder."""
    data = os.urandom(size)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        return statistics.median(
            _timed_write(folder, data=data, descriptor=descriptor) for _ in range(times)
        )
    finally:
        os.close(descriptor)


def _timed_write(folder: Path, *, data: bytes, descriptor: int) -> float:
    started = time.perf_counter()
    temporary = os.open(folder / "floor.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.write(temporary, data)
    os.fsync(temporary)
    os.close(temporary)
    (folder / "floor.new").rename(folder / "floor")
    os.fsync(descriptor)
    return time.perf_counter() - started


def copy_bytes_per_second(source: Path, target: Path) -> float:
    """Return the rate of copying a file and syncing the copy to the disk."""
    started = time.perf_counter()
    with source.open("rb") as reader, target.open("wb") as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)
        writer.flush()
        os.fsync(writer.fileno())
    return source.stat().st_size / (time.perf_counter() - started)
