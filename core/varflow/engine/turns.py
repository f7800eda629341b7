"""The work table of one `advance`: the snapshot as it is becoming, and the commands so far. PURE.

A turn is made for one event and thrown away. Its snapshot is a copy that nobody else sees before
the turn is over, and is changed in place until then: making a new one for every field that changes
was most of what a state cost. The snapshot given to the engine, and every value inside, stays as it
is. The states and the parts below them get a turn, change it through its methods and ask it for
values.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from varflow.engine.faults import StateError
from varflow.engine.messages import (
    Command,
    Evaluate,
    Json,
    Log,
    LogLevel,
    SetTimer,
    StopTimer,
    StoreData,
)
from varflow.engine.plans import Plan
from varflow.engine.snapshots import Snapshot
from varflow.errors import ExpressionError
from varflow.language.expressions import Template
from varflow.language.workflow import State

_ITS_DATA: Final = object()
"""Stands for the instance's data; None is data, too."""

T = TypeVar("T")
Work = Generator[Evaluate, Json, T]
"""Something to be done that asks the shell for values on the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """A state has done what it is for: transform the data, and go on."""

    data: Json
    transform: Template | None
    transition: str | None
    """None ends the workflow."""


Verdict = Next | None
"""What a state says after an event; None means that it still waits."""


class Turn:
    """What one event does."""

    __slots__ = ("at", "commands", "plan", "snapshot")

    def __init__(self, plan: Plan, snapshot: Snapshot, *, at: float) -> None:
        self.plan = plan
        self.snapshot = replace(snapshot)
        self.at = at
        self.commands: list[Command] = []

    @property
    def state(self) -> State:
        """The state that the instance is in, or about to enter."""
        return self.plan.state(self.snapshot.state)

    def whole_data(self) -> Work[Json]:
        """Return the instance's data, for what may also be done over a part of it."""
        yield from ()
        return self.snapshot.data

    def update(self, **changes: Any) -> None:
        """Set fields of the snapshot that is becoming."""
        for name, value in changes.items():
            object.__setattr__(self.snapshot, name, value)

    def forget_state(self) -> None:
        """Forget what the state waited for; what was to be put aside for it is of no use now."""
        if self.snapshot.fan is not None:
            self.commands = [it for it in self.commands if not isinstance(it, StoreData)]
        self.update(effects=(), fan=None)

    def emit(self, command: Command) -> None:
        """Add a command."""
        self.commands.append(command)

    def log(self, level: LogLevel, text: str) -> None:
        """Add a line to the instance's log."""
        self.emit(Log(level=level, text=text, state=self.snapshot.state))

    def set_timer(self, timer: str, at: float) -> None:
        """Ask to be woken; setting a timer again moves it."""
        self.update(timers={**self.snapshot.timers, timer: at})
        self.emit(SetTimer(timer=timer, at=at))

    def stop_timer(self, timer: str) -> None:
        """Forget a timer, if it is set."""
        if timer in self.snapshot.timers:
            self.drop_timer(timer)
            self.emit(StopTimer(timer=timer))

    def drop_timer(self, timer: str) -> None:
        """Forget a timer that has fired."""
        timers = {name: at for name, at in self.snapshot.timers.items() if name != timer}
        self.update(timers=timers)

    def evaluate(
        self,
        template: Template,
        *,
        over: Json = _ITS_DATA,
        secrets: tuple[str, ...] = (),
        allow_null: bool = False,
    ) -> Work[Json]:
        """Return a template's value over `over`, by default the instance's data.

        Raises:
            StateError: the expression failed.
        """
        question = Evaluate(
            template=template,
            data=self.snapshot.data if over is _ITS_DATA else over,
            variables={"input": self.snapshot.input, "steps": self.snapshot.steps},
            secrets=secrets,
            allow_null=allow_null,
        )
        try:
            return (yield question)
        except ExpressionError as error:
            raise StateError(error.code, error.message) from error
