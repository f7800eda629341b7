"""Laying the variables that an action asked for into its temp dir, before the function is called.

    plan (pure): FileMount -> Target, every name checked against all others
    mount:       each variable streamed through its decoders to its place, a few at a time

A missing variable is an empty file, or an empty folder for an archive (direktiv-contract.md §1.8);
one that cannot be what it should be fails the action, and the message names its key. `as` may have
sub-folders but stays in the folder and out of `out/`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from varflow.contract import FileMount, FileType
from varflow.errors import InvalidArchive, InvalidInput, StoreFull, TooLarge, VarflowError
from varflow.variables import retrying, scopes
from varflow.variables.scopes import Owners
from varflow.variables.variables import Variables
from varflow_sidecar import threads
from varflow_sidecar.files import decoding
from varflow_sidecar.files.decoding import Decoder
from varflow_sidecar.files.extracting import Budget, Extractor
from varflow_sidecar.files.folders import OUT, ActionFolder
from varflow_sidecar.files.sinks import FileSink, Sink
from varflow_sidecar.files.trees import FILE_MODE, Parts, Tree

CONCURRENCY: Final = 8
"""Variables fetched at one time for one action: hides a store's latency, bounds memory."""

_PIECES_AT_ONCE: Final = 8

_DECODERS: Final[Mapping[FileType, Callable[[], Decoder]]] = {
    FileType.PLAIN: decoding.Plain,
    FileType.BASE64: decoding.Base64,
    FileType.TAR: decoding.Gunzip,
    FileType.TAR_GZ: decoding.Gunzip,
}
_ARCHIVES: Final = {FileType.TAR, FileType.TAR_GZ}


@dataclass(frozen=True, slots=True)
class Target:
    """A variable and where it goes."""

    mount: FileMount
    parts: Parts

    def __str__(self) -> str:
        return f"{self.mount.scope}/{self.mount.key}"


def plan(mounts: Sequence[FileMount]) -> list[Target]:
    """Return where each variable goes.

    Raises:
        InvalidInput: a name leaves the folder, or two get in each other's way.
    """
    targets = [Target(mount, _parse_name(mount)) for mount in mounts]
    taken: dict[Parts, Target] = {}
    for target in targets:
        if target.parts in taken:
            raise InvalidInput(f"files: {taken[target.parts]} and {target} have the same name")
        taken[target.parts] = target
    for target in targets:
        for depth in range(1, len(target.parts)):
            if target.parts[:depth] in taken:
                outer = taken[target.parts[:depth]]
                raise InvalidInput(f"files: {target} lies inside what {outer} becomes")
    return targets


async def mount(
    targets: Iterable[Target],
    folder: ActionFolder,
    *,
    variables: Variables,
    owners: Owners,
    budget: Budget,
    deadline: float,
) -> None:
    """Lay all variables into the folder.

    Raises:
        VarflowError: one of them could not be; the message names it. The others may be there.
    """
    places = asyncio.Semaphore(CONCURRENCY)

    async def one(target: Target) -> None:
        async with places:
            await retrying.until(
                deadline,
                lambda: _mount_one(target, folder, variables, owners=owners, budget=budget),
            )

    tasks = [asyncio.ensure_future(one(target)) for target in targets]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _parse_name(mount: FileMount) -> Parts:
    name = mount.as_name or mount.key
    parts = tuple(name.split("/"))
    if name.startswith("/"):
        fault = "is absolute; name a place within the temp dir"
    elif ".." in parts:
        fault = "leads out of the temp dir"
    elif "" in parts or "." in parts or "\0" in name:
        fault = "is no name of a file"
    elif parts[0] == OUT:
        fault = f"lies in {OUT}/, where the function's results go"
    else:
        return parts
    raise InvalidInput(f"files: {name!a} for {mount.scope}/{mount.key} {fault}")


async def _mount_one(
    target: Target, folder: ActionFolder, variables: Variables, *, owners: Owners, budget: Budget
) -> None:
    address = scopes.address(owners, target.mount.scope, target.mount.key)
    found = await variables.get(address)
    open_sink = functools.partial(_open_sink, target, folder, budget)
    decoder = _DECODERS[target.mount.type]()
    try:
        if found is None or found.inline is not None:
            data = found.inline if found is not None else None
            await threads.run(_lay, data or b"", decoder, open_sink)
        else:
            await _pour(found.read(), decoder, open_sink)
    except (InvalidArchive, TooLarge) as error:
        raise type(error)(f"files: {target} as {target.mount.type}: {error}") from error
    except OSError as error:
        raise _translated(error, target) from error


def _lay(data: bytes, decoder: Decoder, open_sink: Callable[[], Sink]) -> None:
    """Lay out a small value, in one go."""
    with contextlib.closing(open_sink()) as sink:
        for piece in itertools.chain(decoder.decode(data), decoder.finish()):
            sink.feed(piece)
        sink.finish()


async def _pour(
    chunks: AsyncIterator[bytes], decoder: Decoder, open_sink: Callable[[], Sink]
) -> None:
    """Lay out a large value: while a chunk is laid out the next is read.

    Decoding and laying out share a thread: each piece is still in the cache, and two threads that
    both make many short calls hold each other up more than the second core gives.
    """
    sink = await threads.acquire(open_sink, release=lambda opened: opened.close())
    ahead = asyncio.ensure_future(_next(chunks))
    try:
        while chunk := await ahead:
            ahead = asyncio.ensure_future(_next(chunks))
            await _lay_all(decoder.decode(chunk), sink)
        await _lay_all(decoder.finish(), sink)
        await threads.run(sink.finish)
    finally:
        ahead.cancel()
        await asyncio.gather(ahead, return_exceptions=True)
        sink.close()


async def _lay_all(pieces: Iterator[bytes], sink: Sink) -> None:
    while await threads.run(_lay_some, pieces, sink):
        pass


def _lay_some(pieces: Iterator[bytes], sink: Sink) -> bool:
    """Lay out some pieces and say whether there may be more; few, so that a cancel is heeded."""
    laid = 0
    for piece in itertools.islice(pieces, _PIECES_AT_ONCE):
        sink.feed(piece)
        laid += 1
    return laid == _PIECES_AT_ONCE


async def _next(chunks: AsyncIterator[bytes]) -> bytes:
    return await anext(chunks, b"")


def _open_sink(target: Target, folder: ActionFolder, budget: Budget) -> Sink:
    with folder.opened() as root:
        tree = Tree(root)
        try:
            return _make_sink(target, tree, budget)
        finally:
            tree.close()


def _make_sink(target: Target, tree: Tree, budget: Budget) -> Sink:
    mount = target.mount
    if mount.type in _ARCHIVES:
        inner = tree.make_folder(target.parts)
        return Extractor(inner, budget=budget, permissions=mount.permissions)
    mode = FILE_MODE if mount.permissions is None else mount.permissions & 0o777
    return FileSink(tree.create_file(target.parts, mode=mode))


def _translated(error: OSError, target: Target) -> VarflowError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StoreFull(f"files: no room in the temp dir for {target}")
    if error.errno == errno.ENAMETOOLONG:
        return InvalidInput(f"files: a name of {target} is too long for the file system")
    return VarflowError(
        f"files: {target} cannot be laid into the temp dir: {os.strerror(error.errno or 0)}"
    )
