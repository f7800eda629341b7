"""Turning what a function left under `out/` into changes of variables.

`out/` belongs to the function, which may be hostile or simply still running: names are opened
relative to their folder without following links and without blocking, and what was opened is looked
at again before a byte is read. So a link or a fifo, also one that takes a file's place meanwhile,
is left out with a warning and never read through.

A folder becomes a tar.gz that is equal for equal content: sorted, without times and owners, cut
into blocks of a fixed size before compression. An unchanged folder is then recognised by its hash.
It is a generator of chunks, to be iterated in a thread; no temporary file. `isal` at its level 1
compresses six times as fast as zlib's (reliability-performance.md §A1).
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from isal import isal_zlib

from varflow.errors import InvalidInput
from varflow.variables import keys
from varflow.variables.records import INLINE_BYTES
from varflow.variables.scopes import Scope
from varflow.variables.stores.base import CHUNK_BYTES
from varflow_sidecar.files import tar_headers
from varflow_sidecar.files.extracting import MAX_DEPTH
from varflow_sidecar.files.folders import OUT

ARCHIVE_TYPE: Final = "application/gzip"
"""Content type of a folder; Direktiv's own."""

_GZIP_WBITS: Final = 31
_LEVEL: Final = 1
_FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LEFT_OUT: Final = {errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.ENOENT}
"""What opening says of a link, of a file in a folder's place, of a socket, of what has gone."""

Warn = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """A direct child of `out/<scope>`: a file, or a folder to be packed."""

    scope: Scope
    key: str
    descriptor: int
    is_folder: bool
    data: bytes | None = None
    """All of a small file, which needs no stream."""

    def __str__(self) -> str:
        return f"{OUT}/{self.scope}/{_shown(self.key)}"


def entries(folder: Path, *, warn: Warn) -> Generator[Entry, None, None]:
    """Yield what can become variables of a temp dir, by scope and name.

    An entry is usable until the next one is asked for.

    Raises:
        InvalidInput: something is there that the sidecar may not read.
    """
    with _opened(str(folder)) as parent:
        out = _open_folder(OUT, parent, shown=OUT, warn=warn)
        if out is not None:
            with _closing(out):
                yield from _scopes(out, warn=warn)


def chunks(entry: Entry, *, warn: Warn) -> Generator[bytes, None, None]:
    """Yield an entry's bytes from the beginning: a file's own, a folder as a tar.gz.

    Raises:
        InvalidInput: a folder is too deep, a file in it shrank while it was read, or may not be
        read.
    """
    if entry.is_folder:
        yield from _Packer(str(entry), warn).pack(entry.descriptor)
        return
    os.lseek(entry.descriptor, 0, os.SEEK_SET)
    while chunk := os.read(entry.descriptor, CHUNK_BYTES):
        yield chunk


def _scopes(out: int, *, warn: Warn) -> Generator[Entry, None, None]:
    for name in sorted(os.listdir(out)):
        if name not in set(Scope):
            warn(f"out/{_shown(name)} is left out: only {', '.join(Scope)} are kept")
    for scope in Scope:
        folder = _open_folder(scope, out, shown=f"out/{scope}", warn=warn)
        if folder is not None:
            with _closing(folder):
                yield from _children(scope, folder, warn=warn)


def _children(scope: Scope, folder: int, *, warn: Warn) -> Generator[Entry, None, None]:
    for name in sorted(os.listdir(folder)):
        shown = f"out/{scope}/{_shown(name)}"
        fault = keys.find_fault(name)
        if fault:
            warn(f"{shown} is left out: its name cannot be a key, for it {fault}")
            continue
        opened = _open(name, folder, shown=shown, warn=warn)
        if opened is not None:
            with _closing(opened.descriptor):
                data = None if opened.is_folder else _read_small(opened)
                yield Entry(scope, name, opened.descriptor, opened.is_folder, data)


def _read_small(file: _Opened) -> bytes | None:
    """Return all of a file that is small enough for a record, else None."""
    if file.status.st_size > INLINE_BYTES:
        return None
    data = b""
    while len(data) <= INLINE_BYTES:
        more = os.read(file.descriptor, INLINE_BYTES + 1 - len(data))
        if not more:
            return data
        data += more
    return None


