"""`varflow store encrypt`: what needs another key than the present one, and encrypting it anew.

    Ground.open ─► count ─► a table, or JSON            without --write
               └─► renew what can be ─► count again     with it

The count at the end is of what is there then: what was left, and what others have written with an
older key meanwhile. One namespace at a time: keys are a namespace's, and in a bucket that several
share nothing of the others is touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from typing import Final, Protocol

from varflow.errors import EncryptionKeyMissing
from varflow.variables import paths
from varflow.variables.encryption.keyrings import KeyRing
from varflow.variables.encryption.policies import Policy
from varflow.variables.encryption.store import EncryptedStore
from varflow.variables.renewal.counting import Counting
from varflow.variables.renewal.renewing import Renewing
from varflow.variables.renewal.tallies import PLAIN, Tally
from varflow.variables.scopes import Owners
from varflow.variables.stores.base import ObjectStore
from varflow_cli.console import streams, tables
from varflow_cli.console.failures import Mistake, NotFound
from varflow_cli.stores import encrypting
from varflow_cli.stores.checking import LocalWhole
from varflow_cli.stores.renewals import Report

_TELL_SECONDS: Final = 5.0
"""How often a long run says how far it is."""


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace in an open store."""

    store: ObjectStore
    owners: Owners


class Ground(Protocol):
    """A namespace in a store, here or in a cluster."""

    def open(self) -> AbstractAsyncContextManager[Place]:
        """Open the store, as long as the context lasts."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalGround:
    """A namespace in a store that this machine reaches by its URL."""

    whole: LocalWhole
    owners: Owners

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Place]:
        """Open the store, as long as the context lasts."""
        async with self.whole.open() as part:
            yield Place(part.store, self.owners)


async def encrypt(ground: Ground, *, is_writing: bool) -> Report:
    """Count what is sealed with which key, and before that seal what needs it if asked.

    Raises:
        Mistake: there are no keys, or nothing is written encrypted.
        NotFound: nothing is in that namespace.
        EncryptionKeyMissing: plain objects stand among those of keys that are not here.
        StoreError: the store cannot be looked through; what was done is done.
    """
    async with ground.open() as place:
        store = require_keys(place.store)
        prefix = paths.namespace_prefix(place.owners)
        ring = await _find_ring(store, prefix)
        report = Report(place.owners, ring, Tally())
        if is_writing:
            if store.policy.reads_plain:
                report.tally = await count(store, prefix)
                _check_keys(report)
            await _renew(store, report)
        report.tally = await count(store, prefix)
    if not report.tally.total:
        raise NotFound(
            f"nothing is in namespace {place.owners.namespace} of cluster {place.owners.cluster}; "
            "`varflow store check` tells whose values are in the store"
        )
    return report


def require_keys(store: ObjectStore) -> EncryptedStore:
    """Return the store if what is written there is encrypted.

    Raises:
        Mistake: it is not.
    """
    if not isinstance(store, EncryptedStore):
        raise Mistake(f"no keys are given, neither by {encrypting.KEY_FILE} nor {encrypting.KEYS}")
    if not store.policy.writes_sealed:
        raise Mistake(
            f"encryption is {Policy.OFF}, so nothing would be encrypted; see {encrypting.POLICY}, "
            "or in a cluster encryption.enabled of the chart"
        )
    return store


async def count(store: EncryptedStore, prefix: str) -> Tally:
    """Count what is sealed with which key below a namespace's prefix.

    Raises:
        StoreError: the store cannot be looked through.
    """
    counting = Counting(store, prefix)
    async with telling(lambda: f"objects looked at: {counting.looked}"):
        return await counting.run()


async def _find_ring(store: EncryptedStore, prefix: str) -> KeyRing:
    ring = await store.find_ring(prefix)
    if ring is None:
        raise EncryptionKeyMissing(f"there are no keys for {prefix}")
    return ring


def _check_keys(report: Report) -> None:
    """See to it that plain objects are sealed with keys that are this namespace's."""
    tally = report.tally
    missing = [key for key in tally.used() if key != PLAIN and not report.has(key)]
    if missing and tally.objects(PLAIN):
        raise EncryptionKeyMissing(
            f"objects are encrypted with keys that are not here: {', '.join(missing)}; so the keys "
            "given may be another namespace's, and plain objects are not encrypted with them; add "
            f"the keys that are missing, or set {encrypting.POLICY}={Policy.ON} to leave plain "
            "objects alone"
        )


async def _renew(store: EncryptedStore, report: Report) -> None:
    renewing = Renewing(store, report.owners, clock=time.time)

    def say() -> str:
        copied = f", {tables.size(renewing.copied)} copied" if renewing.copied else ""
        return f"objects looked at: {renewing.looked}, encrypted anew: {report.renewed}{copied}"

    async with telling(say), aclosing(renewing.run()) as renewed:
        async for each in renewed:
            report.add(each)


@contextlib.asynccontextmanager
async def telling(say: Callable[[], str], *, seconds: float = _TELL_SECONDS) -> AsyncIterator[None]:
    """Say every few seconds how far a long work is."""

    async def tell() -> None:
        while True:
            await asyncio.sleep(seconds)
            streams.tell(f"varflow: {say()}")

    task = asyncio.create_task(tell())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
