"""What Ctrl-C does: the first cancels the instance, the second ends everything at once.

SIGTERM and SIGHUP (a closed terminal) count the same. They are taken from before anything is set
up until everything is taken down, so that a run always ends in an orderly way and tells its result.
Should even the second not get through, the third ends `varflow` on the spot, and the warden ends
the functions.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from typing import Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """The signals that came, and what they do once somebody is there for them."""

    def __init__(self) -> None:
        self._first: signal.Signals | None = None
        self._count = 0
        self._cancel: Callable[[str], None] | None = None
        self._end: Callable[[], None] | None = None

    def connect(self, *, cancel: Callable[[str], None], end: Callable[[], None]) -> None:
        """Have `cancel` called with the first signal's name, also one that has come already.

        Args:
            cancel: asks the instance to stop.
            end: ends everything at once; called for the second signal.
        """
        self._cancel, self._end = cancel, end
        if self._first is not None:
            cancel(self._first.name)

    def take(self, number: signal.Signals) -> None:
        """Do what a signal asks for."""
        self._count += 1
        if self._count > 2:
            os._exit(1)
        if self._first is None:
            self._first = number
            if self._cancel is not None:
                self._cancel(number.name)
        elif self._end is not None:
            self._end()


@contextlib.contextmanager
def taken() -> Iterator[Interrupts]:
    """Take the signals as long as the context lasts."""
    loop = asyncio.get_running_loop()
    interrupts = Interrupts()
    # What is ignored stays so: that is how `nohup` and shells protect what runs in the background.
    numbers = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in numbers:
        loop.add_signal_handler(number, interrupts.take, number)
    try:
        yield interrupts
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
