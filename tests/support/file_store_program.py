"""Processes that use one file store at once, or one that is full or read-only.

`python -m tests.support.file_store_program SCENARIO FOLDER`: the tests of
tests/integration/test_file_store_faults.py start it, some of them with other rights or in a mount
namespace of its own. A scenario asserts what it expects.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support import stores
from varflow.errors import StoreError, StoreFull, StoreReadOnly
from varflow.variables.stores.base import ABSENT, Condition, Conflict
from varflow.variables.stores.file import FileStore

NOBODY: Final = 65534
"""The user that has no rights of its own."""

ROOM: Final = 2 << 20
"""Bytes that a full store has room for."""


async def count(folder: Path, times: int = 100) -> None:
    """Add one to a counter, again and again, among others who do."""
    store = FileStore(folder)
    await store.open()
    done = 0
    while done < times:
        found = await store.get("n/counter")
        number = int(found.data) if found else 0
        condition: Condition = found.etag if found else ABSENT
        try:
            await store.put("n/counter", f"{number + 1}".encode(), condition=condition)
        except Conflict:
            continue
        done += 1
    await store.close()


async def kill_writers(folder: Path, rounds: int = 60) -> None:
    """Kill a writing process at random moments, and look at what it left, each time."""
    chance = random.Random(20261120)
    acknowledged = -1
    for _ in range(rounds):
        acknowledged = max(acknowledged, _killed_writer(folder, acknowledged + 1, chance.random()))
        store = FileStore(folder)
        await store.open()
        assert os.listdir(folder / ".tmp") == []
        assert await _number_of(store, "n/r") in {acknowledged, acknowledged + 1}
        for path in await stores.paths_in(store, "bodies/"):
            body = await stores.body_of(store, path)
            assert body == _pattern(int(path.rpartition("/")[2]), len(body))
            assert len(body) == len(_pattern(0))
            await store.delete(path)
        await store.close()
    assert acknowledged > rounds


def _killed_writer(folder: Path, first: int, moment: float) -> int:
    """Let a process write from number `first` on, kill it; return what it acknowledged last."""
    receiving, sending = os.pipe()
    pid = os.fork()
    if pid == 0:
        asyncio.run(_write_for_ever(folder, first, sending))
    os.close(sending)
    acknowledged = os.read(receiving, 8)  # it is at work
    time.sleep(0.02 * moment)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with open(receiving, "rb") as pipe:
        acknowledged += pipe.read()
    return int.from_bytes(acknowledged[-8:], "big")


async def _write_for_ever(folder: Path, number: int, sending: int) -> None:
    store = FileStore(folder)
    await store.open()
    while True:
        await store.put("n/r", _pattern(number))
        os.write(sending, number.to_bytes(8, "big"))
        number += 1
        if number % 3 == 0:
            await store.write_body(f"bodies/{number}", stores.chunks_of(_pattern(number)))


async def _number_of(store: FileStore, path: str) -> int:
    found = await store.get(path)
    assert found
    number = int.from_bytes(found.data[:8], "big")
    assert found.data == _pattern(number)
    return number


def _pattern(number: int, size: int = 200_000) -> bytes:
    return number.to_bytes(8, "big") * (size // 8)


async def fill(folder: Path) -> None:
    """Write more than there is room for; the caller has limited it to `ROOM`."""
    store = FileStore(folder)
    await store.open()
    await store.put("n/r", b"old")
    for _ in range(3):
        with pytest.raises(StoreFull):
            await store.write_body("bodies/1", stores.chunks_of(*[bytes(1 << 20)] * 4))
        with pytest.raises(StoreFull):
            await store.put("n/r", bytes(3 << 20))
        assert stores.unfinished_files(folder) == []
    assert await stores.paths_in(store) == ["n/r"]
    assert await stores.data_of(store, "n/r") == b"old"
    await store.put("n/r", b"new")
    await store.close()


async def fill_to_the_brim(folder: Path) -> None:
    """Write until not a byte fits; deleting must still work, also in a store opened then."""
    store = FileStore(folder)
    await store.open()
    number = await _fill_up(store)
    assert stores.unfinished_files(folder) == []
    await store.close()
    await store.open()
    assert len(await stores.paths_in(store, "m/")) == number
    with pytest.raises(StoreFull):
        await store.put("m/0", bytes(64 * 1024))
    assert await stores.data_of(store, "m/0") == bytes(4096)
    for _ in range(20):
        number -= 1
        await store.delete(f"m/{number}")
    await store.put("m/0", bytes(16 * 1024))
    await store.close()


async def _fill_up(store: FileStore) -> int:
    for number in itertools.count():
        try:
            await store.put(f"m/{number}", bytes(4096))
        except StoreFull:
            return number
    raise AssertionError


async def fill_limited(folder: Path) -> None:
    """Meet the end of the room as the limit for one file: what can be had without a mount."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))
    await fill(folder)


