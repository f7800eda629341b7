"""What a commit answers, writes, leaves and removes; how others deal with one under way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator

import pytest

from tests.support.crashing import CountingStore
from tests.support.exploring import VirtualLoop, virtual_loop
from tests.support.variables import OWNERS, Clock, address, make_value, paths_of
from varflow.errors import ActionAbandoned, CorruptObject, DeadlinePassed, StoreUnavailable
from varflow.variables import paths, records
from varflow.variables.records import Pending, Record, Value
from varflow.variables.scopes import Address, Scope
from varflow.variables.stores.base import Condition
from varflow.variables.stores.memory import MemoryStore
from varflow.variables.variables import Change, Outcome, Variables
from varflow.variables.writes import decisions, pendings
from varflow.variables.writes.commits import ABANDONED
from varflow.variables.writes.contents import inline
from varflow.variables.writes.decisions import Decision, Kind

D = paths.decision(OWNERS, "1.step")
A, B, C = (address("k", scope) for scope in Scope)
LARGE = b"x" * 100_000


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    with virtual_loop() as made:
        yield made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def variables(store: MemoryStore, clock: Clock) -> Variables:
    return Variables(store, clock=clock, writer="action")


def change(where: Address, data: bytes | None, content_type: str | None = None) -> Change:
    content = None if data is None else inline(data)
    return Change(where, content, content_type)


async def value_of(variables: Variables, where: Address) -> bytes | None:
    found = await variables.get(where)
    return await found.bytes() if found else None


async def test_all_changes_are_there_after_the_answer(variables: Variables) -> None:
    await variables.set(C, b"old")
    changes = [change(A, b"a", "text/plain"), change(B, b"b"), change(C, None)]
    outcome = await variables.commit(D, changes, result=b"done")

    assert outcome == Outcome(b"done", adopted=False)
    assert [await value_of(variables, where) for where in (A, B, C)] == [b"a", b"b", None]
    found = await variables.get(A)
    assert found is not None
    assert (found.content_type, found.writer) == ("text/plain", "action")


async def test_a_revision_stays_the_same_when_its_commit_is_finished(
    variables: Variables, store: MemoryStore
) -> None:
    await variables.commit(D, [change(A, b"a")])
    before = await variables.get(A)
    await variables.settle()
    after = await variables.get(A)

    assert before is not None
    assert after is not None
    assert before.etag == after.etag
    assert (await pendings.read(store, paths.variable(A))).pending is None


async def test_a_second_attempt_adopts_the_result_of_the_first(variables: Variables) -> None:
    await variables.commit(D, [change(A, b"first"), change(B, b"first")], result=b"1")
    again = await variables.commit(D, [change(A, b"second"), change(C, b"second")], result=b"2")
    await variables.settle()

    assert again == Outcome(b"1", adopted=True)
    assert [await value_of(variables, where) for where in (A, B, C)] == [b"first", b"first", None]


async def test_an_attempt_without_changes_adopts_as_well(variables: Variables) -> None:
    await variables.commit(D, [change(A, b"first")], result=b"1")

    assert await variables.commit(D, [], result=b"2") == Outcome(b"1", adopted=True)


async def test_of_two_changes_of_one_variable_the_last_counts(variables: Variables) -> None:
    await variables.commit(D, [change(A, b"1"), change(A, None), change(A, b"3")])

    assert await value_of(variables, A) == b"3"


async def test_a_commit_keeps_an_expiry_but_not_an_expired_one(
    variables: Variables, clock: Clock
) -> None:
    kept = await variables.set(A, b"old", ttl=60)
    await variables.set(B, b"old", ttl=1, content_type="text/plain")
    clock.now += 2
    await variables.commit(D, [change(A, b"new"), change(B, b"new")])
    a, b = await variables.get(A), await variables.get(B)

    assert a is not None
    assert b is not None
    assert a.expires_at == kept.expires_at
    assert b.expires_at is None
    assert (b.content_type, b.created_at) == ("application/octet-stream", clock.now)


# Unchanged entries


async def test_what_is_unchanged_is_not_written(variables: Variables) -> None:
    same = await variables.set(A, b"same", content_type="text/plain")
    await variables.commit(D, [change(A, b"same"), change(B, b"new"), change(C, None)])
    found = await variables.get(A)

    assert found is not None
    assert found.rev == same.rev


async def test_nothing_is_written_when_nothing_changes(
    variables: Variables, store: MemoryStore
) -> None:
    await variables.set(A, b"same")
    before = await paths_of(store)
    outcome = await variables.commit(D, [change(A, b"same"), change(B, None)], result=b"r")

    assert outcome == Outcome(b"r", adopted=False)
    assert await paths_of(store) == before


@pytest.mark.parametrize(
    ("data", "content_type"),
    [(b"other", "text/plain"), (b"same", "text/html"), (None, None)],
    ids=["bytes", "content type", "deleted"],
)
async def test_another_value_or_content_type_is_a_change(
    variables: Variables, data: bytes | None, content_type: str | None
) -> None:
    same = await variables.set(A, b"same", content_type="text/plain")
    await variables.commit(D, [change(A, data, content_type)])
    found = await variables.get(A)

    assert found is None or found.rev != same.rev


async def test_an_expired_value_is_not_unchanged(variables: Variables, clock: Clock) -> None:
    await variables.set(A, b"same", ttl=1)
    clock.now += 2
    await variables.commit(D, [change(A, b"same")])

    assert await value_of(variables, A) == b"same"


# Requests


@pytest.mark.parametrize("count", [1, 3, 20])
async def test_a_commit_of_n_is_n_plus_1_reads_and_n_plus_1_writes_before_the_answer(
    count: int,
) -> None:
    store = CountingStore(MemoryStore())
    variables = Variables(store)
    changes = [change(address(f"k{n}"), b"v") for n in range(count)]
    await variables.commit(D, changes)
    assert store.take() == {"get": count + 1, "put": count + 1}

    await variables.settle()
    assert store.take() == {"put": count}


async def test_a_commit_without_changes_is_one_read() -> None:
    store = CountingStore(MemoryStore())
    await Variables(store).commit(D, [], result=b"r")

    assert store.take() == {"get": 1}


# Deadlines and giving up


async def test_nothing_is_decided_after_the_deadline(
    variables: Variables, store: MemoryStore, clock: Clock
) -> None:
    stored = await variables.store_content(OWNERS, LARGE)
    with pytest.raises(DeadlinePassed):
        await variables.commit(
            D, [Change(A, stored), change(B, b"b")], result=LARGE, deadline=clock.now
        )
    await variables.settle()

    assert [await value_of(variables, where) for where in (A, B)] == [None, None]
    assert await paths_of(store, "/bodies/") == await paths_of(store, "/data/") == []
    assert await variables.find_decision(D) is None
    assert (await pendings.read(store, paths.variable(B))).pending is None


async def test_an_abandoned_action_never_commits(variables: Variables, store: MemoryStore) -> None:
    assert await variables.abandon(D) is None
    assert await variables.abandon(D) is None
    stored = await variables.store_content(OWNERS, LARGE)
    with pytest.raises(ActionAbandoned, match=r"1\.step"):
        await variables.commit(D, [Change(A, stored)])
    await variables.settle()

    assert await value_of(variables, A) is None
    assert await paths_of(store, "/bodies/") == []
    assert await variables.find_decision(D) is ABANDONED


async def test_what_has_committed_cannot_be_abandoned(variables: Variables) -> None:
    assert await variables.find_decision(D) is None
    await variables.commit(D, [change(A, b"a")], result=b"r")

    assert await variables.abandon(D) == Outcome(b"r", adopted=True)
    assert await variables.find_decision(D) == Outcome(b"r", adopted=True)


# Bodies and results


async def test_bodies_that_no_variable_names_are_removed(
    variables: Variables, store: MemoryStore
) -> None:
    kept = await variables.store_content(OWNERS, LARGE)
    await variables.set(B, b"y" * 100_000)
    (same_body,) = set(await paths_of(store, "/bodies/")) - {paths.body(OWNERS, kept.body or "")}
    same = await variables.store_content(OWNERS, b"y" * 100_000)
    overruled = await variables.store_content(OWNERS, b"z" * 100_000)
    await variables.commit(D, [Change(A, overruled), Change(A, kept), Change(B, same)])
    await variables.settle()

    expected = {paths.body(OWNERS, kept.body or ""), same_body}
    assert set(await paths_of(store, "/bodies/")) == expected
    assert await value_of(variables, A) == LARGE


async def test_asking_again_with_the_same_bodies_does_not_remove_them(
    variables: Variables,
) -> None:
    """A caller that was told `StoreError` asks again: what it commits may have been committed."""
    changes = [Change(A, await variables.store_content(OWNERS, LARGE))]
    await variables.commit(D, changes, result=b"r")
    again = await variables.commit(D, changes, result=b"r")
    await variables.settle()

    assert again.adopted
    assert await value_of(variables, A) == LARGE


async def test_an_adopting_attempt_removes_its_own_bodies(
    variables: Variables, store: MemoryStore
) -> None:
    await variables.commit(D, [change(A, b"first")])
    await variables.commit(D, [Change(A, await variables.store_content(OWNERS, LARGE))])
    await variables.settle()

    assert await paths_of(store, "/bodies/") == []


@pytest.mark.parametrize("size", [0, 64 * 1024, 64 * 1024 + 1, 3_000_000])
async def test_a_result_of_any_size_is_adopted_whole(
    variables: Variables, store: MemoryStore, size: int
) -> None:
    result = b"r" * size
    await variables.commit(D, [change(A, b"a")], result=result)

    assert await variables.commit(D, [], result=b"") == Outcome(result, adopted=True)
    assert len(await paths_of(store, "/data/")) == (size > 64 * 1024)


async def test_a_lost_result_is_an_error_and_never_another_result(
    variables: Variables, store: MemoryStore
) -> None:
    await variables.commit(D, [change(A, b"a")], result=LARGE)
    (path,) = await paths_of(store, "/data/")
    await store.put(path, LARGE[:-1] + b"y")

    with pytest.raises(CorruptObject, match=r"1\.step"):
        await variables.find_decision(D)


# A store that fails


class FailingStore(MemoryStore):
    """Fails the writes to one path, before or after they take effect."""

    path = ""
    is_late = False

    async def put(self, path: str, data: bytes, *, condition: Condition = None) -> str:
        if path == self.path and not self.is_late:
            raise StoreUnavailable("away")
        etag = await super().put(path, data, condition=condition)
        if path == self.path:
            raise StoreUnavailable("away")
        return etag


@pytest.mark.parametrize("is_late", [False, True], ids=["not written", "written"])
def test_a_commit_that_fails_can_be_asked_again_with_the_same_changes(
    loop: VirtualLoop, is_late: bool
) -> None:
    async def run() -> None:
        store = FailingStore()
        variables = Variables(store)
        store.path, store.is_late = D, is_late
        changes = [Change(A, await variables.store_content(OWNERS, LARGE)), change(B, b"b")]
        with pytest.raises(StoreUnavailable):
            await variables.commit(D, changes, result=b"r")
        await variables.settle()
        store.path = ""
        outcome = await variables.commit(D, changes, result=b"r")
        await variables.settle()

        assert outcome == Outcome(b"r", adopted=is_late)
        assert [await value_of(variables, where) for where in (A, B)] == [LARGE, b"b"]

    loop.run_until_complete(run())


@pytest.mark.parametrize("is_late", [False, True], ids=["not written", "written"])
async def test_a_commit_that_fails_while_preparing_leaves_no_claim(is_late: bool) -> None:
    store = FailingStore()
    variables = Variables(store)
    store.path, store.is_late = paths.variable(B), is_late
    with pytest.raises(StoreUnavailable):
        await variables.commit(D, [change(A, b"a"), change(B, b"b"), change(C, b"c")])
    store.path = ""
    await variables.settle()

    for where in (A, B, C):
        assert (await pendings.read(store, paths.variable(where))).pending is None


class OvertakenStore(MemoryStore):
    """Has somebody else do something just before an action is decided."""

    overtake: Callable[[], Awaitable[object]] | None = None

    async def put(self, path: str, data: bytes, *, condition: Condition = None) -> str:
        if path == D and self.overtake is not None:
            overtake, self.overtake = self.overtake, None
            await overtake()
        return await super().put(path, data, condition=condition)


async def test_an_attempt_that_is_overtaken_leaves_no_claim() -> None:
    store = OvertakenStore()
    slow, quick = (Variables(store) for _ in range(2))
    store.overtake = lambda: quick.commit(D, [change(A, b"quick")])
    outcome = await slow.commit(D, [change(B, b"slow")])
    await slow.settle()

    assert outcome.adopted
    assert (await pendings.read(store, paths.variable(B))).pending is None


async def test_an_attempt_that_is_given_up_while_it_prepares_leaves_no_claim() -> None:
    store = OvertakenStore()
    variables = Variables(store)
    store.overtake = lambda: variables.abandon(D)
    with pytest.raises(ActionAbandoned):
        await variables.commit(D, [change(C, b"c")])
    await variables.settle()

    assert (await pendings.read(store, paths.variable(C))).pending is None


async def test_a_commit_cancelled_while_it_decides_is_whole() -> None:
    class Slow(MemoryStore):
        async def put(self, path: str, data: bytes, *, condition: Condition = None) -> str:
            if path == D:
                deciding.set()
                await asyncio.sleep(0)
            return await super().put(path, data, condition=condition)

    deciding = asyncio.Event()
    variables = Variables(Slow())
    task = asyncio.create_task(variables.commit(D, [change(A, b"a"), change(B, b"b")]))
    await deciding.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await variables.settle()

    assert [await value_of(variables, where) for where in (A, B)] == [b"a", b"b"]


# Meeting a commit under way


async def test_a_writer_may_lose_any_number_of_races(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pendings, "_jitter", lambda: 0.0)
    await pendings.pause(5000)


def claimed(tag: str | None, current: Value | None) -> Record:
    new = make_value(b"new")
    return Record(current, Pending(txn="t1", decision=D, tag=tag, new=new), pendings.make_nonce())


def decided(kind: Kind, txn: str | None = None) -> bytes:
    decision = Decision(
        kind=kind,
        nonce=pendings.make_nonce(),
        at=0,
        txn=txn,
        changes=(paths.variable(A),),
        result=b"r" if kind is Kind.COMMITTED else None,
        result_sha256=inline(b"r").sha256,
    )
    return decisions.encode(decision)


async def write(variables: Variables, how: str) -> float:
    """Write A in one of three ways and return how long it took, in virtual seconds."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    if how == "set":
        await variables.set(A, b"mine")
    elif how == "delete":
        await variables.delete(A)
    else:
        await variables.commit(paths.decision(OWNERS, "2.other"), [change(A, b"mine")])
    took = loop.time() - begin
    await variables.settle()
    return took


