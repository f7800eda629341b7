"""Reading and writing variables from the command line, streamed in both directions."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from io import BufferedReader, BytesIO, FileIO
from pathlib import Path
from typing import BinaryIO, Protocol

from varflow.errors import InvalidInput
from varflow.variables import copying, expiries, keys
from varflow.variables.expiries import Ttl
from varflow.variables.handles import Variable
from varflow.variables.scopes import Address, Owners, Scope
from varflow.variables.stores.base import CHUNK_BYTES
from varflow.variables.variables import VariableInfo, Variables
from varflow.variables.writes.preconditions import Conditions
from varflow_cli.console import blocking, streams
from varflow_cli.console.failures import Mistake, NotFound
from varflow_cli.stores import storing, trusting


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """Whose variables, by the names of their owners; an empty namespace is the place's own."""

    namespace: str
    scope: Scope
    workflow: str
    instance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A place whose store is open."""

    variables: Variables
    owners: Owners
    scope: Scope
    store: str
    """How messages name the store."""
    find_owners: Callable[[Whose], Awaitable[Owners]]
    """Returns the UIDs of other owners in the same store."""


class Place(Protocol):
    """Whose variables, in which store."""

    def open(self) -> AbstractAsyncContextManager[Opened]:
        """Open the store, as long as the context lasts."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPlace:
    """Variables in a store that this machine reaches by its URL."""

    url: str
    owners: Owners
    scope: Scope
    creates: bool
    """Whether the store is made when there is none."""
    accepts_unsafe_store: bool | None
    """None for who only reads, and need not trust the store."""

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Opened]:
        """Open the store, as long as the context lasts."""
        async with storing.open_variables(self.url, creates=self.creates) as variables:
            await trusting.ask(variables.store, accepts_unsafe=self.accepts_unsafe_store)
            yield Opened(
                variables=variables,
                owners=self.owners,
                scope=self.scope,
                store=self.url,
                find_owners=self._find_owners,
            )

    async def _find_owners(self, whose: Whose) -> Owners:
        return storing.make_owners(
            namespace=whose.namespace or self.owners.namespace,
            workflow=whose.workflow,
            instance=whose.instance,
        )


def parse_place(
    *,
    store: str | None,
    namespace: str | None,
    scope: str | None,
    workflow: str | None,
    instance: str | None,
    creates: bool,
    accepts_unsafe_store: bool | None,
) -> LocalPlace:
    """Return the place that the options name.

    Raises:
        Mistake: the scope's owner is not given.
    """
    chosen = choose_scope(scope, workflow=workflow, instance=instance)
    owners = storing.make_owners(
        namespace=namespace or storing.NAMESPACE, workflow=workflow or "", instance=instance or ""
    )
    return LocalPlace(
        url=storing.shown_store_url(store),
        owners=owners,
        scope=chosen,
        creates=creates,
        accepts_unsafe_store=accepts_unsafe_store,
    )


def choose_scope(scope: str | None, *, workflow: str | None, instance: str | None) -> Scope:
    """Return the scope that is meant.

    Raises:
        Mistake: its owner is not given.
    """
    chosen = Scope(scope) if scope else _likely_scope(workflow, instance)
    owner = {Scope.WORKFLOW: workflow, Scope.INSTANCE: instance}.get(chosen, "all")
    if not owner:
        raise Mistake(f"--scope {chosen} needs --{chosen} to say whose variables are meant")
    return chosen


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


async def read(place: Place, key: str, *, rev: str | None = None) -> None:
    """Copy a variable's bytes, or those of one revision, to standard output.

    Raises:
        NotFound: it is not there; nothing was written.
        OSError: standard output cannot be written.
    """
    async with _opened(place, key) as (variables, address, store):
        variable = await _find(variables, address, rev)
        if variable is None:
            shown = f"variable {address}" + (f" revision {rev[:64]}" if rev else "")
            raise NotFound(f"{shown} does not exist in {store}", code="not_found")
        async for chunk in variable.read():
            with streams.printing():
                await asyncio.to_thread(sys.stdout.buffer.write, chunk)


async def write(
    place: Place,
    key: str,
    source: BinaryIO,
    *,
    content_type: str | None,
    ttl: Ttl,
    conditions: Conditions,
) -> VariableInfo:
    """Set a variable to the bytes of `source` and return what is known about it then.

    Raises:
        Mistake: `source` cannot be read; nothing was written.
        VariableExists, PreconditionFailed: a condition does not hold; nothing was written.
    """
    async with _opened(place, key) as (variables, address, _):
        return await variables.set(
            address,
            _chunks(source),
            content_type=content_type,
            ttl=ttl,
            if_match=conditions.if_match,
            create=conditions.create,
        )


async def copy(
    place: Place,
    key: str,
    target: str,
    whose: Whose | None,
    *,
    rev: str | None,
    ttl: Ttl,
    conditions: Conditions,
) -> VariableInfo:
    """Copy a variable, or one revision of it, to the key `target`; None is the same owner.

    Raises:
        VariableNotFound: there is no source, or no such revision; nothing was written.
        VariableExists, PreconditionFailed: a condition on the target does not hold; likewise.
    """
    source_key, target_key = keys.parse(key), keys.parse(target)
    async with place.open() as there:
        source = Address(there.owners, there.scope, source_key)
        owners = await there.find_owners(whose) if whose else there.owners
        scope = whose.scope if whose else there.scope
        address = Address(owners, scope, target_key)
        return await copying.copy(
            there.variables, source, address, rev=rev, ttl=ttl, conditions=conditions
        )


async def remove(place: Place, key: str) -> None:
    """Remove a variable, if it is there."""
    async with _opened(place, key) as (variables, address, _):
        await variables.delete(address)


async def _find(variables: Variables, address: Address, rev: str | None) -> Variable | None:
    if rev is None:
        return await variables.get(address)
    return await variables.get_revision(address, rev)


@contextlib.asynccontextmanager
async def _opened(place: Place, key: str) -> AsyncIterator[tuple[Variables, Address, str]]:
    """Open a place, and give its variables, the key's address, and the store's name."""
    key = keys.parse(key)  # before a store is asked, or made
    async with place.open() as there:
        yield there.variables, Address(there.owners, there.scope, key), there.store


@contextlib.contextmanager
def open_source(*, value: str | None, file: Path | None) -> Iterator[BinaryIO]:
    """Open what a value is read from: standard input, unless text or a file is given.

    Raises:
        Mistake: the file cannot be read.
    """
    if value is not None:
        yield BytesIO(value.encode("utf-8", "surrogateescape"))
    elif file is None:
        # A reader of its own, never closed: a thread that was left behind keeps it locked for good.
        yield BufferedReader(FileIO(sys.stdin.fileno(), closefd=False), CHUNK_BYTES)
    else:
        try:
            source = file.open("rb")
        except OSError as error:
            raise Mistake(f"{file}: {error.strerror}") from error
        with source:
            yield source


async def _chunks(source: BinaryIO) -> AsyncIterator[bytes]:
    try:
        while chunk := await blocking.run(source.read, CHUNK_BYTES):
            yield chunk
    except OSError as error:
        raise Mistake(f"the value cannot be read: {error.strerror}") from error
