"""Many histories of real asyncio code over one store, each from a seed, without waiting.

    actors (tasks) ──► GatedStore ──► gate ◄── Explorer: who goes next, does time pass, who dies

Every store call waits at a gate. When nothing else can run, the event loop would sleep; `Explorer`
then lets a random call through, or lets the clock jump to the next timer (so that a call may be
slower than any timeout), or has an actor die for ever, before or after the call that it waits for.
The same seed gives the same history: the loop runs in one thread and `random` is seeded.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from selectors import BaseSelector, SelectorKey
from typing import Any

from varflow.variables.stores.base import Condition, Listed, Versioned
from varflow.variables.stores.memory import MemoryStore


class Died(BaseException):
    """The process of the actor is gone; unwinds its tasks without any further effect."""


@dataclass(eq=False)
class Actor:
    """A process: its tasks share its fate."""

    name: str
    is_dead: bool = False
    calls: int = 0


@dataclass(eq=False)
class Gate:
    """A store call that waits to be let through."""

    actor: Actor
    future: asyncio.Future[None]
    dies_after: bool = False


@dataclass
class Explorer:
    """Decides what happens next, from a seed."""

    loop: VirtualLoop
    seed: int
    deaths: int = 1
    """How many actors may die."""
    mortals: frozenset[str] = frozenset()
    """Names of the actors that may."""
    waiting: list[Gate] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.death_chance = self.random.choice((0.0, 0.02, 0.1))
        self.jump_chance = self.random.choice((0.0, 0.01, 0.1, 0.3))

    async def enter(self, actor: Actor) -> Gate:
        """Wait until the call may go through."""
        gate = Gate(actor, self.loop.create_future())
        if actor.is_dead:
            raise Died
        self.waiting.append(gate)
        await gate.future
        return gate

    def leave(self, gate: Gate) -> None:
        """The call has had its effect; its caller may not live to hear of it."""
        if gate.dies_after:
            self._die(gate.actor)
        if gate.actor.is_dead:
            raise Died

    def step(self, *, has_timer: bool) -> bool:
        """Let one call through; False lets the time jump to the next timer instead."""
        if not self.waiting or (has_timer and self.random.random() < self.jump_chance):
            return False
        gate = self.waiting.pop(self.random.randrange(len(self.waiting)))
        if gate.future.cancelled():
            return True  # its task waits for it no more
        if gate.actor.is_dead:
            gate.future.set_exception(Died())
            return True
        gate.actor.calls += 1
        if self._is_fatal(gate.actor):
            self.deaths -= 1
            gate.dies_after = self.random.random() < 0.5
            self.log.append(f"{gate.actor.name} dies {'after' if gate.dies_after else 'before'}")
            if not gate.dies_after:
                self._die(gate.actor)
                gate.future.set_exception(Died())
                return True
        gate.future.set_result(None)
        return True

    def _is_fatal(self, actor: Actor) -> bool:
        return (
            self.deaths > 0
            and actor.name in self.mortals
            and self.random.random() < self.death_chance
        )

    @staticmethod
    def _die(actor: Actor) -> None:
        actor.is_dead = True


class GatedStore:
    """One actor's view of the store: each call waits at the gate, then happens at one moment."""

    url = "memory:"
    is_durable = False
    needs_probe = False

    def __init__(
        self,
        inner: MemoryStore,
        explorer: Explorer,
        actor: Actor,
        *,
        observe: Callable[[Actor, str, bytes], None],
    ) -> None:
        self._inner = inner
        self._explorer = explorer
        self._actor = actor
        self._observe = observe

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def get(self, path: str) -> Versioned | None:
        gate = await self._explorer.enter(self._actor)
        found = await self._inner.get(path)
        self._explorer.leave(gate)
        return found

    async def put(self, path: str, data: bytes, *, condition: Condition = None) -> str:
        gate = await self._explorer.enter(self._actor)
        etag = await self._inner.put(path, data, condition=condition)
        self._observe(self._actor, path, data)
        self._explorer.leave(gate)
        return etag

    async def delete(self, path: str) -> None:
        gate = await self._explorer.enter(self._actor)
        await self._inner.delete(path)
        self._observe(self._actor, path, b"")
        self._explorer.leave(gate)

    async def write_body(self, path: str, chunks: AsyncIterable[bytes]) -> int:
        gate = await self._explorer.enter(self._actor)
        size = await self._inner.write_body(path, chunks)
        self._explorer.leave(gate)
        return size

    async def read_body(
        self, path: str, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        gate = await self._explorer.enter(self._actor)
        async for chunk in self._inner.read_body(path, start=start, length=length):
            yield chunk
        self._explorer.leave(gate)

    async def list(self, prefix: str, *, after: str = "") -> AsyncIterator[Listed]:
        gate = await self._explorer.enter(self._actor)
        async for listed in self._inner.list(prefix, after=after):
            yield listed
        self._explorer.leave(gate)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock moves only when nothing else can happen."""

    def __init__(self) -> None:
        self.now = 0.0
        self.explorer: Explorer | None = None
        super().__init__(_VirtualSelector(self))

    def time(self) -> float:
        return self.now

    def explore(self, work: Coroutine[Any, Any, None], explorer: Explorer) -> None:
        """Run `work` to its end under the explorer."""
        self.explorer = explorer
        random.seed(explorer.seed)
        try:
            self.run_until_complete(work)
        finally:
            self.explorer = None


class _VirtualSelector(BaseSelector):
    """Waits for nothing: an idle moment is the explorer's turn, or makes the clock jump."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._keys: dict[Any, SelectorKey] = {}

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return []
        explorer = self._loop.explorer
        if explorer is not None and explorer.step(has_timer=timeout is not None):
            return []
        if timeout is None:
            raise RuntimeError("everybody waits for somebody: a deadlock")
        self._loop.now += timeout
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> SelectorKey:
        key = SelectorKey(fileobj, fileobj if isinstance(fileobj, int) else 0, events, data)
        self._keys[fileobj] = key
        return key

    def unregister(self, fileobj: Any) -> SelectorKey:
        return self._keys.pop(fileobj)

    def get_map(self) -> dict[Any, SelectorKey]:
        return self._keys


@contextmanager
def virtual_loop() -> Iterator[VirtualLoop]:
    """Provide a loop for many histories; making one costs more than a history."""
    loop = VirtualLoop()
    try:
        yield loop
    finally:
        loop.close()
