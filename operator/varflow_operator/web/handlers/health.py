"""What the kubelet and Prometheus ask."""

from __future__ import annotations

import asyncio

from aiohttp import web

from varflow_operator import metrics
from varflow_operator.web.state import METRICS, READINESS

routes = web.RouteTableDef()


@routes.get("/healthz")
async def healthz(request: web.Request) -> web.StreamResponse:
    """Say that the event loop turns."""
    return web.Response(text="ok\n")


@routes.get("/readyz")
async def readyz(request: web.Request) -> web.StreamResponse:
    """Say whether this process leads or could at once, and else what it waits for."""
    readiness = request.app[READINESS]
    return web.Response(text=f"{readiness.text}\n", status=200 if readiness.is_ready else 503)


@routes.get("/metrics")
async def prometheus(request: web.Request) -> web.StreamResponse:
    """Return all metrics, written by a thread: thousands of series would hold up the loop."""
    body = await asyncio.to_thread(request.app[METRICS].render)
    return web.Response(body=body, headers={"Content-Type": metrics.CONTENT_TYPE})