async def fill_mounted(folder: Path) -> None:
    """Meet the end of the room as that of a small file system."""
    _run("mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(folder))
    await fill(folder / "store")
    await fill_to_the_brim(folder / "store")


async def use_read_only_mount(folder: Path) -> None:
    """Open a store on a file system that has become read-only."""
    _run("mount", "-t", "tmpfs", "tmpfs", str(folder))
    store = FileStore(folder)
    await store.open()
    await store.put("n/r", b"old")
    await store.close()
    _run("mount", "-o", "remount,ro", str(folder))
    with pytest.raises(StoreReadOnly, match="is not writable for this user, or mounted"):
        await store.open()
    with pytest.raises(StoreReadOnly, match=r"below: Read-only file system"):
        await FileStore(folder / "below").open()
    _run("mount", "-o", "remount,rw", str(folder))
    await store.open()
    assert await stores.data_of(store, "n/r") == b"old"
    await store.close()


async def use_read_only_folder(folder: Path) -> None:
    """Use folders that this user, who is not root, may not write."""
    _drop_privileges()
    store = FileStore(folder / "store")
    await store.open()
    await store.put("n/r", b"old")
    (folder / "store/n").chmod(0o500)
    await _expect_read_only(store)
    (folder / "store/n").chmod(0o000)
    with pytest.raises(StoreError, match=r"cannot read .*/store/n/r=: Permission denied"):
        await store.get("n/r")
    with pytest.raises(StoreError, match="cannot read"):
        await stores.paths_in(store)
    (folder / "store/n").chmod(0o700)
    await store.put("n/r", b"new")
    await store.close()
    (folder / "store").chmod(0o500)
    with pytest.raises(StoreReadOnly, match="not writable"):
        await store.open()
    with pytest.raises(StoreReadOnly, match="store/below"):
        await FileStore(folder / "store/below").open()
    (folder / "store").chmod(0o700)


async def _expect_read_only(store: FileStore) -> None:
    """Check that every write is refused and nothing is lost."""
    with pytest.raises(StoreReadOnly):
        await store.put("n/r", b"new")
    with pytest.raises(StoreReadOnly):
        await store.put("n/s", b"new", condition=ABSENT)
    with pytest.raises(StoreReadOnly):
        await store.write_body("n/body", stores.chunks_of(b"new"))
    with pytest.raises(StoreReadOnly):
        await store.delete("n/r")
    assert await stores.data_of(store, "n/r") == b"old"
    assert await stores.paths_in(store) == ["n/r"]


def _drop_privileges() -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


SCENARIOS: Final[dict[str, Callable[[Path], Coroutine[Any, Any, None]]]] = {
    "count": count,
    "kill_writers": kill_writers,
    "fill_limited": fill_limited,
    "fill_mounted": fill_mounted,
    "use_read_only_mount": use_read_only_mount,
    "use_read_only_folder": use_read_only_folder,
}


if __name__ == "__main__":
    asyncio.run(SCENARIOS[sys.argv[1]](Path(sys.argv[2])))
