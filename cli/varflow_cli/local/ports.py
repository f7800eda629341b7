"""Ports on this machine's loopback addresses.

A port that was free a moment ago may be taken the next; nothing reserves one for another process.
The kernel hands out ephemeral ports from a range of some ten thousand, so that two runs meet is
unlikely, and a function that finds its port taken says so and exits, which is a clear error.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from typing import Final

LOOPBACK: Final = {"127.0.0.1": socket.AF_INET, "::1": socket.AF_INET6}
"""Both families, in the order in which they are tried (design.md §5)."""

_ABSENT_FAMILY: Final = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}
"""What binding to ::1 says where IPv6 is switched off."""


def bind_pair(port: int = 0) -> list[socket.socket]:
    """Return sockets that listen on one port of each loopback address that the machine has.

    Port 0 stands for any that is free.

    Raises:
        OSError: somebody has the port (EADDRINUSE), or it may not be bound.
    """
    while True:
        try:
            return _bind_both(port)
        except OSError as error:
            if port or error.errno != errno.EADDRINUSE:
                raise  # else: free in the first family, taken in the second; draw again


def _bind_both(port: int) -> list[socket.socket]:
    bound: list[socket.socket] = []
    try:
        for host, family in LOOPBACK.items():
            number = bound[0].getsockname()[1] if bound else port
            if (one := _find_bound(host, family, number)) is not None:
                bound.append(one)
    except OSError:
        close(bound)
        raise
    return bound


def _find_bound(host: str, family: int, port: int) -> socket.socket | None:
    """Return a bound socket, or None when the machine has no such address."""
    try:
        bound = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        return None
    try:
        # Connections of the previous run that linger in TIME_WAIT are no obstacle.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen()  # two sockets with SO_REUSEADDR can both be bound, but only one can listen
    except OSError as error:
        bound.close()
        if family == socket.AF_INET6 and error.errno in _ABSENT_FAMILY:
            return None
        raise
    bound.setblocking(False)
    return bound


def close(sockets: list[socket.socket]) -> None:
    """Close them all."""
    for bound in sockets:
        bound.close()


def port_of(sockets: list[socket.socket]) -> int:
    """Return the port that a pair is bound to."""
    return int(sockets[0].getsockname()[1])


def find_free_port() -> int:
    """Return a port that nobody has in either family."""
    pair = bind_pair()
    try:
        return port_of(pair)
    finally:
        close(pair)


async def is_listening(port: int) -> bool:
    """Tell whether somebody accepts connections on the port, in either family."""
    for host in LOOPBACK:
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
