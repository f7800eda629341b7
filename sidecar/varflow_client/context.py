"""What a handler is told about the action that it runs.

The action is also kept in a context variable, so that `varflow_client.get(...)` deep inside a
program knows on whose behalf it asks. Threads that a handler starts do not inherit it; they use
`context.variables`.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from varflow_client import errors
from varflow_client.values import Scope
from varflow_client.variables import Variables

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One action, as its handler sees it."""

    action_id: str
    input: Any
    """The action's input; None when there was none."""
    temp_dir: Path
    """The action's own folder: holds the variables of `files`, goes when the action is over."""
    iterator: int = 0
    """The action's place in a `foreach` or `parallel`."""
    idempotency_key: str = ""
    """The same in every attempt, also after a crash: for calls that must count once."""
    variables: Variables
    """The variables that the action may use."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    """Set when nobody wants the result any more: the action timed out or was cancelled."""

    def file(self, name: str) -> Path:
        """Return the path of a mounted variable: its `as`, or its key."""
        return self.temp_dir / name

    def out(self, scope: Scope) -> Path:
        """Return the folder whose entries become variables of `scope` when the handler succeeds."""
        folder = self.temp_dir / "out" / scope
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def log(self, message: str) -> None:
        """Write a line to the instance's log."""
        self.variables.log(message)


running: ContextVar[Context] = ContextVar("varflow_client.running")
"""The action that the present handler runs."""


def current() -> Context:
    """Return the action that is running here.

    Raises:
        UnknownAction: this is no handler, nor called by one in the same thread.
    """
    try:
        return running.get()
    except LookupError:
        message = "no action runs in this thread; call this in a handler, or use context.variables"
        raise errors.UnknownAction(message, code="unknown_action") from None


class CurrentVariables(Variables):
    """The variables of whichever action is running in the calling thread."""

    @property
    def action_id(self) -> str:
        return current().action_id
