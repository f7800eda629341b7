"""Sending a request again, where that does no harm.

For the blips of a server that is there: a connection that was just closed, a node of it that went
away, a moment of overload. Few tries within seconds; whoever can wait longer does so above, where
the deadline is known (`varflow.variables.retrying`), and tries upon tries would only add to a
server's overload. A request that has hung is not repeated at all: it has used up the time.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from varflow.errors import StoreUnavailable
from varflow.variables.stores.threads import Stop

T = TypeVar("T")

_TRIES: Final = 3
_WITHIN_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.1
_PAUSE_GROWTH: Final = 3

_jitter = random.random  # spreads the tries of many clients; nothing secret hangs on it


class Tries:
    """The tries of one request. For threads: the pauses block."""

    def __init__(self, stop: Stop) -> None:
        self._stop: Final = stop
        self._began: Final = time.monotonic()
        self._failed = 0

    def pause(self, error: StoreUnavailable) -> None:
        """Wait before the next try, after one that ended with `error`.

        Raises:
            StoreUnavailable: `error`; it was the last try.
            Stopped: nobody waits for the result any more.
        """
        self._failed += 1
        if self._failed >= _TRIES or time.monotonic() - self._began > _WITHIN_SECONDS:
            raise error
        self._stop.check()
        time.sleep(_PAUSE_SECONDS * _PAUSE_GROWTH ** (self._failed - 1) * (0.5 + _jitter() / 2))
        self._stop.check()


def repeat(request: Callable[[], T], stop: Stop) -> T:
    """Do a request that may be done twice, and return its result.

    Raises:
        StoreUnavailable: the last try failed, too.
        Stopped: nobody waits for the result any more.
    """
    stop.check()
    tries = Tries(stop)
    while True:
        try:
            return request()
        except StoreUnavailable as error:
            tries.pause(error)
