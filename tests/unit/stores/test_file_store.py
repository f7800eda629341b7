"""The file driver's own promises: order of its steps on disk, faults at each, its life."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import shutil
import stat
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support import sidecars, stores
from varflow.errors import (
    CorruptObject,
    StoreError,
    StoreFull,
    StoreMissing,
    StoreReadOnly,
    StoreUnavailable,
)
from varflow.variables.stores import file_errors, file_locks
from varflow.variables.stores.base import ABSENT, CHUNK_BYTES, Conflict
from varflow.variables.stores.file import FileStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest_asyncio.fixture
async def store(folder: Path) -> AsyncIterator[FileStore]:
    store = FileStore(folder)
    await store.open()
    yield store
    await store.close()


class Recorded:
    """The calls that decide about durability, as text, in their order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.steps: list[str] = []
        fsync, rename, unlink = os.fsync, os.rename, os.unlink

        def recorded_fsync(fd: int) -> None:
            name = os.path.relpath(os.readlink(f"/proc/self/fd/{fd}"), folder)
            self.steps.append("fsync TEMP" if name.startswith(".tmp") else f"fsync {name}")
            fsync(fd)

        def recorded_rename(source: str, target: str, **options: Any) -> None:
            rename(source, target, **options)
            self.steps.append(f"rename to {target}")

        def recorded_unlink(name: str, **options: Any) -> None:
            unlink(name, **options)
            self.steps.append(f"unlink {name}")

        monkeypatch.setattr(os, "fsync", recorded_fsync)
        monkeypatch.setattr(os, "rename", recorded_rename)
        monkeypatch.setattr(os, "unlink", recorded_unlink)

    def taken(self) -> list[str]:
        steps, self.steps = self.steps, []
        return steps


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch, folder: Path, store: FileStore) -> Recorded:
    return Recorded(monkeypatch, folder)


# The order of steps.


async def test_bytes_are_durable_before_their_name_and_the_name_before_the_answer(
    store: FileStore, recorded: Recorded
) -> None:
    await store.put("r", b"1")
    assert recorded.taken() == ["fsync TEMP", "rename to r=", "fsync ."]
    await store.write_body("b", stores.chunks_of(b"1"))
    assert recorded.taken() == ["fsync TEMP", "rename to b=", "fsync ."]


async def test_new_folders_are_durable_in_their_parents_before_the_answer(
    store: FileStore, recorded: Recorded, folder: Path
) -> None:
    await store.put("a/b/r", b"1")
    named = ["fsync TEMP", "rename to a/b/r=", "fsync a/b", "fsync a", "fsync ."]
    assert recorded.taken() == named
    await store.put("a/b/r", b"2")
    assert recorded.taken() == named[:3]
    assert [stat.S_IMODE((folder / name).stat().st_mode) for name in ("a", "a/b")] == [0o700] * 2


async def test_a_folder_that_another_process_has_just_made_is_made_durable_too(
    store: FileStore, recorded: Recorded, folder: Path
) -> None:
    os.mkdir(folder / "a", 0o700)
    os.mkdir(folder / "a/b", 0o1700)  # its maker is on the way to fsync `a`, or died there
    await store.put("a/b/r", b"1")
    assert recorded.taken() == ["fsync TEMP", "rename to a/b/r=", "fsync a/b", "fsync a"]


async def test_a_removal_is_durable_before_the_answer_also_when_there_was_nothing(
    store: FileStore, recorded: Recorded
) -> None:
    await store.put("a/r", b"1")
    await store.put("a/s", b"1")
    recorded.taken()
    await store.delete("a/r")
    assert recorded.taken() == ["unlink a/r=", "fsync a"]
    await store.delete("a/r")
    assert recorded.taken() == ["fsync a"]
    await store.delete("nowhere/at/all")
    assert recorded.taken() == ["fsync ."]


