"""A namespace with one of everything under the first key, and what there is to ask of it later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from tests.support import stores
from tests.support.crashing import WrappedStore
from tests.support.encryption import RING, SECOND, encrypted
from tests.support.variables import OWNERS, Clock, address
from varflow.variables import paths
from varflow.variables.encryption.keyrings import KeyRing
from varflow.variables.encryption.policies import Policy
from varflow.variables.renewal.counting import Counting
from varflow.variables.renewal.renewing import Renewing
from varflow.variables.renewal.steps import Step
from varflow.variables.renewal.tallies import Tally
from varflow.variables.scopes import Address, Scope, StateAddress
from varflow.variables.stores.base import ObjectStore
from varflow.variables.sweep import marks
from varflow.variables.variables import Change, VariableInfo, Variables
from varflow.variables.writes import pendings

PREFIX: Final = paths.namespace_prefix(OWNERS)
ADDED: Final = RING.added(SECOND.secret)
"""Of who writes with the first key still."""
ROTATED: Final = ADDED.using(SECOND)
SECOND_ALONE: Final = KeyRing((SECOND,))
LARGE: Final = bytes(range(256)) * 2000
"""Two segments of a sealed body."""

SMALL_KEY, LARGE_KEY = address("small"), address("large", Scope.WORKFLOW)
GONE_KEY: Final = address("gone")
PLACES: Final[tuple[Address | StateAddress, ...]] = (
    SMALL_KEY,
    LARGE_KEY,
    GONE_KEY,
    address("own", Scope.INSTANCE),
    StateAddress(OWNERS, "function/manual"),
)

Known = dict[str, tuple[VariableInfo, bytes]]


def open_variables(
    inner: ObjectStore, ring: KeyRing = ROTATED, *, clock: Clock, policy: Policy = Policy.ON
) -> Variables:
    """Return the variables as those see them who have these keys; two older revisions are kept."""
    return Variables(encrypted(inner, ring, policy=policy), clock=clock, history=2)


async def fill(variables: Variables) -> None:
    """Write one of everything, and of the other namespace of the store a variable."""
    await variables.open()
    for data in (LARGE, LARGE[1:], LARGE[2:]):
        await variables.set(LARGE_KEY, data, content_type="text/plain", ttl=1e6)
    for number in range(4):
        await variables.set(SMALL_KEY, b"%d" % number)
    await variables.set(GONE_KEY, b"gone")
    await variables.delete(GONE_KEY)
    for place in PLACES[3:]:
        await variables.set(place, LARGE)
    change = Change(address("committed"), await variables.store_content(OWNERS, LARGE))
    await variables.commit(paths.decision(OWNERS, "1"), [change], result=b"result")
    await variables.settle()
    store = variables.store
    await store.put(paths.data(OWNERS, "output"), b"output" * 20)
    await store.write_body(paths.log_chunk(OWNERS, "1"), stores.chunks_of(b"line" * 20))
    await marks.save(store, PREFIX, {"b0": 1.0}, before=await marks.load(store, PREFIX), now=2.0)
    await variables.set(replace(SMALL_KEY, owners=replace(OWNERS, namespace="other")), LARGE)


async def known(variables: Variables) -> Known:
    """Return what readers are given: everything there is of each variable, and its revisions."""
    found: Known = {}
    for place in (*PLACES, address("committed")):
        value = await variables.get(place)
        if value is None:
            continue
        found[f"{place}"] = value, await value.bytes()
        if isinstance(place, Address):
            for info in await variables.revisions(place):
                older = await variables.get_revision(place, info.rev)
                assert older is not None
                found[f"{place} {info.rev}"] = older, await older.bytes()
    return found


def facts(found: Known) -> dict[str, tuple[object, ...]]:
    """Return the same as what must not change."""
    return {
        name: (
            info.rev,
            info.content_type,
            info.size,
            info.sha256,
            info.created_at,
            info.updated_at,
            info.expires_at,
            info.writer,
            data,
        )
        for name, (info, data) in found.items()
    }


async def renew(
    inner: ObjectStore,
    *,
    clock: Clock,
    ring: KeyRing = ROTATED,
    policy: Policy = Policy.ON,
) -> Counter[Step]:
    """Renew a namespace once and return what was done."""
    renewing = Renewing(encrypted(inner, ring, policy=policy), OWNERS, clock=clock)
    return Counter([renewed.step async for renewed in renewing.run()])


async def count(
    inner: ObjectStore, *, ring: KeyRing = ROTATED, policy: Policy = Policy.ON
) -> Tally:
    """Count what needs which key."""
    return await Counting(encrypted(inner, ring, policy=policy), PREFIX).run()


async def body_of(variables: Variables, place: Address | StateAddress) -> str:
    """Return the path of the body that a variable names."""
    seen = await pendings.read(variables.store, paths.variable(place))
    assert seen.current is not None
    assert seen.current.body is not None
    return paths.body(OWNERS, seen.current.body)


class Meddling(WrappedStore):
    """Has somebody else do something before the `at`-th call, counted from 1; `calls` are all."""

    def __init__(
        self, inner: ObjectStore, at: int = 0, meddle: Callable[[], Awaitable[object]] | None = None
    ) -> None:
        super().__init__(inner)
        self.calls = 0
        self._at = at
        self._meddle = meddle

    async def _begin(self, call: str, path: str) -> int:
        self.calls += 1
        if self.calls == self._at and self._meddle is not None:
            await self._meddle()
        return self.calls


class Dead(Exception):
    """Raised by every call of a process that has died: it does nothing any more."""


class Dying(WrappedStore):
    """Dies before the `at`-th call, or with `is_late` after it."""

    def __init__(self, inner: ObjectStore, at: int, *, is_late: bool) -> None:
        super().__init__(inner)
        self.calls = 0
        self._at = at
        self._is_late = is_late

    async def _begin(self, call: str, path: str) -> int:
        self.calls += 1
        if self.calls > self._at or (self.calls == self._at and not self._is_late):
            raise Dead
        return self.calls

    async def _end(self, number: int) -> None:
        if number == self._at and self._is_late:
            raise Dead
