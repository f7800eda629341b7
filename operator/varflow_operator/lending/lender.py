"""Keeps each namespace's Secret with limited credentials of the store, so that they never end.

    workflows ─► lend(Workflow) ─► remembered ─► Secret ─► due? ─► minted, tried, written
    run        ─────────────────────────────────────────► due?        │
                                                     refused, or away ┴► auto: the operator's own
                                                                         assume-role: an error

Sidecars read the Secret as a mounted file, so new credentials reach them without a new pod. Those
that are still of use stay whatever happens; only when none are left is there anything to decide. A
namespace without workflows is not renewed: what it has borrowed ends by itself.

Rejected: one Secret for each workflow, as for tokens: what it may do is the namespace's.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

from varflow.errors import InvalidInput, StoreUnavailable, VarflowError
from varflow.variables.scopes import Owners
from varflow.variables.stores.credentials import LentCredentials
from varflow.variables.stores.s3_urls import Location
from varflow_operator import names
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import SECRET, WORKFLOW, Object
from varflow_operator.lending import policies, secrets, terms, trying
from varflow_operator.lending.minting import Mint
from varflow_operator.lending.modes import Mode, NotLent
from varflow_operator.ownership import Ownership

LOOK_SECONDS: Final = 60.0
_AGAIN_SECONDS: Final = 600.0
"""Until a store that does not lend is asked again: a role may have been given rights."""

_logger = logging.getLogger(__name__)

Tell = Callable[[Object, str], None]
"""Object, message -> the object's users are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loan:
    """What a namespace has."""

    name: str
    owners: Owners
    is_lent: bool
    due_at: float
    """When to look again."""


def _ignore(_namespace: str) -> None:
    """Tell nobody."""


class Nobody:
    """Stands for a lender where sidecars get the operator's own credentials."""

    async def lend(self, _obj: Object) -> bool:
        """Tell that there are no others."""
        return False

    def tell(self, *, changed: Callable[[str], None]) -> None:
        """Take note of nothing: there are never others."""

    async def run(self) -> None:
        """Wait until cancelled."""
        await asyncio.Event().wait()


