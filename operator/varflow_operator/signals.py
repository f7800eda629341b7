"""SIGTERM and SIGINT: the process is asked to stop."""

from __future__ import annotations

import asyncio
import logging
import signal

_logger = logging.getLogger(__name__)


class Stopping:
    """Whether it was."""

    def __init__(self) -> None:
        self._received = asyncio.Event()

    def install(self) -> None:
        """Receive the signals of this process, whoever received them before."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._received.set)

    async def wait(self) -> None:
        """Return when a signal has come."""
        await self._received.wait()
        _logger.info("stopping")
