"""Drives the engine's generator: it asks for expressions' values, which take time.

steps ──Evaluate──► evaluate ──value, or ExpressionError──► steps ──► (snapshot, commands)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from varflow.engine.advancing import Advance
from varflow.engine.messages import Command, Evaluate, Json
from varflow.engine.snapshots import Snapshot
from varflow.errors import ExpressionError

Answer = Callable[[Evaluate], Awaitable[Json]]
"""Answers a question of the engine, or raises `ExpressionError`, which is the state's matter."""


async def advance(steps: Advance, evaluate: Answer) -> tuple[Snapshot, tuple[Command, ...]]:
    """Answer what the engine asks until it returns, and return what it does.

    Raises:
        Exception: whatever else `evaluate` or the engine raises.
    """
    go_on: Callable[[], Evaluate] = partial(next, steps)
    while True:
        try:
            question = go_on()
        except StopIteration as end:
            snapshot, commands = end.value
            return snapshot, tuple(commands)
        try:
            value = await evaluate(question)
        except ExpressionError as error:
            go_on = partial(steps.throw, error)
        else:
            go_on = partial(steps.send, value)
