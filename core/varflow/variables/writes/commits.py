"""The commit: all variables of an action change together, once, or not at all (design.md §6).

    C1 bodies ► C2 read decision, records ► C3 prepare each record ► C4 decide ► answer
                      ▲                                                  │► C5 finish each
                      └───────── somebody changed the decision ──────────┘

The store is the only thing shared; whoever runs this may die at any await and never come back. Why
each point is safe (`tests/unit/variables/test_commits.py` explores them on this code,
`reference/commit_model.py` in the abstract):

* C1 after a body: no record names it. A sweeper removes it.
* C2 after reading: nothing was written.
* C3 before, between and after the prepares: the records still have their `current` value, and the
  decision object does not name this transaction, so readers give that; writers wait, then kill the
  claim by changing the decision, whose ETag is the claim's *tag*.
* C4 before deciding: as C3. An owner that was only stopped, and goes on after somebody else
  changed the decision (another attempt committed, a writer killed it, the control plane abandoned
  the action), fails on the tag and begins again at C2, where it adopts what was committed, or
  ends. After deciding, before the answer: it is committed. Who asks again adopts it.
* answer: the decision is durable, so every reader that asks from now on sees every new value.
* C5 before and after each finish: a claim of a committed transaction reads as its new value;
  anybody can finish it, since the decision lists the records. A finish that comes late finds
  another claim or none and does nothing, so a later value of another writer stays.

Claims are taken in parallel. One that meets another commit's live claim gives back what comes
after it in the order of paths and goes on one by one, so that two commits over the same keys never
wait for each other; only a dead owner is waited for, and killed (`pendings.KILL_AFTER_SECONDS`).

An entry that is unchanged is not written, but it is read again after the others are prepared (one
more round trip, only when there are both). Else two commits could each believe that the other's
variable is as wanted already, and leave values that neither of them meant to stand together. When
nothing changes nothing is written, not even a decision.

Bodies belong to the commit from the call on. It removes those that ended up nowhere, but keeps them
when it does not know how it ended (`StoreError`, cancelled): the caller may try again with the same
changes. `changes` empty costs one read of the decision, since another attempt may have committed.

Rejected: one lock object for a scope (a hot spot, and a dead holder), a log of transactions (every
reader would read two objects), abandoning between attempts (the first to decide wins; its work is
as good as any).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from varflow.errors import ActionAbandoned, DeadlinePassed
from varflow.variables import paths
from varflow.variables.background import Background
from varflow.variables.stores.base import Conflict, ObjectStore
from varflow.variables.writes import attempts, decisions, pendings
from varflow.variables.writes.attempts import Attempt, Outcome
from varflow.variables.writes.claims import Change, Claim
from varflow.variables.writes.decisions import Decision, Kind
from varflow.variables.writes.pendings import Found
from varflow.variables.writes.revisions import Revisions

__all__ = ["ABANDONED", "Abandoned", "Change", "Commits", "Outcome"]


class Abandoned:
    """Type of `ABANDONED`."""

    def __repr__(self) -> str:
        return "ABANDONED"


ABANDONED: Final = Abandoned()
"""The control plane gave the action up; it never commits."""


class Commits:
    """Commits and their decisions, over one store."""

    def __init__(
        self,
        store: ObjectStore,
        background: Background,
        *,
        revisions: Revisions,
        clock: Callable[[], float],
        writer: str,
    ) -> None:
        self._store = store
        self._background = background
        self._revisions = revisions
        self._clock = clock
        self._writer = writer

    async def commit(
        self, decision: str, changes: Sequence[Change], *, result: bytes, deadline: float | None
    ) -> Outcome:
        """Make all changes at one moment, and `result` the action's; see the module's text.

        Args:
            decision: Path of the action's decision object, the same for every attempt.
            changes: Of two for one variable the last counts. A variable's expiry stays.
            result: What another attempt would adopt.
            deadline: Seconds since the epoch; nothing is decided later.

        Raises:
            ActionAbandoned: the control plane gave the action up. Nothing changed.
            DeadlinePassed: it is too late. Nothing changed.
            StoreError: it is not known whether the commit took effect; asking again tells.
        """
        attempt = Attempt(
            self._store,
            self._make_claims(changes),
            decision=decision,
            result=result,
            deadline=deadline,
            clock=self._clock,
        )
        bodies = {change.content.body: change for change in changes if change.content is not None}
        try:
            outcome = await attempt.run()
        except BaseException as error:
            is_final = isinstance(error, ActionAbandoned | DeadlinePassed)
            self._background.start(
                self._withdraw(attempt, bodies if is_final else {}), name=f"withdrawing {decision}"
            )
            raise
        self._background.start(self._finish(attempt, bodies), name=f"finishing {decision}")
        return outcome

    async def abandon(self, decision: str) -> Outcome | None:
        """Give the action up for good, unless it has committed: then return what stands."""
        while True:
            found = await pendings.read_decision(self._store, decision)
            if found.kind is Kind.COMMITTED:
                return await self._adopt(decision, found)
            if found.kind is Kind.ABANDONED:
                return None
            abandoned = Decision(kind=Kind.ABANDONED, nonce=pendings.make_nonce(), at=self._clock())
            try:
                data = decisions.encode(abandoned)
                await self._store.put(decision, data, condition=found.condition)
            except Conflict:
                continue
            return None

    async def find(self, decision: str) -> Outcome | Abandoned | None:
        """Return what was decided for good, or None when nothing was yet."""
        found = await pendings.read_decision(self._store, decision)
        match found.kind:
            case Kind.COMMITTED:
                return await self._adopt(decision, found)
            case Kind.ABANDONED:
                return ABANDONED
            case Kind.ABORTED | None:
                return None

    def _make_claims(self, changes: Sequence[Change]) -> list[Claim]:
        last = {paths.variable(change.address): change for change in changes}
        return [
            Claim(
                self._store,
                last[path],
                revisions=self._revisions,
                clock=self._clock,
                writer=self._writer,
            )
            for path in sorted(last)
        ]

    async def _adopt(self, decision: str, found: Found) -> Outcome:
        """Return the outcome of a committed action, and finish it meanwhile or later."""
        self._background.start(
            pendings.finish_decision(self._store, decision), name=f"finishing {decision}"
        )
        return Outcome(await attempts.read_result(self._store, decision, found), adopted=True)

    async def _finish(self, attempt: Attempt, bodies: dict[str | None, Change]) -> None:
        await attempt.finish()
        await self._remove(attempt, bodies)

    async def _withdraw(self, attempt: Attempt, bodies: dict[str | None, Change]) -> None:
        await attempt.withdraw()
        await self._remove(attempt, bodies)

    async def _remove(self, attempt: Attempt, bodies: dict[str | None, Change]) -> None:
        """Remove the bodies that no variable came to name."""
        kept = attempt.kept_bodies()
        for body, change in bodies.items():
            if body is not None and body not in kept:
                await self._store.delete(paths.body(change.address.owners, body))
