"""How a sidecar stops.

    SIGTERM ─► not ready, no new actions ─► running ones end ─► their outcomes are fetched ─► exit

In a pod the function container's preStop hook has waited for the actions already; this is for those
that came in between, for a pod that is killed in another way, and for a restart of this container
alone. A second signal ends it at once, and so does the kubelet at the end of the grace period: what
still runs then is found again by its decision object, or run again.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import Final

from varflow_sidecar.actions import Actions

FETCH_SECONDS: Final = 10.0
"""How long outcomes wait to be fetched: the control plane polls, so it is there at once or away."""

_logger = logging.getLogger(__name__)


class Signals:
    """SIGTERM and SIGINT, counted."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()

    def install(self) -> None:
        """Receive the signals of this process from now on."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._receive)

    def _receive(self) -> None:
        if self.first.is_set():
            self.second.set()
        self.first.set()


async def drain(actions: Actions, *, hurry: asyncio.Event) -> None:
    """Return when nothing is left that somebody waits for, or `hurry` is set."""
    actions.drain()
    _logger.info("stopping: no new actions are taken")
    ending = asyncio.ensure_future(_end(actions))
    hurrying = asyncio.ensure_future(hurry.wait())
    await asyncio.wait([ending, hurrying], return_when=asyncio.FIRST_COMPLETED)
    for task in (ending, hurrying):
        task.cancel()
    await asyncio.gather(ending, hurrying, return_exceptions=True)


async def _end(actions: Actions) -> None:
    await actions.idle()
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            await actions.settled()
    except TimeoutError:
        _logger.warning("outcomes were not fetched within %g s", FETCH_SECONDS)
