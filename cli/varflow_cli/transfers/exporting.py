"""Writing the variables of a scope into a tar archive (`archives`), as a stream.

Each variable is there as it was at one moment, with its type and expiry; different ones may be of
different moments, for others go on writing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from varflow.variables.handles import Variable, VariableInfo
from varflow.variables.stores.base import CHUNK_BYTES, ObjectStore
from varflow_cli.stores.editing import Place
from varflow_cli.transfers import archives
from varflow_cli.transfers.archives import FileNames
from varflow_sidecar.files import tar_headers

_PART_ENTRIES: Final = 500
_PART_BYTES: Final = 4 * 1024 * 1024
"""Of values that came with their records, and wait in memory for their manifest to be written."""
_FILE_MODE: Final = 0o644


@dataclass(slots=True)
class Exported:
    """What an archive has got."""

    count: int = 0
    size: int = 0
    """Of the values, in bytes."""


class _Output:
    """Gathers small pieces; the writing is done in a thread."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self._pieces: list[bytes] = []
        self._size = 0

    async def add(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size += len(data)
        if self._size >= CHUNK_BYTES:
            await self.flush()

    async def flush(self) -> None:
        data, self._pieces, self._size = b"".join(self._pieces), [], 0
        await asyncio.to_thread(self._sink.write, data)


async def export(place: Place, sink: BinaryIO, *, prefix: str = "") -> Exported:
    """Write all variables of a scope, or those whose keys begin with `prefix`.

    Raises:
        StoreError: one cannot be read; the archive has no end.
        OSError: the archive cannot be written.
    """
    done, names, output = Exported(), FileNames(), _Output(sink)
    async with (
        place.open() as there,
        aclosing(there.variables.list(there.owners, there.scope, prefix=prefix)) as found,
    ):
        number = 0
        async for part in _parts(found, there.variables.store):
            number += 1
            described = [(names.choose(variable.key), variable) for variable in part]
            manifest = archives.encode_manifest(described, scope=there.scope)
            await _add(output, archives.manifest_name(number), manifest)
            for file, variable in described:
                await _add_variable(output, file, variable)
                done.count += 1
                done.size += variable.size
        if not number:  # an archive of nothing is one, too
            empty = archives.encode_manifest([], scope=there.scope)
            await _add(output, archives.manifest_name(1), empty)
    await output.add(tar_headers.END)
    await output.flush()
    await asyncio.to_thread(sink.flush)
    return done


async def _parts(
    found: AsyncIterator[VariableInfo], store: ObjectStore
) -> AsyncIterator[list[Variable]]:
    """Yield the variables in lists for one manifest each."""
    part: list[Variable] = []
    size = 0
    async for info in found:
        variable = info.open(store)
        part.append(variable)
        size += len(variable.inline or b"")
        if len(part) == _PART_ENTRIES or size >= _PART_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


async def _add_variable(output: _Output, file: str, variable: Variable) -> None:
    if variable.inline is not None:
        await _add(output, file, variable.inline)
        return
    await output.add(tar_headers.encode(file.encode(), mode=_FILE_MODE, size=variable.size))
    async for chunk in variable.read():
        await output.add(chunk)
    await output.add(bytes(tar_headers.padding(variable.size)))


async def _add(output: _Output, name: str, data: bytes) -> None:
    header = tar_headers.encode(name.encode(), mode=_FILE_MODE, size=len(data))
    await output.add(header + data + bytes(tar_headers.padding(len(data))))


@contextlib.contextmanager
def open_target(path: Path) -> Iterator[BinaryIO]:
    """Open a file that is `path` once everything has been written, and does not exist else.

    A link is followed. What is there and no file, such as a pipe or a device, is written to.

    Raises:
        OSError: it cannot be written; names it.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        with target.open("wb") as sink:
            yield sink
        return
    descriptor, name = _make_beside(target)
    with open(descriptor, "wb") as file:
        try:
            yield file
            file.flush()
            os.fsync(descriptor)
            os.replace(name, target)
        except BaseException:
            os.unlink(name)
            raise


def _make_beside(target: Path) -> tuple[int, str]:
    """Return the descriptor and the name of a new file in the same folder."""
    try:
        return tempfile.mkstemp(dir=target.parent, prefix=".varflow.")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error
