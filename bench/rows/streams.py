"""A variable of 5 GiB, in and out, without keys and with, and the memory that it takes."""

from __future__ import annotations

import http.client
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench import floors, usage
from bench.processes import KEYS, Sidecar, note_of, running_sidecar
from bench.table import Row

MIB = 1 << 20
MOST_ASKED = 400 * MIB
"""Bytes a second: nobody asks for more of a stream (design §9)."""


def measure(folder: Path, *, is_quick: bool) -> list[Row]:
    """Return the rates in and out, beside a raw copy, and the memory above idle."""
    size = (512 if is_quick else 5 * 1024) * MIB
    source = folder / "source"
    fill(source, size)
    return [*_one(folder, source, keys=""), *_one(folder, source, keys=KEYS)]


def _one(folder: Path, source: Path, *, keys: str) -> list[Row]:
    own = Path(tempfile.mkdtemp(dir=folder))
    floor = floors.copy_bytes_per_second(source, own / "copy")
    (own / "copy").unlink()
    with running_sidecar(own, keys=keys) as sidecar:
        measured = send_and_fetch(sidecar, source)
    shutil.rmtree(own)  # or the disk would hold all of them at the end
    name = f"{source.stat().st_size // MIB:,} MiB variable"
    return rows(name, measured, (floor, floor), keys=keys, floor_names=("copy + fsync",) * 2)


@dataclass(frozen=True, slots=True)
class Streamed:
    """What a large variable took."""

    written: float
    """Bytes a second, in."""
    read: float
    """Bytes a second, out."""
    above: float
    """Most bytes of memory above those of the idle sidecar."""


def send_and_fetch(sidecar: Sidecar, source: Path) -> Streamed:
    """Send a file to a variable, and fetch it again."""
    size = source.stat().st_size
    action, _ = sidecar.dispatch({"hold": True}, wait=0)
    path = f"/var?aid={action}&scope=workflow&key=large"
    idle = usage.resident_bytes(sidecar.pid)
    usage.forget_peak(sidecar.pid)
    written = size / _upload(sidecar, path, source)
    read = size / _download(sidecar, path, size)
    return Streamed(written, read, usage.resident_bytes(sidecar.pid, peak=True) - idle)


def rows(
    name: str,
    measured: Streamed,
    floor: tuple[float, float],
    *,
    keys: str,
    floor_names: tuple[str, str],
) -> list[Row]:
    """Return the rows of a variable that went in and out; `floor` is that of each way."""
    note = note_of(keys)
    above = measured.above / MIB
    return [
        _rate(f"{name}, in{note}", measured.written, floor[0], floor_name=floor_names[0]),
        _rate(f"{name}, out{note}", measured.read, floor[1], floor_name=floor_names[1]),
        Row(what=f"{name}, memory above idle{note}", value=above, goal=32, unit="MiB"),
    ]


def _rate(what: str, value: float, floor: float, *, floor_name: str) -> Row:
    goal = min(0.7 * floor, MOST_ASKED)
    return Row(
        what=what,
        value=value / MIB,
        goal=goal / MIB,
        unit="MiB/s",
        floor=floor / MIB,
        floor_name=floor_name,
        is_more_better=True,
    )


def fill(path: Path, size: int) -> None:
    """Write a file that nothing can compress."""
    block = os.urandom(MIB)
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(block)


def _upload(sidecar: Sidecar, path: str, source: Path) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", sidecar.settings.variable_port)
    connection.blocksize = MIB
    started = time.perf_counter()
    with source.open("rb") as body:
        headers = {"Content-Length": str(source.stat().st_size)}
        connection.request("POST", path, body=body, headers=headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
    connection.close()
    return time.perf_counter() - started


def _download(sidecar: Sidecar, path: str, size: int) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", sidecar.settings.variable_port)
    started = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    buffer, got = bytearray(MIB), 0
    while count := answer.readinto(buffer):
        got += count
    assert got == size, f"{got} bytes came out of {size}"
    connection.close()
    return time.perf_counter() - started
