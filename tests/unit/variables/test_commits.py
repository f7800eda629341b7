"""Promises 1 and 2 of design.md §8, on the real commit, in thousands of histories.

Three variables in three scopes; attempts of actions that set all of them, blind writers of one, a
control plane that may abandon an action or end the instance, a reader that goes round. Any of them
may be slow beyond every timeout, and die at any store call. After *every* write, what a reader
would be given is compared with the order of effects: commits at their decision, writes at their
compare-and-swap. That makes the histories linearizable, so no reader can see new and then old; what
the looping reader really got is checked against the moments of its reads all the same.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.support.exploring import Actor, Died, Explorer, GatedStore, VirtualLoop, virtual_loop
from varflow.errors import ActionAbandoned
from varflow.variables import paths, records
from varflow.variables.scopes import Address, Owners, Scope
from varflow.variables.stores.memory import MemoryStore
from varflow.variables.variables import Change, Outcome, Variables
from varflow.variables.writes import decisions, pendings
from varflow.variables.writes.contents import inline
from varflow.variables.writes.decisions import Kind
from varflow.variables.writes.pendings import Found, Verdict

OWNERS = Owners("c", "ns", "wf", "i1")
KEYS = tuple(Address(OWNERS, scope, "k") for scope in Scope)
PATHS = tuple(paths.variable(address) for address in KEYS)
INSTANCE_PATH = paths.variable(Address(OWNERS, Scope.INSTANCE, "k"))
DECISIONS = {
    name: paths.decision(OWNERS, step)
    for name, step in {
        "attempt-1": "1.a",
        "attempt-2": "1.a",
        "other-1": "2.b",
        "other-2": "3.c",
    }.items()
}
DECISION = DECISIONS["attempt-1"]

SHARED = [PATHS.index(path) for path in PATHS if path != INSTANCE_PATH]
"""What outlives the instance."""

Values = tuple[bytes | None, ...]


@pytest.fixture(scope="module")
def loop() -> Iterator[VirtualLoop]:
    with virtual_loop() as made:
        yield made


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Each death leaves work to others, which is logged."""
    caplog.set_level(logging.CRITICAL)


_decode = functools.lru_cache(16)(functools.partial(records.decode, path="a record"))


@dataclass
class History:
    """What happened, and what must therefore be seen."""

    store: MemoryStore
    expected: list[bytes | None]
    writes: dict[str, dict[int, bytes | None]]
    """By actor: what its commit, or its plain write, makes of each variable."""
    effects: list[str] = field(default_factory=list)
    states: list[Values] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    """Decisions that were removed with their instance."""

    def observe(self, actor: Actor, path: str, data: bytes) -> None:
        """Apply the effect that a write has, then compare what a reader would get."""
        if not data:
            self._remove(path)
        elif path in DECISIONS.values():
            self._decide(actor, path, data)
        elif actor.name.startswith("writer") and path in PATHS:
            self._write(actor, path, data)
        seen = self.visible()
        assert seen == tuple(self.expected), (self.effects, seen)
        self.states.append(seen)

    def _remove(self, path: str) -> None:
        """The instance has ended."""
        if path in PATHS:
            assert path == INSTANCE_PATH
            self.expected[PATHS.index(path)] = None
        else:
            self.ended.add(path)

    def _decide(self, actor: Actor, path: str, data: bytes) -> None:
        decision = decisions.decode(data, path=path)
        if path in self.ended:
            # A writer that saw the claim before all this may still want to kill it.
            assert decision.kind is Kind.ABORTED
            return
        assert not {f"committed {path}", f"abandoned {path}"} & set(self.effects)
        if decision.kind is Kind.ABORTED:
            return
        self.effects += [f"{decision.kind} {path}", f"{decision.kind} by {actor.name}"]
        if decision.kind is Kind.COMMITTED:
            self._commit(self.writes[actor.name], decision.changes)

    def _commit(self, wanted: dict[int, bytes | None], changes: tuple[str, ...]) -> None:
        """Every value takes effect; one that was there already may have been left alone.

        A plain write that comes between the last look at that one and the decision then stays, as
        if it had come after. Another *commit* cannot come between.
        """
        has_writers = any(name.startswith("writer") for name in self.writes)
        for index, value in wanted.items():
            if PATHS[index] in changes or not has_writers:
                self.expected[index] = value
            else:
                assert any(state[index] == value for state in self.states)

    def _write(self, actor: Actor, path: str, data: bytes) -> None:
        (index,) = self.writes[actor.name]
        current = records.decode(data, path=path).current
        assert PATHS[index] == path
        assert (current.inline if current else None) == self.writes[actor.name][index]
        self.expected[index] = self.writes[actor.name][index]
        self.effects.append(f"written by {actor.name}")

    def visible(self) -> Values:
        """Return what readers that begin now would be given."""
        return tuple(self._visible(path) for path in PATHS)

    def _visible(self, path: str) -> bytes | None:
        found = self.store._objects.get(path)
        if found is None:
            return None
        record = _decode(found.data)
        value = record.current
        if record.pending is not None:
            decided = self.store._objects.get(record.pending.decision)
            state = Found(None, None)
            if decided is not None:
                state = Found(decisions.decode(decided.data, path=""), decided.etag)
            if pendings.verdict(record.pending, state) is Verdict.COMMITTED:
                value = record.pending.new
        return value.inline if value is not None else None


