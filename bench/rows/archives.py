"""Packing `out/` folders and mounting them again: 10,000 files, 1 GiB of text."""

from __future__ import annotations

import os
import sysconfig
import time
from pathlib import Path

from isal import isal_zlib

from bench.processes import Sidecar, running_sidecar
from bench.table import Row
from varflow.contract import FileMount, FileType, OutcomeStatus

MB = 1e6
FILES = 10_000
GIGABYTE = 1 << 30


def measure(folder: Path, *, is_quick: bool) -> list[Row]:
    """Return the rates of whole actions: one that leaves a folder in `out/`, one that mounts it."""
    files = FILES // 10 if is_quick else FILES
    size = GIGABYTE // FILES
    texts = _texts(size)
    writing = _lay_files(folder / "out", texts=texts, files=files)
    compressing = _compress(texts, files=files)
    mount = FileMount(key="folder", scope="workflow", type=FileType.TAR_GZ)
    with running_sidecar(folder) as sidecar:
        packing = _timed(sidecar, {"out": str(folder / "out")})
        unpacking = _timed(sidecar, {}, files=(mount,))
    total = files * size / MB
    name = f"{files:,} files"
    return [
        _rate(f"packing {name}", total / packing, 250, total / compressing, "isal alone"),
        _rate(f"unpacking {name}", total / unpacking, 400, total / writing, "writing"),
    ]


def _timed(sidecar: Sidecar, value: object, *, files: tuple[FileMount, ...] = ()) -> float:
    """Return the seconds that an action takes, its commit and its mounts included."""
    started = time.perf_counter()
    _, outcome = sidecar.dispatch(value, files=files)
    assert outcome is not None, "the action did not end"
    assert outcome.status is OutcomeStatus.COMPLETE, outcome
    return time.perf_counter() - started


def _rate(what: str, value: float, goal: float, floor: float, floor_name: str) -> Row:
    return Row(
        what=what,
        value=value,
        goal=goal,
        unit="MB/s",
        floor=floor,
        floor_name=floor_name,
        is_more_better=True,
    )


def _texts(size: int) -> list[bytes]:
    """Return texts of equal size, cut from the standard library's sources."""
    sources = Path(sysconfig.get_path("stdlib")).glob("*.py")
    text = b"".join(path.read_bytes() for path in sorted(sources))
    return [text[start : start + size] for start in range(0, len(text) - size, size)]


def _lay_files(folder: Path, *, texts: list[bytes], files: int) -> float:
    """Write the files, and return the seconds that it took."""
    folder.mkdir(parents=True)
    started = time.perf_counter()
    for number in range(files):
        descriptor = os.open(folder / f"file-{number:05}", os.O_WRONLY | os.O_CREAT)
        os.write(descriptor, texts[number % len(texts)])
        os.close(descriptor)
    return time.perf_counter() - started


def _compress(texts: list[bytes], *, files: int) -> float:
    """Return the seconds that the compression alone takes."""
    started = time.perf_counter()
    compressor = isal_zlib.compressobj(1)
    for number in range(files):
        compressor.compress(texts[number % len(texts)])
    compressor.flush()
    return time.perf_counter() - started
