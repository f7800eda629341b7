"""What the kubelet and Prometheus ask."""

from __future__ import annotations

from aiohttp import web

from varflow import contract
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


@routes.get("/readyz/function")
async def readyz_function(request: web.Request) -> web.StreamResponse:
    """Say whether new actions are taken and the function is there to do them.

    A pod is ready by this: a function that crashes at its start is running again and again for a
    moment, which the kubelet takes for being ready.
    """
    if not await request.app[SIDECAR].functions_listen():
        return web.Response(status=503, text="the function does not listen\n")
    return await readyz(request)


@routes.get("/idle")
async def idle(request: web.Request) -> web.StreamResponse:
    """Answer when no action runs: for the preStop hook of the function, which outlives them so.

    The hook knows the stop key, and no new actions are taken then: this sidecar hears of the pod's
    end only after the function has ended.
    """
    sidecar = request.app[SIDECAR]
    given = request.headers.get(contract.HEADER_STOP_KEY, "")
    if contract.is_stop_key(given, token=sidecar.settings.token):
        sidecar.actions.drain()
    await sidecar.actions.idle()
    return web.Response(text="idle\n")


@routes.get("/metrics")
async def prometheus(request: web.Request) -> web.StreamResponse:
    """Return all metrics."""
    body = request.app[SIDECAR].metrics.render()
    return web.Response(body=body, headers={"Content-Type": metrics.CONTENT_TYPE})