@dataclass
class Scene:
    """One history's actors."""

    explorer: Explorer
    history: History
    tasks: dict[str, asyncio.Task[object]] = field(default_factory=dict)
    rooms: list[Variables] = field(default_factory=list)
    actors: list[Actor] = field(default_factory=list)

    def variables(self, name: str) -> Variables:
        actor = Actor(name)
        self.actors.append(actor)
        store = GatedStore(self.history.store, self.explorer, actor, observe=self.history.observe)
        variables = Variables(store, clock=lambda: 1000.0 + self.explorer.loop.now)
        self.rooms.append(variables)
        return variables

    async def attempt(self, name: str) -> Outcome | None:
        variables = self.variables(name)
        values = self.history.writes[name]
        changes = [
            Change(KEYS[index], None if value is None else inline(value))
            for index, value in values.items()
        ]
        try:
            return await variables.commit(DECISIONS[name], changes, result=name.encode())
        except ActionAbandoned:
            assert any(effect == f"abandoned {DECISIONS[name]}" for effect in self.history.effects)
            return None

    async def write(self, name: str) -> None:
        variables = self.variables(name)
        ((index, value),) = self.history.writes[name].items()
        if value is None:
            await variables.delete(KEYS[index])
        else:
            await variables.set(KEYS[index], value)

    async def abandon(self) -> Outcome | None:
        return await self.variables("control").abandon(DECISION)

    async def end(self) -> None:
        """End the instance once its attempts have, one way or the other."""
        own = [task for name, task in self.tasks.items() if name in DECISIONS]
        await asyncio.wait(own)
        await self.variables("ender").end_instance(OWNERS)

    async def read(self) -> None:
        """Go round; each answer must have been true at some moment of its read."""
        variables = self.variables("reader")
        for turn in range(9):
            index = turn % len(KEYS)
            begin = max(0, len(self.history.states) - 1)
            found = await variables.get(KEYS[index])
            got = await found.bytes() if found else None
            possible = {state[index] for state in self.history.states[begin:]}
            assert got in possible, (index, got, possible)


async def play(explorer: Explorer, history: History, names: list[str]) -> Scene:
    scene = Scene(explorer, history)
    history.states.append(tuple(history.expected))
    for name in names:
        if name in DECISIONS:
            work = scene.attempt(name)
        elif name in {"control", "ender"}:
            work = scene.abandon() if name == "control" else scene.end()
        else:
            work = scene.read() if name == "reader" else scene.write(name)
        scene.tasks[name] = asyncio.create_task(work)
    results = await asyncio.gather(*scene.tasks.values(), return_exceptions=True)
    for name, result in zip(scene.tasks, results, strict=True):
        if isinstance(result, BaseException) and not isinstance(result, Died):
            raise AssertionError(f"{name}: {result!r}") from result
    for room in scene.rooms:
        await room.settle()
    return scene


async def prepare(values: Values) -> MemoryStore:
    store = MemoryStore()
    variables = Variables(store)
    for address, value in zip(KEYS, values, strict=True):
        if value is not None:
            await variables.set(address, value)
    return store


def check_end(scene: Scene) -> None:
    """Everybody who lived has an answer, and it is the one that stands."""
    effects = scene.history.effects
    dead = {actor.name for actor in scene.actors if actor.is_dead}
    for name, task in scene.tasks.items():
        if name in dead or name in {"reader", "ender"}:
            continue
        if name.startswith("writer"):
            assert f"written by {name}" in effects
            continue
        outcome = task.result()
        if not isinstance(outcome, Outcome):
            assert f"abandoned {DECISIONS.get(name, DECISION)}" in effects
        elif outcome.adopted:
            assert f"committed by {outcome.result.decode()}" in effects
        elif f"committed by {name}" not in effects:
            # Nothing had to be changed, at one moment at least.
            wanted = scene.history.writes[name].items()
            states = scene.history.states
            assert any(all(state[i] == value for i, value in wanted) for state in states)


def explore(loop: VirtualLoop, seed: int, names: list[str]) -> None:
    async def run() -> None:
        check_end(await play(explorer, history, names))

    mortals = frozenset(name for name in names if name != "reader")
    explorer = Explorer(loop, seed, deaths=2, mortals=mortals)
    choose = explorer.random.choice
    before: Values = tuple(choose((b"old", None)) for _ in KEYS)
    writes: dict[str, dict[int, bytes | None]] = {}
    for name in names:
        own = name.encode()
        if name.startswith("writer"):
            # A delete that finds nothing is no write, so its effect could not be seen.
            writes[name] = {explorer.random.choice(SHARED): own}
        elif name in DECISIONS:
            writes[name] = {i: choose((own, own, b"old", None)) for i in range(len(KEYS))}
    store = loop.run_until_complete(prepare(before))
    history = History(store, list(before), writes)
    try:
        loop.explore(run(), explorer)
    except AssertionError as error:
        error.add_note(f"seed {seed}: {before} {writes} {history.effects} {explorer.log}")
        raise


FACTOR = int(os.environ.get("VARFLOW_TEST_HISTORIES", "1"))
"""Makes the exploration that many times longer."""


@pytest.mark.parametrize("block", range(3 * FACTOR))
@pytest.mark.parametrize(
    ("names", "histories"),
    [
        (["attempt-1", "attempt-2", "writer-1", "control", "reader"], 400),
        (["attempt-1", "other-1", "other-2", "reader"], 150),
        (["attempt-1", "attempt-2", "other-1", "writer-1", "writer-2", "reader"], 100),
        (["attempt-1", "writer-1", "ender", "reader"], 250),
    ],
    ids=["attempts-writer-control", "three-actions", "everybody", "end-of-instance"],
)
def test_variables_change_together_once_or_not_at_all(
    loop: VirtualLoop, names: list[str], histories: int, block: int
) -> None:
    for seed in range(block * histories, (block + 1) * histories):
        explore(loop, seed, names)
