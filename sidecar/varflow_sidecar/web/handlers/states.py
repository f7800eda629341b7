"""`/state`: what the function that asks remembers from one run of its workflow to the next.

One JSON value for each function and trigger (`varflow.variables.states`). None yet is 204 and
nothing else is: what cannot be read is an error, lest a watcher take it for its first run and act
on everything once more.
"""

from __future__ import annotations

from typing import Final

import orjson
from aiohttp import web

from varflow.errors import InvalidInput
from varflow.variables import conversions, expiries
from varflow.variables.scopes import StateAddress
from varflow_sidecar.web import bodies, conditions, queries, sending
from varflow_sidecar.web.queries import Query
from varflow_sidecar.web.state import SIDECAR

MAX_STATE_BYTES: Final = 1024 * 1024
"""Longest state: it is parsed in memory, as a whole; what is larger belongs into a variable."""

routes = web.RouteTableDef()


@routes.get("/state")
async def get(request: web.Request) -> web.StreamResponse:
    """Answer the state; also HEAD."""
    found = await request.app[SIDECAR].variables.get(_address(request, queries.parse(request)))
    return web.Response(status=204) if found is None else await sending.send(request, found)


@routes.post("/state")
@routes.put("/state")
async def set_(request: web.Request) -> web.StreamResponse:
    """Store the body as the state."""
    query = queries.parse(request)
    address, asked = _address(request, query), conditions.parse(request, query)
    data = _check(await bodies.read(request, limit=MAX_STATE_BYTES, what="state"))
    stored = await request.app[SIDECAR].variables.set(
        address,
        data,
        content_type=conversions.JSON,
        ttl=expiries.parse(query.get("ttl")),
        if_match=asked.if_match,
        if_none_match=asked.if_none_match,
        create=asked.create,
    )
    return web.Response(headers=sending.headers_of(stored))


@routes.delete("/state")
async def delete(request: web.Request) -> web.StreamResponse:
    """Forget the state."""
    address = _address(request, queries.parse(request))
    asked = conditions.of_deletion(request)
    await request.app[SIDECAR].variables.delete(address, if_match=asked.if_match)
    return web.Response(status=204)


def _address(request: web.Request, query: Query) -> StateAddress:
    return request.app[SIDECAR].actions.state_of(query.get("aid", ""))


def _check(data: bytes) -> bytes:
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"a state is one JSON value: {error}") from error
    return data