class _Packer:
    """Builds one archive; see the module's docstring for the rules."""

    def __init__(self, shown: str, warn: Warn) -> None:
        self._shown = shown
        self._warn = warn
        self._deflate = isal_zlib.compressobj(_LEVEL, wbits=_GZIP_WBITS)
        self._block = bytearray(CHUNK_BYTES)
        self._filled = 0

    def pack(self, folder: int) -> Iterator[bytes]:
        yield from self._pack_folder(folder, b"", depth=0)
        yield from self._put(tar_headers.END)
        with memoryview(self._block) as view:
            last = self._deflate.compress(view[: self._filled])
        yield last + self._deflate.flush()

    def _pack_folder(self, folder: int, prefix: bytes, *, depth: int) -> Iterator[bytes]:
        if depth > MAX_DEPTH:
            raise InvalidInput(f"{self._shown} is deeper than {MAX_DEPTH} folders")
        for name in sorted(os.fsencode(name) for name in os.listdir(folder)):
            path = prefix + name
            shown = f"{self._shown}/{_shown(os.fsdecode(path))}"
            opened = _open(os.fsdecode(name), folder, shown=shown, warn=self._warn)
            if opened is None:
                continue
            with _closing(opened.descriptor):
                yield from self._put(_header(path, opened))
                if opened.is_folder:
                    inner = path + b"/"
                    yield from self._pack_folder(opened.descriptor, inner, depth=depth + 1)
                else:
                    yield from self._put_file(opened, shown=shown)

    def _put(self, data: bytes) -> Iterator[bytes]:
        while data:
            taken = data[: len(self._block) - self._filled]
            self._block[self._filled : self._filled + len(taken)] = taken
            data = data[len(taken) :]
            yield from self._advance(len(taken))

    def _put_file(self, file: _Opened, *, shown: str) -> Iterator[bytes]:
        left = file.status.st_size
        while left:
            with memoryview(self._block) as view:
                count = os.readv(file.descriptor, [view[self._filled : self._filled + left]])
            if not count:
                raise InvalidInput(
                    f"{shown} shrank while it was packed; answer when all is written"
                )
            left -= count
            yield from self._advance(count)
        yield from self._put(bytes(tar_headers.padding(file.status.st_size)))

    def _advance(self, count: int) -> Iterator[bytes]:
        self._filled += count
        if self._filled == len(self._block):
            self._filled = 0
            if compressed := self._deflate.compress(self._block):
                yield compressed


@dataclass(frozen=True, slots=True)
class _Opened:
    """An open file or folder, and what it is."""

    descriptor: int
    status: os.stat_result

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)


@contextlib.contextmanager
def _closing(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    descriptor = os.open(path, _FOLDER_FLAGS)
    with _closing(descriptor):
        yield descriptor


def _header(path: bytes, opened: _Opened) -> bytes:
    mode = opened.status.st_mode & 0o777
    if opened.is_folder:
        return tar_headers.encode(path, mode=mode, is_folder=True)
    return tar_headers.encode(path, mode=mode, size=opened.status.st_size)


def _open_folder(name: str, parent: int, *, shown: str, warn: Warn) -> int | None:
    try:
        return os.open(name, _FOLDER_FLAGS, dir_fd=parent)
    except OSError as error:
        if error.errno not in _LEFT_OUT:
            raise _unreadable(shown, error) from error
        if error.errno != errno.ENOENT:
            warn(f"{shown} is left out: it is no folder any more")
        return None


def _open(name: str, folder: int, *, shown: str, warn: Warn) -> _Opened | None:
    """Open a file or folder and say what it is; anything else is left out with a warning."""
    descriptor = None
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if _is_plain(status):  # before opening, since opening a device may do something
            descriptor = os.open(name, _FILE_FLAGS, dir_fd=folder)
            status = os.fstat(descriptor)
    except OSError as error:
        if error.errno not in _LEFT_OUT:
            raise _unreadable(shown, error) from error
        warn(f"{shown} is left out: it changed while it was packed")
        return None
    if descriptor is not None and _is_plain(status):
        return _Opened(descriptor, status)
    if descriptor is not None:
        os.close(descriptor)
    warn(f"{shown} is left out: {_kind(status)}; only files and folders are kept")
    return None


def _is_plain(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)


def _kind(status: os.stat_result) -> str:
    kinds = {
        stat.S_IFLNK: "it is a link",
        stat.S_IFIFO: "it is a fifo",
        stat.S_IFSOCK: "it is a socket",
        stat.S_IFCHR: "it is a device",
        stat.S_IFBLK: "it is a device",
    }
    return kinds.get(stat.S_IFMT(status.st_mode), "it is no file")


def _unreadable(shown: str, error: OSError) -> InvalidInput:
    return InvalidInput(
        f"{shown} cannot be read ({error.strerror}); make it readable for the group"
    )


def _shown(name: str) -> str:
    return ascii(name if len(name) <= 100 else name[:97] + "...")[1:-1]
