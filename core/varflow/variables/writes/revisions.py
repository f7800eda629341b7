"""Older revisions of variables, as many of each as the store's URL asks for (`history=5`).

    write, commit ──► keep(the value that is replaced) ──► the record's own write ──► tidy, later
    read ──► live value, of that revision? ──► else what was kept under it

A revision is kept before the record that had it is written over, as a record of its own (see
`paths`); the variable's record knows nothing of it, so that reading a variable costs what it costs
without a history. Dying between the two keeps what is also current, which nobody notices. Kept are
variables of workflows and namespaces; an instance's live no longer than a run, and a state is
rewritten by every run.

Older revisions are part of the variable: they are absent when it is, and gone when it is deleted or
begins anew. None outlives its own expiry either: a token that was to be gone in a minute is.

Rejected: a setting for each variable (one more thing to give with every write), and a list inside
the record (its values would have to move to bodies, and every reader would decode it).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import Final

from varflow.errors import InvalidInput
from varflow.variables import expiries, paths
from varflow.variables.background import all_of
from varflow.variables.records import Value
from varflow.variables.stores.base import Conflict, Listed, ObjectStore
from varflow.variables.writes import pendings
from varflow.variables.writes.pendings import NOTHING

_REV: Final = re.compile(r'"?([0-9]{1,18}-[0-9a-f]{8})"?')


class Revisions:
    """What is kept of the variables in one store."""

    def __init__(self, store: ObjectStore, *, kept: int, clock: Callable[[], float]) -> None:
        """Keep `kept` older revisions of each variable."""
        self._store = store
        self._kept = kept
        self._clock = clock

    def concern(self, path: str) -> bool:
        """Tell whether anything is kept of the record at `path`."""
        return self._kept > 0 and paths.has_revisions(path)

    async def keep(self, path: str, value: Value | None) -> None:
        """Keep the value that is about to be replaced in the record at `path`.

        Once only: a writer who comes too late would make it look newer than those after it.
        """
        live = expiries.alive(value, now=self._clock())
        if live is None:
            return
        with contextlib.suppress(Conflict):
            await pendings.write(self._store, paths.revision(path, live.rev), live, over=NOTHING)

    async def find(self, path: str, live: Value | None, rev: str) -> Value | None:
        """Return one revision of the variable whose present value is `live`.

        Raises:
            InvalidInput: `rev` is no revision's name.
        """
        rev = _parse(rev)
        if live is None or live.rev == rev:
            return live
        seen = await pendings.read(self._store, paths.revision(path, rev))
        return self._part_of(live, seen.current)

    async def find_all(self, path: str, live: Value | None) -> list[Value]:
        """Return what is kept of a variable whose present value is `live`, the newest first."""
        if live is None:
            return []
        listed = await self._list(path)
        seen = await all_of(*(pendings.read(self._store, it.path) for it in listed))
        found = [self._part_of(live, it.current) for it in seen]
        older = [value for value in found if value is not None and value.rev != live.rev]
        return sorted(older, key=lambda value: _count(value.rev), reverse=True)

    async def tidy(self, path: str, *, is_deleted: bool = False) -> None:
        """Remove what is more than the store keeps; all of it once the variable is deleted.

        Bodies are left to who removes those that nobody names: they may be being read.
        """
        listed = await self._list(path)
        is_over = is_deleted and await self._is_gone(path)
        if not is_over:
            listed = (await self._newest_first(listed))[self._kept :]
        for it in listed:
            await self._store.delete(it.path)

    async def _newest_first(self, listed: list[Listed]) -> list[Listed]:
        """Sort by the time of writing, unless the counters say that it is not the revisions' own.

        They begin again with each life of a variable, and a revision that was encrypted anew
        (`renewal`) is younger than it looks. Then the values are read, which tell.
        """
        by_time = sorted(listed, key=_age, reverse=True)
        if len(listed) <= self._kept or by_time == sorted(by_time, key=_count_of, reverse=True):
            return by_time
        seen = await all_of(*(pendings.read(self._store, it.path) for it in by_time))
        began = {
            it.path: each.current.created_at if each.current is not None else 0.0
            for it, each in zip(by_time, seen, strict=True)
        }
        return sorted(by_time, key=lambda it: (began[it.path], _count_of(it)), reverse=True)

    async def _is_gone(self, path: str) -> bool:
        """Look whether a variable that was deleted has begun anew; what is listed may be of that.

        What is left of its life before goes with the next revisions, or by a sweeper.
        """
        seen = await pendings.read(self._store, path)
        return seen.current is None and seen.pending is None

    async def _list(self, path: str) -> list[Listed]:
        return [listed async for listed in self._store.list(paths.revisions_prefix(path))]

    def _part_of(self, live: Value, older: Value | None) -> Value | None:
        """Return `older` if it belongs to the same life of the variable, and has not expired."""
        if older is None or older.created_at != live.created_at:
            return None
        return expiries.alive(older, now=self._clock())


def _age(listed: Listed) -> tuple[float, int]:
    """Sort by time, then by counter: a store's clock may have no more than seconds."""
    return listed.modified, _count_of(listed)


def _count_of(listed: Listed) -> int:
    return _count(paths.key_of(listed.path))


def _count(rev: str) -> int:
    count = rev.partition("-")[0]
    return int(count) if count.isdecimal() else 0


def _parse(text: str) -> str:
    """Return the revision that `text` names; the quotes of an entity tag may be there."""
    match = _REV.fullmatch(text)
    if match is None:
        raise InvalidInput(f"revision {text[:64]!a} is none; one looks like 3-0f1e2d3c")
    return match[1]
