"""Promises 1 and 2 of design.md §8 while variables expire: on the real commit, in many histories.

Of three variables one lasts, one expires while all this goes on, one has expired. Two attempts of
an action set all three; others renew the second, create the third, sweep, and read. Time passes
between any two store calls. After every write, what a reader would be given is compared with the
order of effects, as in `test_commits`.

An entry keeps the expiry that its variable has when it is prepared. If that passes before the
decision the entry is gone when the others appear, just as if it had been decided a moment earlier;
but what was there before never comes back, and one that had expired by then begins anew.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.support.exploring import Actor, Died, Explorer, GatedStore, VirtualLoop, virtual_loop
from varflow.errors import VariableExists
from varflow.variables import paths, records
from varflow.variables.records import Value
from varflow.variables.scopes import Address, Owners, Scope
from varflow.variables.stores.memory import MemoryStore
from varflow.variables.sweep.findings import Ages
from varflow.variables.sweep.sweeps import Sweep
from varflow.variables.variables import Change, Outcome, Variables
from varflow.variables.writes import decisions, pendings
from varflow.variables.writes.contents import inline
from varflow.variables.writes.decisions import Kind
from varflow.variables.writes.pendings import Found, Verdict

HISTORIES = 800 * int(os.environ.get("VARFLOW_TEST_HISTORIES", "1"))
OWNERS = Owners("c", "ns", "wf", "i1")
LASTING, LEASED, EXPIRED = (Address(OWNERS, Scope.NAMESPACE, key) for key in "abc")
PATHS = {paths.variable(address): address for address in (LASTING, LEASED, EXPIRED)}
DECISION = paths.decision(OWNERS, "1.a")
BEGIN = 1000.0
TICK, TICKS = 0.5, 12
LEASES = (0.25, 0.75, 1.25, 1.75, 2.25)
RENEWED = 1.0


@dataclass(frozen=True, slots=True)
class Cell:
    """What a variable is, until it expires."""

    value: bytes | None = None
    expires_at: float | None = None

    def at(self, now: float) -> bytes | None:
        return self.value if self.expires_at is None or now < self.expires_at else None


@dataclass
class History:
    """What happened, and what must therefore be seen."""

    loop: VirtualLoop
    store: MemoryStore
    cells: dict[str, Cell]
    wanted: dict[str, dict[str, bytes]]
    """By attempt: what it makes of each variable."""
    counts: Counter[str]
    """How often what this is about has happened, in all histories."""
    past: list[tuple[float, dict[str, Cell]]] = field(default_factory=list)
    """The cells since when."""

    def now(self) -> float:
        return BEGIN + self.loop.now

    def note(self) -> None:
        self.past.append((self.now(), dict(self.cells)))

    def observe(self, actor: Actor, path: str, data: bytes) -> None:
        """Apply the effect that a write has, then compare what a reader would get."""
        if path == DECISION:
            self._decide(actor, path, data)
        elif path in PATHS and actor.name in {"renewer", "creator-1", "creator-2"}:
            self._write(actor, path, data)
        now = self.now()
        for each, cell in self.cells.items():
            assert self._visible(each) == cell.at(now), (actor.name, each, cell, now)
        self.note()

    def _decide(self, actor: Actor, path: str, data: bytes) -> None:
        decision = decisions.decode(data, path=path)
        if decision.kind is not Kind.COMMITTED:
            return
        self.counts["committed"] += 1
        for each, value in self.wanted[actor.name].items():
            before = self.cells[each]
            if each in decision.changes:
                new = self._claimed(each)
                assert new.inline == value
                self.cells[each] = Cell(value, new.expires_at)
                self._check_expiry(before, new.expires_at)
            else:
                assert before.value in {value, b"renewer"}
                self.counts["unchanged and expired"] += before.at(self.now()) is None

    def _check_expiry(self, before: Cell, expires_at: float | None) -> None:
        """The entry has the expiry that was there, or has begun anew after it."""
        now = self.now()
        if expires_at is not None:
            assert expires_at == before.expires_at
            assert expires_at > BEGIN, "it had expired before all this began"
            self.counts["expired before the decision"] += expires_at <= now
        elif before.expires_at is not None:
            assert before.expires_at <= now
            self.counts["begun anew"] += 1

    def _write(self, actor: Actor, path: str, data: bytes) -> None:
        current = records.decode(data, path=path).current
        assert current is not None
        assert current.inline == actor.name.encode()
        if actor.name == "renewer":
            assert current.expires_at is not None
            assert current.expires_at <= self.now() + RENEWED
        else:
            assert self.cells[path].at(self.now()) is None, "created over what is there"
            assert current.expires_at is None
            self.counts["created"] += 1
        self.cells[path] = Cell(current.inline, current.expires_at)

    def _claimed(self, path: str) -> Value:
        pending = records.decode(self.store._objects[path].data, path=path).pending
        assert pending is not None
        assert pending.new is not None
        return pending.new

    def _visible(self, path: str) -> bytes | None:
        """Return what a reader that begins now would be given."""
        record = records.decode(self.store._objects[path].data, path=path)
        value, decided = record.current, self.store._objects.get(DECISION)
        if record.pending is not None and decided is not None:
            found = Found(decisions.decode(decided.data, path=DECISION), decided.etag)
            if pendings.verdict(record.pending, found) is Verdict.COMMITTED:
                value = record.pending.new
        return Cell(value.inline, value.expires_at).at(self.now()) if value else None

    def seen_since(self, path: str, first: int, begun: float) -> set[bytes | None]:
        """Return what a variable was from a moment on until now."""
        ends = [at for at, _ in self.past[first + 1 :]] + [self.now()]
        found: set[bytes | None] = set()
        for (at, cells), end in zip(self.past[first:], ends, strict=True):
            found |= {cells[path].at(max(at, begun)), cells[path].at(end)}
        return found


@dataclass
class Scene:
    """One history's actors."""

    explorer: Explorer
    history: History
    rooms: list[Variables] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)

    def variables(self, name: str) -> Variables:
        store = GatedStore(
            self.history.store, self.explorer, Actor(name), observe=self.history.observe
        )
        variables = Variables(store, clock=self.history.now)
        self.rooms.append(variables)
        return variables

    async def attempt(self, name: str) -> None:
        wanted = self.history.wanted[name].items()
        changes = [Change(PATHS[path], inline(value)) for path, value in wanted]
        outcome = await self.variables(name).commit(DECISION, changes, result=name.encode())
        assert isinstance(outcome, Outcome)

    async def renew(self) -> None:
        await self.variables("renewer").set(LEASED, b"renewer", ttl=RENEWED)

    async def create(self, name: str) -> None:
        path, first, begun = paths.variable(EXPIRED), len(self.history.past) - 1, self.history.now()
        try:
            await self.variables(name).set(EXPIRED, name.encode(), create=True)
        except VariableExists:
            self.history.counts["refused"] += 1
            assert self.history.seen_since(path, first, begun) != {None}

    async def sweep(self) -> None:
        store = self.variables("sweeper").store
        for _ in range(4):
            ages = Ages(unsettled=0.0, unused=0.0)
            sweep = Sweep(store, clock=self.history.now, ages=ages, is_repairing=True)
            async for swept in sweep.namespace(paths.namespace_prefix(OWNERS)):
                assert not swept.finding.is_wrong
                self.history.counts["swept"] += swept.is_repaired

    async def read(self) -> None:
        variables = self.variables("reader")
        for turn in range(9):
            path, address = list(PATHS.items())[turn % len(PATHS)]
            first, begun = len(self.history.past) - 1, self.history.now()
            found = await variables.get(address)
            got = await found.bytes() if found else None
            assert got in self.history.seen_since(path, first, begun)

    async def play(self) -> None:
        works = {
            **{name: self.attempt(name) for name in self.history.wanted},
            **{name: self.create(name) for name in ("creator-1", "creator-2")},
            **({"renewer": self.renew()} if self.explorer.random.random() < 0.3 else {}),
            "sweeper": self.sweep(),
            "reader": self.read(),
            "time": pass_time(),
        }
        results = await asyncio.gather(*works.values(), return_exceptions=True)
        for name, result in zip(works, results, strict=True):
            if isinstance(result, BaseException) and not isinstance(result, Died):
                raise AssertionError(f"{name}: {result!r}") from result
        for room in self.rooms:
            await room.settle()