async def test_a_conflict_costs_no_fsync(store: FileStore, recorded: Recorded) -> None:
    await store.put("r", b"1")
    recorded.taken()
    with pytest.raises(Conflict):
        await store.put("r", b"2", condition=ABSENT)
    assert recorded.taken() == []


async def test_deleting_the_last_object_removes_the_folders_above_it(
    store: FileStore, folder: Path
) -> None:
    await store.put("a/b/" + "k" * 253, b"1")
    await store.put("a/r", b"1")
    await store.delete("a/b/" + "k" * 253)
    assert os.listdir(folder / "a") == ["r="]
    await store.delete("a/r")
    assert sorted(os.listdir(folder)) == [".locks", ".tmp"]


# Faults at each step.

FAULTS = [
    pytest.param(errno.ENOSPC, StoreFull, id="disk full"),
    pytest.param(errno.EIO, StoreUnavailable, id="I/O error"),
]


class Broken:
    """Lets the n-th of the calls that write fail; counts them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, at: int, code: int) -> None:
        self.calls = 0
        self._at = at
        self._code = code
        for name in ("writev", "fsync", "rename", "mkdir"):
            monkeypatch.setattr(os, name, self._wrapped(getattr(os, name)))
        monkeypatch.setattr(os, "open", self._wrapped(os.open, flags=os.O_CREAT))

    def _wrapped(self, call: Callable[..., Any], flags: int = 0) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            if not flags or arguments[1] & flags:
                self.calls += 1
                if self.calls == self._at:
                    raise OSError(self._code, os.strerror(self._code))
            return call(*arguments, **options)

        return wrapped


@pytest.mark.parametrize(("code", "expected"), FAULTS)
@pytest.mark.parametrize("is_first", [True, False], ids=["first write", "later write"])
async def test_a_put_that_fails_at_any_step_leaves_a_whole_record_and_no_file(
    folder: Path, code: int, expected: type[StoreError], is_first: bool
) -> None:
    async def write(store: FileStore) -> None:
        await store.put("a/b/new", b"new", condition=ABSENT)

    await check_every_step(folder, write, code=code, expected=expected, is_first=is_first)


@pytest.mark.parametrize(("code", "expected"), FAULTS)
async def test_a_body_that_fails_at_any_step_leaves_nothing(
    folder: Path, code: int, expected: type[StoreError]
) -> None:
    async def write(store: FileStore) -> None:
        await store.write_body("a/b/body", stores.chunks_of(bytes(3 << 20), b"end"))
        assert await store.get("a/b/body") is not None

    steps = await check_every_step(folder, write, code=code, expected=expected, is_first=False)
    assert steps > 8


async def check_every_step(
    folder: Path,
    write: Callable[[FileStore], Awaitable[None]],
    *,
    code: int,
    expected: type[StoreError],
    is_first: bool,
) -> int:
    """Let each system call of `write` fail once; return how many there were."""
    for step in range(1, 50):
        store = FileStore(folder / f"{step}")
        await store.open()
        if not is_first:
            await store.put("old", b"old")
        before = await stores.paths_in(store)
        with pytest.MonkeyPatch.context() as monkeypatch:
            broken = Broken(monkeypatch, at=step, code=code)
            failed = await find_error(write(store))
        if failed:
            assert type(failed) is expected
            assert isinstance(failed.__cause__, OSError)
            assert str(folder) in failed.message
        after = await stores.paths_in(store)
        assert stores.unfinished_files(folder / f"{step}") == []
        assert set(after) - set(before) <= {"a/b/new"} or broken.calls < step
        if "a/b/new" in after:
            assert await stores.data_of(store, "a/b/new") == b"new"
        await store.put("a/b/c", b"it works again")
        await store.close()
        if broken.calls < step:
            return step
    raise AssertionError("more steps than expected")


async def find_error(call: Awaitable[None]) -> StoreError | None:
    try:
        await call
    except StoreError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (errno.ENOSPC, StoreFull),
        (errno.EDQUOT, StoreFull),
        (errno.EFBIG, StoreFull),
        (errno.EROFS, StoreReadOnly),
        (errno.EACCES, StoreReadOnly),
        (errno.EPERM, StoreReadOnly),
        (errno.EIO, StoreUnavailable),
        (errno.EMFILE, StoreUnavailable),
        (errno.ELOOP, StoreError),
    ],
)
def test_the_reason_for_a_failed_write_has_its_class(code: int, expected: type[StoreError]) -> None:
    error = file_errors.failed_write(OSError(code, os.strerror(code)), "/store/r=")
    assert type(error) is expected
    assert error.message.startswith(f"cannot write /store/r=: {os.strerror(code)}")


@pytest.mark.parametrize(
    ("code", "expected"), [(errno.EIO, StoreUnavailable), (errno.EACCES, StoreError)]
)
def test_a_failed_read_is_never_blamed_on_writing(code: int, expected: type[StoreError]) -> None:
    error = file_errors.failed_read(OSError(code, os.strerror(code)), "/store/r=")
    assert type(error) is expected
    assert error.message.startswith(f"cannot read /store/r=: {os.strerror(code)}")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.ESTALE, errno.ENOMEM])
async def test_a_record_that_cannot_be_read_is_never_taken_for_absent(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    await store.put("a/r", b"1")

    def refuse(*arguments: object, **options: object) -> int:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(StoreError, match="store/a/r="):
            await store.get("a/r")
        with pytest.raises(StoreError, match="store/a/r="):
            await store.put("a/r", b"2", condition=ABSENT)
        with pytest.raises(StoreError, match="store/a/r="):
            await stores.body_of(store, "a/r")
        with pytest.raises(StoreError, match="store/a"):
            await stores.paths_in(store, "a/")


# A folder that is not as it should be.


async def test_a_folder_that_was_removed_is_not_an_empty_store(
    store: FileStore, folder: Path, tmp_path: Path
) -> None:
    await store.put("a/r", b"1")
    aside = tmp_path / "aside"
    os.rename(folder, aside)
    assert await stores.data_of(store, "a/r") == b"1"
    for name in sorted(stores.files_below(aside)):
        os.unlink(aside / name)
    for parent, _, _ in os.walk(aside, topdown=False):
        os.rmdir(parent)
    with pytest.raises(StoreUnavailable, match="removed"):
        await store.get("a/r")
    with pytest.raises(StoreUnavailable, match="removed"):
        await stores.paths_in(store)
    with pytest.raises(StoreUnavailable, match="removed"):
        await stores.body_of(store, "a/r")
    with pytest.raises(StoreUnavailable):
        await store.put("a/r", b"2")
    with pytest.raises(StoreUnavailable):
        await store.delete("a/r")


async def test_files_of_others_are_not_listed_and_not_in_the_way(
    store: FileStore, folder: Path
) -> None:
    await store.put("a/r", b"1")
    for name in ("notes.txt", "A=", "a/.hidden=", "a/%61=", "a/caf\u00e9=", "a/r=.orig", "k+"):
        (folder / name).write_bytes(b"?")
    for name in ("x=", "B", "empty", "y+"):
        (folder / name).mkdir()
    os.symlink("/etc/passwd", folder / "passwd=")
    assert await stores.paths_in(store) == ["a/r"]


async def test_an_object_that_a_scan_missed_while_it_was_replaced_is_listed(
    store: FileStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on tmpfs, which puts a renamed entry behind those that a scan will still look at."""
    await store.put("n/kept", b"1")
    await store.put("n/replaced", b"1")
    os.utime(folder / "n", (0, 0))  # some file systems' clocks are coarse
    listdir = os.listdir

    def listdir_that_misses(fd: int) -> list[str]:
        names = listdir(fd)
        monkeypatch.setattr(os, "listdir", listdir)
        os.rename(folder / "n/replaced=", folder / "n/moved")
        os.rename(folder / "n/moved", folder / "n/replaced=")
        names.remove("replaced=")
        return names

    monkeypatch.setattr(os, "listdir", listdir_that_misses)
    assert await stores.paths_in(store, "n/") == ["n/kept", "n/replaced"]


