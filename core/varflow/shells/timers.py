"""The timers of one instance: the engine's names, the event loop's clock. Of both shells."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from varflow.engine.messages import SetTimer, TimerFired

_LONGEST_SECONDS: Final = 3600.0
"""A long wait looks at the clock now and then: it may be set, which the loop does not notice."""
_SLACK_SECONDS: Final = 1.0
"""How far the two clocks may differ at the end of a wait."""


class Timers:
    """Fires each timer once, never before its time by the clock."""

    def __init__(self, *, clock: Callable[[], float], fire: Callable[[TimerFired], None]) -> None:
        """Tell `fire` of timers that are due; `clock` gives seconds since the epoch."""
        self._clock = clock
        self._fire = fire
        self._handles: dict[str, asyncio.TimerHandle] = {}

    def set(self, command: SetTimer) -> None:
        """Set a timer, or move it."""
        self.stop(command.timer)
        delay = min(max(0.0, command.at - self._clock()), _LONGEST_SECONDS)
        loop = asyncio.get_running_loop()
        self._handles[command.timer] = loop.call_later(delay, self._due, command)

    def stop(self, timer: str) -> None:
        """Forget a timer, if it is set."""
        handle = self._handles.pop(timer, None)
        if handle is not None:
            handle.cancel()

    def stop_all(self) -> None:
        """Forget all."""
        for timer in list(self._handles):
            self.stop(timer)

    def _due(self, command: SetTimer) -> None:
        if self._clock() + _SLACK_SECONDS < command.at:
            self.set(command)
            return
        del self._handles[command.timer]
        # The two clocks may differ by a little; a timer never fires before its time.
        self._fire(TimerFired(at=max(self._clock(), command.at), timer=command.timer))