async def pass_time() -> None:
    for _ in range(TICKS):
        await asyncio.sleep(TICK)


async def prepare(store: MemoryStore, lease: float) -> dict[str, Cell]:
    variables = Variables(store, clock=lambda: BEGIN)
    cells: dict[str, Cell] = {}
    for path, address in PATHS.items():
        ttl = {LASTING: None, LEASED: lease, EXPIRED: 0.0}[address]
        given = {} if ttl is None else {"ttl": ttl}
        await variables.set(address, b"old", **given)  # type: ignore[arg-type]  # as `set` takes it
        cells[path] = Cell(b"old", None if ttl is None else BEGIN + ttl)
    return cells


def explore(loop: VirtualLoop, seed: int, counts: Counter[str]) -> None:
    attempts = ("attempt-1", "attempt-2")
    explorer = Explorer(loop, seed, mortals=frozenset({*attempts, "sweeper"}))
    choose = explorer.random.choice
    explorer.jump_chance = choose((0.05, 0.2, 0.4))
    store, loop.now = MemoryStore(), 0.0
    cells = loop.run_until_complete(prepare(store, choose(LEASES)))
    wanted = {name: {path: choose((name.encode(), b"old")) for path in PATHS} for name in attempts}
    history = History(loop, store, cells, wanted, counts)
    history.note()
    try:
        loop.explore(Scene(explorer, history).play(), explorer)
    except AssertionError as error:
        error.add_note(f"seed {seed}: {wanted} {history.past} {explorer.log}")
        raise


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    with virtual_loop() as made:
        yield made


def test_what_expires_in_the_middle_of_a_commit_ends_and_what_was_before_never_comes_back(
    loop: VirtualLoop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)  # each death leaves work to others, which is logged
    counts: Counter[str] = Counter()
    for seed in range(HISTORIES):
        explore(loop, seed, counts)

    assert counts.keys() == {
        "committed",
        "unchanged and expired",
        "expired before the decision",
        "begun anew",
        "created",
        "refused",
        "swept",
    }
    assert min(counts.values()) >= 20, counts