async def test_a_body_that_was_cut_short_is_corruption(store: FileStore, folder: Path) -> None:
    await store.write_body("b", stores.chunks_of(bytes(4 << 20)))
    body = store.read_body("b")
    await anext(body)
    os.truncate(folder / "b=", 100)
    with pytest.raises(CorruptObject, match="b="):
        async for _ in body:
            pass
    with pytest.raises(CorruptObject, match="100 bytes"):
        await stores.body_of(store, "b", length=101)


# Opening and closing.


async def test_opening_makes_the_folder_and_its_parents_for_this_user_only(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "not/yet/there")
    await store.open()
    for name in ("not", "not/yet", "not/yet/there"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o700
    await store.close()


async def test_who_makes_nothing_is_told_that_the_folder_is_missing(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "mistyped/store", creates=False)
    with pytest.raises(StoreMissing, match=r"no store at .*/mistyped/store: the folder does not"):
        await store.open()
    assert os.listdir(tmp_path) == []


async def test_who_makes_nothing_leaves_the_folder_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"somebody's")
    store = FileStore(tmp_path, creates=False)
    await store.open()
    assert await store.get("r") is None
    assert await stores.paths_in(store) == []
    assert [it async for it in store.list_unfinished("")] == []
    await store.close()
    assert os.listdir(tmp_path) == ["file"]


