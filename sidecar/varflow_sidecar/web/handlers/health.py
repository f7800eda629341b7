"""What the kubelet and Prometheus ask."""

from __future__ import annotations

from aiohttp import web

from varflow_sidecar import metrics
from varflow_sidecar.web.state import SIDECAR

routes = web.RouteTableDef()


@routes.get("/healthz")
async def healthz(request: web.Request) -> web.StreamResponse:
    """Say that the event loop turns."""
    return web.Response(text="ok\n")


@routes.get("/readyz")
async def readyz(request: web.Request) -> web.StreamResponse:
    """Say whether new actions are taken."""
    if request.app[SIDECAR].actions.is_draining:
        return web.Response(status=503, text="draining\n")
    return web.Response(text="ok\n")


@routes.get("/idle")
async def idle(request: web.Request) -> web.StreamResponse:
    """Answer when no action runs: for the preStop hook of the function, which outlives them so."""
    await request.app[SIDECAR].actions.idle()
    return web.Response(text="idle\n")


@routes.get("/metrics")
async def prometheus(request: web.Request) -> web.StreamResponse:
    """Return all metrics."""
    body = request.app[SIDECAR].metrics.render()
    return web.Response(body=body, headers={"Content-Type": metrics.CONTENT_TYPE})
