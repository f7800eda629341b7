"""Waiting out a store that is away.

An action holds its function's work: giving up because the store had an outage of a minute would
throw that away. So whatever a store refuses for a while is asked again until a deadline, the
action's for example, with pauses that grow and differ (design.md §8, promise 4 bounds it).
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from varflow.errors import StoreUnavailable, VarflowError

T = TypeVar("T")

_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 5.0

_random = random.SystemRandom()
_logger = logging.getLogger(__name__)


async def until(
    deadline: float,
    call: Callable[[], Awaitable[T]],
    *,
    waits_out: type[VarflowError] | tuple[type[VarflowError], ...] = StoreUnavailable,
) -> T:
    """Call it until it succeeds.

    Args:
        deadline: in seconds since the epoch.
        call: what may be done again.
        waits_out: the errors that say that trying again helps.

    Raises:
        StoreUnavailable: the store was still away shortly before the deadline; or what
            `waits_out` says instead.
    """
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return await call()
        except waits_out as error:
            if time.time() + pause >= deadline:
                raise
            _logger.warning("trying again in %.1f s: %s", pause, error)
        await asyncio.sleep(pause * _random.uniform(0.5, 1.0))
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
