"""`/log`: a line for the instance's log, as the body or as `?log=`."""

from __future__ import annotations

from aiohttp import web

from varflow.logs import FUNCTION
from varflow_sidecar.web import bodies, queries
from varflow_sidecar.web.state import SIDECAR

routes = web.RouteTableDef()


@routes.post("/log")
@routes.put("/log")
@routes.get("/log")
async def log(request: web.Request) -> web.StreamResponse:
    """Take one entry; an empty one is ignored."""
    sidecar, query = request.app[SIDECAR], queries.parse(request)
    owners = sidecar.actions.owners_of(query.get("aid", ""))
    limit = sidecar.settings.max_log_bytes
    body = await bodies.read(request, limit=limit, what="log entry")
    text = body.decode("utf-8", "replace") or query.get("log", "")
    if text:
        sidecar.log.write(owners, text, source=FUNCTION)
    return web.Response()