class Lender:
    """Lends to all namespaces of a cluster."""

    def __init__(
        self,
        cluster: Cluster,
        mint: Mint,
        location: Location,
        *,
        mode: Mode,
        ownership: Ownership,
        tell: Tell,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take what lending needs.

        Args:
            cluster: Where the Secrets are.
            mint: Who makes credentials.
            location: The store.
            mode: Whether there may be others than limited ones.
            ownership: Which namespace an object is in.
            tell: Told once of each namespace that gets others.
            clock: Seconds since the epoch.
        """
        self._cluster = cluster
        self._mint = mint
        self._location = location
        self._mode = mode
        self._ownership = ownership
        self._tell = tell
        self._clock = clock
        self._loans: dict[str, _Loan] = {}
        """By the namespace's name, as is the Secret: who was made anew replaces who was there."""
        self._locks: dict[str, asyncio.Lock] = {}
        self._told: set[str] = set()
        self._is_tried = False
        self._said = ""
        self._changed: Callable[[str], None] = _ignore

    def tell(self, *, changed: Callable[[str], None]) -> None:
        """Have `changed` called with the name of each namespace that gets others than before."""
        self._changed = changed

    async def lend(self, obj: Object) -> bool:
        """See to it that an object's namespace has limited credentials; tell whether it has.

        Raises:
            NotLent: it cannot have any, and gets no others.
            StoreUnavailable: the token service is away, and it has none.
            ClusterError: the cluster could not say or take them.
        """
        owners = await self._ownership.of(obj)
        loan = await self._find(obj["metadata"]["namespace"], owners)
        if not loan.is_lent and owners.namespace not in self._told:
            self._told.add(owners.namespace)
            self._tell(obj, self._said)
        return loan.is_lent

    async def run(self) -> None:
        """Renew what is due again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.renew()

    async def renew(self) -> None:
        """Renew what is due, in the namespaces that have workflows."""
        for loan in list(self._loans.values()):
            if self._clock() < loan.due_at:
                continue
            try:
                if await self._is_other_now(loan):
                    self._changed(loan.name)
            except VarflowError as error:
                _logger.warning("credentials for namespace %s: %s", loan.name, error.message)

    async def _is_other_now(self, loan: _Loan) -> bool:
        """Renew a loan or forget it; tell whether sidecars get others than before."""
        is_wanted = await self._has_workflows(loan.name)
        async with self._lock(loan.name):
            present = self._loans.get(loan.name)
            if present is loan and is_wanted:
                present = self._loans[loan.name] = await self._look(loan.name, loan.owners)
            elif present is loan:
                present = None
                del self._loans[loan.name]
            return present is not None and present.is_lent != loan.is_lent

    async def _has_workflows(self, namespace: str) -> bool:
        async with aclosing(self._cluster.list(WORKFLOW, namespace)) as found:
            return await anext(found, None) is not None

    async def _find(self, name: str, owners: Owners) -> _Loan:
        async with self._lock(name):
            loan = self._loans.get(name)
            if loan is None or loan.owners != owners or self._clock() >= loan.due_at:
                loan = self._loans[name] = await self._look(name, owners)
            return loan

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())

    async def _look(self, name: str, owners: Owners) -> _Loan:
        """Look at a namespace's Secret, and write it anew if that is due."""
        nothing = _Loan(
            name=name, owners=owners, is_lent=False, due_at=self._clock() + _AGAIN_SECONDS
        )
        found: LentCredentials | None = None
        try:
            policy = self._write_policy(owners)
            mark = self._mark(policy)
            found = await self._read(name, mark)
            if found is None or self._clock() >= terms.due_at(found):
                found = await self._renew(name, owners, policy, mark)
        except (NotLent, StoreUnavailable) as error:
            if found is None or not terms.is_of_use(found, now=self._clock()):
                self._do_without(error)
                return nothing
            _logger.warning("credentials for namespace %s are late: %s", name, error.message)
            return replace(nothing, is_lent=True, due_at=self._clock() + LOOK_SECONDS)
        return replace(nothing, is_lent=True, due_at=terms.due_at(found))

    def _do_without(self, error: VarflowError) -> None:
        """Say that sidecars get the operator's own credentials, if they may."""
        if self._mode is not Mode.AUTO:
            raise error
        if error.message != self._said:
            self._said = error.message
            _logger.warning(
                "sidecars get the operator's own credentials for the store, which are good for "
                "every namespace: %s",
                error.message,
            )

    def _write_policy(self, owners: Owners) -> str:
        try:
            return policies.write(self._location, owners, partition=self._mint.desk.partition)
        except InvalidInput as error:
            raise NotLent(f"credentials cannot be limited: {error.message}") from error

    def _mark(self, policy: str) -> str:
        """Return a text that changes with what is lent and by whom, and tells nothing about it."""
        desk = self._mint.desk
        own = desk.credentials.access_key_id if desk.credentials else ""
        parts = (policy, desk.endpoint, desk.role, own, self._location.endpoint)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    async def _read(self, name: str, mark: str) -> LentCredentials | None:
        found = await self._cluster.find(SECRET, name, names.STORE_SECRET)
        if found is not None and not secrets.is_ours(found):
            raise NotLent(
                f"{SECRET.shown(name, names.STORE_SECRET)} is not Varflow's, which needs one of "
                "that name for credentials of the store; rename it"
            )
        return secrets.find(found, mark=mark) if found is not None else None

    async def _renew(self, name: str, owners: Owners, policy: str, mark: str) -> LentCredentials:
        lent = await self._mint.mint(policy, name=f"varflow-{owners.namespace}"[:64])
        if not self._is_tried:
            await trying.check(self._location, lent, owners)
            self._is_tried = True
        await self._cluster.apply(SECRET, secrets.write(name, lent, mark=mark))
        return lent