async def test_a_copy_without_the_drivers_own_folders_can_be_written(
    store: FileStore, folder: Path
) -> None:
    await store.put("r", b"1")
    for own in (".locks", ".tmp"):
        shutil.rmtree(folder / own)
    copy = FileStore(folder, creates=False)
    await copy.open()
    assert await copy.put("r", b"2") != await copy.put("r", b"3")
    await copy.delete("r")
    assert await stores.paths_in(copy) == []
    await copy.close()


@pytest.mark.parametrize("name", ["file", "file/below"])
async def test_a_file_is_no_store(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match=f"{name} cannot hold a store.*is a file"):
        await FileStore(tmp_path / name).open()


async def test_a_pipe_in_an_objects_place_is_not_waited_for(store: FileStore, folder: Path) -> None:
    os.mkfifo(folder / "r=")
    assert await stores.data_of(store, "r") == b""
    with pytest.raises(CorruptObject):
        await stores.body_of(store, "r", length=1)


async def test_a_store_that_is_not_open_says_so(folder: Path) -> None:
    store = FileStore(folder)
    for _ in range(2):
        with pytest.raises(StoreError, match="not open"):
            await store.get("r")
        with pytest.raises(StoreUnavailable, match="closed"):
            await store.put("r", b"1")
        with pytest.raises(StoreUnavailable, match="closed"):
            await store.write_body("b", stores.chunks_of(b"1"))
        await store.open()
        await store.put("r", b"1")
        await store.close()


async def test_a_store_can_be_opened_again(store: FileStore, folder: Path) -> None:
    await store.put("r", b"1")
    await store.close()
    assert stores.files_below(folder / ".tmp") == []
    await store.open()
    assert await stores.data_of(store, "r") == b"1"
    await store.put("r", b"2")


async def test_opening_leaves_the_files_of_living_writers_alone(
    store: FileStore, folder: Path
) -> None:
    other = FileStore(folder)
    may_end = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield bytes(2 << 20)
        await sidecars.eventually(lambda: bool(stores.unfinished_files(folder)), seconds=10)
        await other.open()
        assert stores.unfinished_files(folder)
        may_end.set()
        yield b"end"

    assert await store.write_body("b", slow()) == (2 << 20) + 3
    assert may_end.is_set()
    await other.close()