@pytest.mark.parametrize("how", ["set", "delete", "commit"])
@pytest.mark.parametrize("kind", [None, Kind.ABORTED], ids=["no decision", "aborted"])
def test_a_dead_owner_holds_a_writer_up_for_two_seconds_and_no_reader(
    loop: VirtualLoop, store: MemoryStore, how: str, kind: Kind | None
) -> None:
    async def run() -> None:
        random.seed(1)
        variables = Variables(store)
        tag = None if kind is None else await store.put(D, decided(kind))
        record = claimed(tag, make_value(b"old"))
        await store.put(paths.variable(A), records.encode(record))

        assert await value_of(variables, A) == b"old"
        assert loop.time() == 0
        assert 2 <= await write(variables, how) <= 3
        assert await value_of(variables, A) == (None if how == "delete" else b"mine")
        decision = (await pendings.read_decision(store, D)).decision
        assert decision is not None
        assert decision.kind is Kind.ABORTED

    loop.run_until_complete(run())


@pytest.mark.parametrize("how", ["set", "delete", "commit"])
@pytest.mark.parametrize(
    ("decision", "seen"),
    [
        (decided(Kind.COMMITTED, "t1"), b"new"),
        (decided(Kind.COMMITTED, "t2"), b"old"),
        (decided(Kind.ABORTED), b"old"),
        (decided(Kind.ABANDONED), b"old"),
    ],
    ids=["committed", "another committed", "aborted", "abandoned"],
)
def test_a_decided_claim_is_no_hindrance(
    loop: VirtualLoop, store: MemoryStore, how: str, decision: bytes, seen: bytes
) -> None:
    async def run() -> None:
        variables = Variables(store)
        record = claimed(None, make_value(b"old"))
        await store.put(paths.variable(A), records.encode(record))
        await store.put(D, decision)

        assert await value_of(variables, A) == seen
        assert await write(variables, how) == 0
        assert await value_of(variables, A) == (None if how == "delete" else b"mine")
        await variables.find_decision(D)  # has it finished: too late to matter
        await variables.settle()
        assert await value_of(variables, A) == (None if how == "delete" else b"mine")

    loop.run_until_complete(run())


def test_commits_over_the_same_variables_do_not_wait_for_each_other_to_die(
    loop: VirtualLoop, store: MemoryStore
) -> None:
    """Claims are taken in parallel; without an order, pairs would block each other for 2 s."""

    class Yielding(CountingStore):
        async def _begin(self, call: str, path: str) -> int:
            await asyncio.sleep(random.random() / 1000)
            return await super()._begin(call, path)

    async def run() -> None:
        random.seed(2)
        names = [f"{n}.step" for n in range(12)]
        every = [Variables(Yielding(store)) for _ in names]
        await asyncio.gather(
            *(
                v.commit(
                    paths.decision(OWNERS, name),
                    [change(where, name.encode()) for where in random.sample([A, B, C], 3)],
                )
                for v, name in zip(every, names, strict=True)
            )
        )
        for v in every:
            await v.settle()
        values = {await value_of(Variables(store), where) for where in (A, B, C)}
        assert len(values) == 1
        assert loop.time() < pendings.KILL_AFTER_SECONDS

    loop.run_until_complete(run())
