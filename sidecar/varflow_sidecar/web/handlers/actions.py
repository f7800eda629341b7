"""`/actions/<aid>`, `/instances/gone`: what the control plane asks (see `varflow.contract`)."""

from __future__ import annotations

import math
from typing import Final

from aiohttp import web

from varflow import contract
from varflow.contract import Dispatch
from varflow.errors import InvalidInput
from varflow_sidecar.actions import Action, Actions
from varflow_sidecar.web import bodies, queries, rendering
from varflow_sidecar.web.queries import Query
from varflow_sidecar.web.state import SIDECAR

routes = web.RouteTableDef()

MAX_WAIT_SECONDS: Final = 300.0
"""Longest poll: proxies and idle timeouts cut longer silences."""

_RUNNING: Final = {"state": "running"}


@routes.post("/actions/{aid}")
async def start(request: web.Request) -> web.StreamResponse:
    """Run an action, or attach to it."""
    sidecar, query = request.app[SIDECAR], queries.parse(request)
    limit = sidecar.settings.max_answer_bytes
    dispatch = Dispatch.decode(await bodies.read(request, limit=limit, what="dispatch"))
    if dispatch.action_id != request.match_info["aid"]:
        raise InvalidInput("the action's id in the path and in the message differ")
    return await _answer(request, sidecar.actions.start(dispatch), query)


@routes.get("/actions/{aid}")
async def poll(request: web.Request) -> web.StreamResponse:
    """Return an action's outcome, if need be after waiting for it."""
    sidecar, query = request.app[SIDECAR], queries.parse(request)
    _check_epoch(sidecar.actions, query)
    return await _answer(request, sidecar.actions.get(request.match_info["aid"]), query)


@routes.delete("/actions/{aid}")
async def cancel(request: web.Request) -> web.StreamResponse:
    """Tell an action to stop."""
    sidecar, query = request.app[SIDECAR], queries.parse(request)
    _check_epoch(sidecar.actions, query)
    return await _answer(request, sidecar.actions.cancel(request.match_info["aid"]), query)


@routes.post("/instances/gone")
async def end_instances(request: web.Request) -> web.Response:
    """Stop what runs for instances that are gone; tell of which something still does."""
    sidecar, query = request.app[SIDECAR], queries.parse(request)
    limit = sidecar.settings.max_answer_bytes
    body = await bodies.read(request, limit=limit, what="list of instances")
    left = await sidecar.actions.end_instances(
        contract.decode_uids(body), epoch=_epoch(query), seconds=_wait_seconds(query)
    )
    return web.Response(body=contract.encode_uids(left), content_type=rendering.JSON)


async def _answer(request: web.Request, action: Action, query: Query) -> web.Response:
    actions = request.app[SIDECAR].actions
    encoded = await actions.wait(action, seconds=_wait_seconds(query))
    if encoded is None:
        return rendering.json_response(_RUNNING, status=202)
    actions.confirm(action)
    return web.Response(body=encoded, content_type=rendering.JSON)


def _wait_seconds(query: Query) -> float:
    seconds = _number(query, "wait", kind=float)
    if not (math.isfinite(seconds) and seconds >= 0):
        raise InvalidInput("wait must be a number of seconds")
    return min(seconds, MAX_WAIT_SECONDS)


def _check_epoch(actions: Actions, query: Query) -> None:
    if "epoch" in query:
        actions.check_epoch(_epoch(query))


def _epoch(query: Query) -> int:
    if "epoch" not in query:
        raise InvalidInput("epoch is missing; it says which control plane asks")
    return int(_number(query, "epoch", kind=int))


def _number(query: Query, name: str, *, kind: type[int | float]) -> float:
    try:
        return kind(query.get(name, "0"))
    except ValueError:
        raise InvalidInput(f"{name}={query[name][:64]!a} is not a number") from None
