"""The raw floors: the least that the same work costs without Varflow, on this machine and now."""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

REFERENCE_WAKE_SECONDS: Final = 6e-6
"""`wake_seconds` of the machine on which the goals were set."""


def wake_seconds(*, times: int = 10_000) -> float:
    """Return the median of a byte's way to a process on another core and back.

    In a virtual machine whose idle cores leave the processor this can be ten times what it is on
    bare metal, and every request contains it.
    """
    near, far = socket.socketpair()
    command = [sys.executable, "-c", _ECHO, str(far.fileno())]
    with subprocess.Popen(command, pass_fds=[far.fileno()]), near:  # it ends when `near` is closed
        far.close()
        return statistics.median(_timed_echo(near) for _ in range(times))


_ECHO: Final = """
import os, socket, sys
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
with socket.socket(fileno=int(sys.argv[1])) as echo:
    while data := echo.recv(1):
        echo.send(data)
"""


def _timed_echo(near: socket.socket) -> float:
    started = time.perf_counter()
    near.send(b"x")
    near.recv(1)
    return time.perf_counter() - started


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
