"""Ports on this machine's loopback addresses.

A port that was free a moment ago may be taken the next; nothing reserves one for another process.
The kernel hands out ephemeral ports from a range of some ten thousand, so that two runs meet is
unlikely, and a function that finds its port taken says so and exits, which is a clear error.
"""

from __future__ import annotations

import asyncio
import contextlib

from varflow_sidecar.web import serving


def find_free_port() -> int:
    """Return a port that nobody has in either family."""
    sockets = serving.bind(0, hosts=serving.LOOPBACK)
    try:
        return serving.port_of(sockets)
    finally:
        for bound in sockets:
            bound.close()


async def is_listening(port: int) -> bool:
    """Tell whether somebody accepts connections on the port, in either family."""
    for host in serving.LOOPBACK:
        if await _accepts(host, port):
            return True
    return False


async def _accepts(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
