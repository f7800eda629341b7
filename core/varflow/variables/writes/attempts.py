"""One call of `commit`: the rounds of read, prepare and decide, and what comes after.

The order of the steps, and why each of them may be the last one that this process takes, stands in
`commits` (C1 to C5). An `Attempt` holds what the rounds share: the claims on the records, and what
is known of the decision.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from varflow.errors import ActionAbandoned, CorruptObject, DeadlinePassed
from varflow.variables import paths
from varflow.variables.background import all_of, uninterrupted
from varflow.variables.stores.base import Conflict, ObjectStore
from varflow.variables.writes import contents, decisions, pendings
from varflow.variables.writes.claims import Claim, Round
from varflow.variables.writes.contents import Digest
from varflow.variables.writes.decisions import Decision, Kind
from varflow.variables.writes.pendings import Found


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an action's commit came to."""

    result: bytes
    adopted: bool
    """Another attempt of the action had committed; this is its result."""


class Attempt:
    """One call of `commit`, through all its rounds."""

    def __init__(
        self,
        store: ObjectStore,
        claims: list[Claim],
        *,
        decision: str,
        result: bytes,
        deadline: float | None,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._claims = claims
        self._path = decision
        self._result = result
        self._result_path: str | None = None
        self._result_sha256 = ""
        self._deadline = deadline
        self._clock = clock
        self._found = Found(None, None)
        self._decided: Decision | None = None
        """The committed decision, ours or another attempt's."""
        self._is_unsure = False
        """A decision of ours was sent and has not been answered."""

    async def run(self) -> Outcome:
        """Go round until the action is decided."""
        while True:
            await self._read()
            found = self._found
            if found.kind is Kind.COMMITTED:
                self._decided = found.decision
                return Outcome(await read_result(self._store, self._path, found), adopted=True)
            if found.kind is Kind.ABANDONED:
                raise ActionAbandoned(f"{self._path}: the control plane has given the action up")
            if await self._try(found):
                return Outcome(self._result, adopted=False)

    async def finish(self) -> None:
        """Make what was decided current, and leave no claim of a round before."""
        decided = self._decided
        prepared = [claim for claim in self._claims if claim.is_prepared]
        if decided is not None and decided.txn is not None:
            if prepared:
                await all_of(*(claim.finish(decided.txn) for claim in prepared))
            else:
                await pendings.finish_decision(self._store, self._path)
        await all_of(*(claim.release() for claim in self._claims if claim not in prepared))
        await self._remove_result(decided)

    async def withdraw(self) -> None:
        """Leave no claim behind that others would have to wait for."""
        if self._is_unsure:
            await pendings.finish_decision(self._store, self._path)
            return
        await all_of(*(claim.withdraw() for claim in self._claims))
        await self._remove_result(None)

    def kept_bodies(self) -> set[str]:
        """Return the ids of the bodies that variables name, or will."""
        kept = set(self._decided.bodies) if self._decided is not None else set()
        for claim in self._claims:
            if claim.is_body_kept and claim.change.content is not None:
                kept.add(claim.change.content.body or "")
        return kept

    async def _read(self) -> None:
        """C2: the decision and all records in one round trip."""
        await all_of(self._read_decision(), *(claim.read() for claim in self._claims))

    async def _read_decision(self) -> None:
        self._found = await pendings.read_decision(self._store, self._path)

    async def _try(self, found: Found) -> bool:
        """C3 and C4: return whether the action is over; if not, the decision has changed."""
        round_ = Round(
            decision=self._path,
            tag=found.etag,
            txn=secrets.token_hex(16),
        )
        await self._prepare(round_)
        prepared = [claim for claim in self._claims if claim.is_prepared]
        return not prepared or await self._decide(round_, prepared)

    async def _prepare(self, round_: Round) -> None:
        """C3: prepare the records, then make sure of those that need no change.

        These are read after the last prepare, again if one of them has to be prepared after all.
        """
        while True:
            advanced = await all_of(*(c.advance(round_, is_patient=False) for c in self._claims))
            if not all(advanced):
                await self._queue(round_, advanced.index(False))
            if len(self._claims) <= 1:
                return
            if all(await all_of(*(claim.is_steady() for claim in self._claims))):
                return

    async def _queue(self, round_: Round, first: int) -> None:
        """Wait in the order of paths, holding nothing that comes later."""
        waiting = self._claims[first:]
        await all_of(*(claim.release() for claim in waiting))
        for claim in waiting:
            await claim.advance(round_, is_patient=True)

    async def _decide(self, round_: Round, prepared: list[Claim]) -> bool:
        """C4: return whether the decision is ours; False when somebody has changed it."""
        await self._store_result()
        decision = self._make_decision(round_, prepared)
        if self._deadline is not None and self._clock() >= self._deadline:
            raise DeadlinePassed(f"{self._path}: the action's deadline has passed; nothing changed")
        self._is_unsure = True
        try:
            data = decisions.encode(decision)
            put = self._store.put(self._path, data, condition=self._found.condition)
            await uninterrupted(put)
        except Conflict:
            self._is_unsure = False
            return False
        self._decided, self._is_unsure = decision, False
        return True

    def _make_decision(self, round_: Round, prepared: list[Claim]) -> Decision:
        news = [claim.new for claim in prepared]
        return Decision(
            kind=Kind.COMMITTED,
            nonce=pendings.make_nonce(),
            at=self._clock(),
            txn=round_.txn,
            changes=tuple(claim.path for claim in prepared),
            bodies=tuple(new.body for new in news if new is not None and new.body is not None),
            result=self._result if self._result_path is None else None,
            result_path=self._result_path,
            result_sha256=self._result_sha256,
        )

    async def _store_result(self) -> None:
        """Hash the result, and put a long one into a data object; once in all rounds."""
        if self._result_sha256:
            return
        digest = Digest()
        await digest.update(self._result)
        sha256 = await digest.hexdigest()
        if len(self._result) > decisions.INLINE_RESULT_BYTES:
            path = paths.data_beside(self._path, f"result-{secrets.token_hex(8)}")
            await self._store.write_body(path, contents.slices(self._result))
            self._result_path = path
        self._result_sha256 = sha256

    async def _remove_result(self, decided: Decision | None) -> None:
        path = self._result_path
        if path is not None and (decided is None or decided.result_path != path):
            await self._store.delete(path)


async def read_result(store: ObjectStore, path: str, found: Found) -> bytes:
    """Return the result in a committed decision, or in the data object that it names.

    Raises:
        CorruptObject: it is missing or damaged; names the decision.
    """
    decision = found.decision
    if decision is None or (decision.result is None and decision.result_path is None):
        raise CorruptObject(f"{path} is committed without a result")
    if decision.result_path is None:
        return decision.result or b""
    digest, chunks = Digest(), []
    async for chunk in store.read_body(decision.result_path):
        await digest.update(chunk)
        chunks.append(chunk)
    if await digest.hexdigest() != decision.result_sha256:
        raise CorruptObject(f"{path} has a damaged result at {decision.result_path}")
    return b"".join(chunks)
