"""Committing what a function left under `out/`: all of it together, or nothing.

Entries are spooled one after the other (small ones into memory, others straight into new bodies),
then one commit makes them variables together with the action's outcome, which a second execution of
the action will adopt instead of its own. Warnings about what could not become a variable are part
of the outcome, so they too are said once.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from dataclasses import replace
from typing import Final

from varflow.contract import Outcome
from varflow.errors import ActionAbandoned, StoreError, TooLarge
from varflow.variables import retrying
from varflow.variables.scopes import Address, Owners
from varflow.variables.variables import Variables
from varflow.variables.writes.claims import Change
from varflow.variables.writes.commits import Abandoned
from varflow.variables.writes.commits import Outcome as Decided
from varflow.variables.writes.contents import Stored
from varflow_sidecar import threads
from varflow_sidecar.files import packing
from varflow_sidecar.files.folders import ActionFolder
from varflow_sidecar.files.packing import Entry

MAX_WARNINGS: Final = 100
"""More are only counted: a folder of a million links shall not fill the log."""


class Warnings:
    """Collects what could not be kept."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._more = 0

    def add(self, text: str) -> None:
        """Take one; from a worker thread."""
        if len(self._texts) < MAX_WARNINGS:
            self._texts.append(text)
        else:
            self._more += 1

    def extend(self, others: Warnings) -> None:
        """Take all of another collection."""
        for text in others._texts:
            self.add(text)
        self._more += others._more

    def texts(self) -> tuple[str, ...]:
        """Return them, with a last one that counts those beyond the limit."""
        more = (f"{self._more} more entries of out/ are left out",) if self._more else ()
        return (*self._texts, *more)


async def commit(
    folder: ActionFolder | None,
    outcome: Outcome,
    *,
    variables: Variables,
    owners: Owners,
    decision: str,
    deadline: float,
) -> Outcome:
    """Commit the folder's outputs with `outcome`, and return the outcome that stands.

    That is another one when another execution of the action has committed first. Without changes
    nothing is written, but the decision is still asked.

    Args:
        folder: Taken away from the function; None when nothing is in it.
        outcome: What the function answered.
        variables: Where to.
        owners: Whose.
        decision: Path of the action's decision object.
        deadline: Nothing is committed later; seconds since the epoch.

    Raises:
        VarflowError: nothing was committed, or (`StoreError`) whether it was is not known.
    """
    warnings = Warnings()
    changes: list[Change] = []
    if folder is not None:
        changes = await _gather(
            folder, variables, owners=owners, warnings=warnings, deadline=deadline
        )
    outcome = replace(outcome, warnings=warnings.texts())
    decided = await retrying.until(
        deadline,
        lambda: variables.commit(decision, changes, result=outcome.encode(), deadline=deadline),
    )
    return Outcome.decode(decided.result) if decided.adopted else outcome


def committed_outcome(found: Decided | Abandoned | None) -> Outcome | None:
    """Return the outcome that a decision holds, or None when there is none yet.

    Raises:
        ActionAbandoned: the control plane gave the action up.
    """
    if isinstance(found, Abandoned):
        raise ActionAbandoned("the action was given up before it began")
    return None if found is None else Outcome.decode(found.result)


async def _gather(
    folder: ActionFolder,
    variables: Variables,
    *,
    owners: Owners,
    warnings: Warnings,
    deadline: float,
) -> list[Change]:
    changes: list[Change] = []
    found = packing.entries(folder.path, warn=warnings.add)
    try:
        while (entry := await threads.run(next, found, None)) is not None:
            store = functools.partial(_store, entry, variables, owners=owners, warnings=warnings)
            try:
                content = await retrying.until(deadline, store)
            except TooLarge as error:
                raise TooLarge(f"out/{entry.scope}/{entry.key}: {error.message}") from error
            content_type = packing.ARCHIVE_TYPE if entry.is_folder else None
            changes.append(Change(Address(owners, entry.scope, entry.key), content, content_type))
    except BaseException:
        for change in changes:
            await _discard(change, variables)
        raise
    finally:
        if inspect.getgeneratorstate(found) != inspect.GEN_CLOSED:  # it was left before its end
            await threads.run(found.close)
    return changes


async def _discard(change: Change, variables: Variables) -> None:
    """Remove what no commit will name; if that fails the sweeper does it later."""
    if change.content is not None:
        with contextlib.suppress(StoreError):
            await variables.discard(change.address.owners, change.content)


async def _store(
    entry: Entry, variables: Variables, *, owners: Owners, warnings: Warnings
) -> Stored:
    """Spool one entry; from its beginning, since it may be tried again."""
    if entry.data is not None:
        return await variables.store_content(owners, entry.data)
    heard = Warnings()
    chunks = packing.chunks(entry, warn=heard.add)
    async with contextlib.aclosing(threads.iterate(chunks)) as stream:
        stored = await variables.store_content(owners, stream)
    warnings.extend(heard)
    return stored
