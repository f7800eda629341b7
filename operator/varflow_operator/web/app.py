"""The operator's HTTP application; all addresses, no secrets, so no token."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator

from aiohttp import web

from varflow_operator.metrics import Metrics
from varflow_operator.readiness import Readiness
from varflow_operator.web.handlers import health
from varflow_operator.web.state import METRICS, READINESS


def create_app(metrics: Metrics, readiness: Readiness) -> web.Application:
    """Return what answers the kubelet and Prometheus."""
    app = web.Application()
    app[METRICS] = metrics
    app[READINESS] = readiness
    app.add_routes(health.routes)
    return app


@contextlib.asynccontextmanager
async def serve(app: web.Application, *, port: int) -> AsyncIterator[int]:
    """Serve as long as the context lasts, and give the port, which for 0 is a free one.

    Raises:
        OSError: the port is taken.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        bound = _bind(port)
        await web.SockSite(runner, bound).start()
        yield int(bound.getsockname()[1])
    finally:
        await runner.cleanup()


def _bind(port: int) -> socket.socket:
    """Return a socket on all addresses, of both families: the pod's own is not known."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))