async def test_opening_removes_the_files_of_writers_that_are_gone(
    store: FileStore, folder: Path
) -> None:
    for session in (folder / ".tmp/1-killed-while-writing", folder / ".tmp/2-killed-at-once"):
        session.mkdir()
    (folder / ".tmp/1-killed-while-writing/alive").write_bytes(b"")
    (folder / ".tmp/1-killed-while-writing/7").write_bytes(b"half a rec")
    other = FileStore(folder)
    await other.open()
    await other.close()
    assert os.listdir(folder / ".tmp") == []


# Locks.


@pytest.fixture
def lock_held_elsewhere(folder: Path, store: FileStore) -> int:
    """The lock of path `r`, held as by another process that is stopped."""
    fd = os.open(folder / ".locks" / f"{zlib.crc32(b'r') % 64:02x}", os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    return fd


async def test_a_write_waits_for_the_lock_of_another_process(
    store: FileStore, lock_held_elsewhere: int
) -> None:
    writing = asyncio.create_task(store.put("r", b"1"))
    removing = asyncio.create_task(store.delete("r"))
    done, _ = await asyncio.wait([writing, removing], timeout=0.1)
    assert not done
    os.close(lock_held_elsewhere)
    await asyncio.wait_for(asyncio.gather(writing, removing), timeout=10)


async def test_waiting_for_a_lock_can_be_cancelled(
    store: FileStore, lock_held_elsewhere: int
) -> None:
    writing = asyncio.create_task(store.put("r", b"1"))
    await asyncio.wait([writing], timeout=0.05)
    writing.cancel()
    await asyncio.wait([writing], timeout=10)
    assert writing.cancelled()
    os.close(lock_held_elsewhere)
    assert await store.get("r") is None


async def test_waiting_for_a_lock_ends_with_what_to_do(
    store: FileStore,
    folder: Path,
    lock_held_elsewhere: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(file_locks, "PATIENCE_SECONDS", 0.05)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="if it is stopped, resume or end it"):
            await store.put("r", b"1")
    assert stores.unfinished_files(folder) == []
    os.close(lock_held_elsewhere)
    await store.put("r", b"1")


async def test_readers_need_no_lock(store: FileStore, lock_held_elsewhere: int) -> None:
    assert await store.get("r") is None
    os.close(lock_held_elsewhere)


# Scans.


async def test_a_scan_is_not_held_up_by_files_of_others(store: FileStore, folder: Path) -> None:
    await store.put("a/r", b"1")
    os.mkfifo(folder / "a" / "pipe=")
    os.symlink("/etc/passwd", folder / "a" / "passwd=")
    (folder / "a" / "x=").mkdir()

    async with asyncio.timeout(10):
        assert [path async for path, _ in store.scan("a/")] == ["a/r"]


async def test_a_scan_names_the_record_that_cannot_be_read(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(200):
        await store.put(f"a/r{number:03}", b"1")
    open_any = os.open

    def refuse(path: str, flags: int, **options: Any) -> int:
        if path == "a/r150=":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return open_any(path, flags, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(StoreError, match="store/a/r150="):
            assert [path async for path, _ in store.scan("a/")]


async def test_what_broke_a_body_off_is_told_also_when_nothing_can_be_removed(
    store: FileStore, folder: Path
) -> None:
    error = ValueError("the client went away")

    async def source() -> AsyncIterator[bytes]:
        for _ in range(2):
            yield bytes(CHUNK_BYTES)
        shutil.rmtree(folder)
        raise error

    with pytest.raises(ValueError, match="went away") as raised:
        await store.write_body("b", source())
    assert raised.value is error
    assert "something may be left" in raised.value.__notes__[0]


async def test_looking_for_leftovers_in_a_folder_that_is_gone_is_a_store_error(
    store: FileStore, folder: Path
) -> None:
    shutil.rmtree(folder)
    with pytest.raises(StoreUnavailable):
        [found async for found in store.list_unfinished("")]
