"""Putting applications on addresses.

Sockets are bound here, not by aiohttp, so that one port serves both loopback families (and a port
that was asked for as 0 is the same in both), and a host without IPv6 simply has one address less.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Sequence
from typing import Final

from aiohttp import web

from varflow.variables.stores.base import CHUNK_BYTES

LOOPBACK: Final = ("127.0.0.1", "::1")
EVERYWHERE: Final = ("",)
"""All IPv4 addresses: the pod's own is not known beforehand."""

_BACKLOG: Final = 1024
_NO_IPV6: Final = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}
_SHUTDOWN_SECONDS: Final = 5.0
"""How long an answer under way may take once everything else is over."""


def bind(port: int, *, hosts: Sequence[str]) -> list[socket.socket]:
    """Return sockets that listen on one port of each address that the machine has; 0 is any free.

    Raises:
        OSError: somebody else has the port (EADDRINUSE), or it may not be bound; says which.
    """
    while True:
        try:
            return _bind_all(port, hosts)
        except OSError as error:
            if port or error.errno != errno.EADDRINUSE:
                raise  # else: free on the first address, taken on the next; draw again


def _bind_all(port: int, hosts: Sequence[str]) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    try:
        for host in hosts:
            taken = port_of(sockets) if sockets else port
            if (bound := _find_bound(host, taken)) is not None:
                sockets.append(bound)
    except OSError:
        for bound in sockets:
            bound.close()
        raise
    return sockets


def port_of(sockets: Sequence[socket.socket]) -> int:
    """Return the port that sockets are bound to."""
    return int(sockets[0].getsockname()[1])


@contextlib.asynccontextmanager
async def serve(app: web.Application, sockets: Sequence[socket.socket]) -> AsyncIterator[None]:
    """Serve an application on bound sockets as long as the context lasts."""
    runner = web.AppRunner(
        app,
        access_log=None,  # a line per request costs more than the request
        auto_decompress=False,  # bodies are bytes; and no decompression bombs
        read_bufsize=CHUNK_BYTES,
        shutdown_timeout=_SHUTDOWN_SECONDS,
    )
    await runner.setup()
    try:
        for bound in sockets:
            await web.SockSite(runner, bound, backlog=_BACKLOG).start()
        yield
    finally:
        await runner.cleanup()


def _find_bound(host: str, port: int) -> socket.socket | None:
    """Return a listening socket, or None when the machine has no such address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        bound = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        return None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((host, port))
        bound.listen(_BACKLOG)  # with SO_REUSEADDR two can be bound, but only one can listen
    except OSError as error:
        bound.close()
        if family == socket.AF_INET6 and error.errno in _NO_IPV6:
            return None
        raise OSError(error.errno, f"port {port} of {host}: {error.strerror}") from error
    bound.setblocking(False)
    return bound
