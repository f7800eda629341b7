"""Reading and writing variables from the command line, streamed in both directions."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from varflow.errors import InvalidInput
from varflow.variables import expiries, scopes
from varflow.variables.expiries import Ttl
from varflow.variables.scopes import Owners, Scope
from varflow.variables.stores.base import CHUNK_BYTES
from varflow.variables.variables import VariableInfo
from varflow_cli import storing, streams
from varflow_cli.failures import Failure, Mistake


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whose variables, in which store."""

    url: str
    owners: Owners
    scope: Scope


def parse_place(
    *,
    store: str | None,
    namespace: str | None,
    scope: str | None,
    workflow: str | None,
    instance: str | None,
) -> Place:
    """Return the place that the options name.

    Raises:
        Mistake: the scope's owner is not given.
    """
    chosen = Scope(scope) if scope else _likely_scope(workflow, instance)
    owner = {Scope.WORKFLOW: workflow, Scope.INSTANCE: instance}.get(chosen, "all")
    if not owner:
        raise Mistake(f"--scope {chosen} needs --{chosen} to say whose variables are meant")
    owners = storing.make_owners(
        namespace=namespace or storing.NAMESPACE, workflow=workflow or "", instance=instance or ""
    )
    return Place(url=storing.shown_store_url(store), owners=owners, scope=chosen)


def _likely_scope(workflow: str | None, instance: str | None) -> Scope:
    if instance:
        return Scope.INSTANCE
    return Scope.WORKFLOW if workflow else Scope.NAMESPACE


def parse_ttl(text: str | None) -> Ttl:
    """Return what `--ttl` asks for.

    Raises:
        Mistake: it is neither seconds nor `none`.
    """
    try:
        return expiries.parse(text)
    except InvalidInput as error:
        raise Mistake(f"--ttl: {error.message}") from error


async def find_all(place: Place, *, prefix: str) -> list[VariableInfo]:
    """Return what is known about each variable of a scope."""
    async with storing.open_variables(place.url) as variables:
        return [info async for info in variables.list(place.owners, place.scope, prefix=prefix)]


async def read(place: Place, key: str) -> None:
    """Copy a variable's bytes to standard output.

    Raises:
        Failure: it is not there; nothing was written.
        OSError: standard output cannot be written.
    """
    address = scopes.address(place.owners, place.scope, key)
    async with storing.open_variables(place.url) as variables:
        variable = await variables.get(address)
        if variable is None:
            raise Failure(f"variable {address} does not exist in {place.url}", code="not_found")
        async for chunk in variable.read():
            with streams.printing():
                await asyncio.to_thread(sys.stdout.buffer.write, chunk)


async def write(
    place: Place, key: str, source: BinaryIO, *, content_type: str | None, ttl: Ttl
) -> VariableInfo:
    """Set a variable to the bytes of `source` and return what is known about it then.

    Raises:
        Mistake: `source` cannot be read; nothing was written.
    """
    address = scopes.address(place.owners, place.scope, key)
    async with storing.open_variables(place.url) as variables:
        return await variables.set(address, _chunks(source), content_type=content_type, ttl=ttl)


async def remove(place: Place, key: str) -> None:
    """Remove a variable, if it is there."""
    address = scopes.address(place.owners, place.scope, key)
    async with storing.open_variables(place.url) as variables:
        await variables.delete(address)


@contextlib.contextmanager
def opened(*, value: str | None, file: Path | None, stdin: BinaryIO) -> Iterator[BinaryIO]:
    """Open what a value is read from.

    Raises:
        Mistake: the file cannot be read.
    """
    if value is not None:
        yield BytesIO(value.encode("utf-8", "surrogateescape"))
    elif file is None:
        yield stdin
    else:
        try:
            source = file.open("rb")
        except OSError as error:
            raise Mistake(f"--file {file}: {error.strerror}") from error
        with source:
            yield source


async def _chunks(source: BinaryIO) -> AsyncIterator[bytes]:
    try:
        while chunk := await asyncio.to_thread(source.read, CHUNK_BYTES):
            yield chunk
    except OSError as error:
        raise Mistake(f"the value cannot be read: {error.strerror}") from error
