"""`varflow var ls` of a large scope with keys, beside reading the same objects without Varflow."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from bench.processes import KEYS
from bench.table import Row
from varflow.variables.encryption import wrapping
from varflow.variables.scopes import Address, Owners, Scope
from varflow.variables.stores.file import FileStore
from varflow.variables.variables import Variables

OWNERS: Final = Owners(cluster="local", namespace="default", workflow="", instance="")
"""Whose variables `varflow var ls` shows when it is told nothing else."""
ENCRYPTION: Final = {"VARFLOW_ENCRYPTION_KEYS": KEYS}
_AT_ONCE: Final = 32


def measure(folder: Path, *, is_quick: bool) -> list[Row]:
    """Return the row of a folder."""
    count = 1000 if is_quick else 10_000
    store = FileStore(folder / "store")
    asyncio.run(lay(wrapping.wrap_as_told(store, policy="", keys=KEYS, source="bench"), count))
    floor = _read_all(folder / "store")
    seconds = list_all(f"file://{folder}/store", count, environ=ENCRYPTION)
    return [row("file store", count, seconds, floor, floor_name="walk and read")]


async def lay(store: Any, count: int) -> None:
    """Write so many small variables of the namespace."""
    variables = Variables(store)
    await variables.open()
    for start in range(0, count, _AT_ONCE):
        keys = [f"key-{number:06}" for number in range(start, min(start + _AT_ONCE, count))]
        addresses = (Address(OWNERS, Scope.NAMESPACE, key) for key in keys)
        await asyncio.gather(*(variables.set(it, b"a small value" * 8) for it in addresses))
    await variables.close()


def list_all(url: str, count: int, *, environ: Mapping[str, str]) -> float:
    """Return the seconds that the command takes beyond those that it takes for nothing."""
    command = [str(Path(sys.executable).with_name("varflow")), "var", "ls", "--store", url]
    nothing, _ = _timed([*command, "--prefix", "nowhere"], environ)
    seconds, lines = _timed(command, environ)
    assert lines == count + 1, f"{lines} lines for {count} variables"
    return seconds - nothing


def row(store: str, count: int, seconds: float, floor: float, *, floor_name: str) -> Row:
    """Return the row of a listing."""
    return Row(
        what=f"var ls of {count:,} keys, {store}, keys",
        value=seconds,
        goal=None,
        unit="s",
        floor=floor,
        floor_name=floor_name,
    )


def _timed(command: list[str], environ: Mapping[str, str]) -> tuple[float, int]:
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, check=True, env={**os.environ, **environ})
    return time.perf_counter() - started, len(done.stdout.splitlines())


def _read_all(folder: Path) -> float:
    started = time.perf_counter()
    for parent, _, names in os.walk(folder):
        for name in sorted(names):
            descriptor = os.open(os.path.join(parent, name), os.O_RDONLY)
            os.read(descriptor, 65536)
            os.close(descriptor)
    return time.perf_counter() - started


def fetch_all(client: Any, bucket: str, *, at_once: int) -> float:
    """Return the seconds that boto3 takes for every object of a bucket, so many at one time."""
    started = time.perf_counter()
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = [found["Key"] for page in pages for found in page["Contents"]]

    def fetch(key: str) -> None:
        client.get_object(Bucket=bucket, Key=key)["Body"].read()

    with ThreadPoolExecutor(at_once) as threads:
        list(threads.map(fetch, keys))
    return time.perf_counter() - started
