"""`/var` and `/vars`: the variables of the action that asks (design.md §5)."""

from __future__ import annotations

from aiohttp import hdrs, web

from varflow.errors import InvalidInput, TooLarge
from varflow.variables import conversions, copying, expiries, scopes
from varflow.variables.scopes import Address
from varflow.variables.stores.base import CHUNK_BYTES
from varflow.variables.variables import VariableInfo
from varflow_sidecar.sidecar import Sidecar
from varflow_sidecar.web import conditions, queries, rendering, sending
from varflow_sidecar.web.queries import Query
from varflow_sidecar.web.state import SIDECAR

routes = web.RouteTableDef()


@routes.get("/var")
async def get(request: web.Request) -> web.StreamResponse:
    """Answer a variable's bytes; also HEAD."""
    sidecar, query = request.app[SIDECAR], queries.parse(request)
    address = _address(sidecar, query)
    wanted = query.get("as")
    if wanted is not None:
        conversions.parse_type(wanted)
    is_missing_an_error = queries.choice(query, "missing", of=("404",)) is not None
    if "revision" in query:
        found = await sidecar.variables.get_revision(address, query["revision"])
    else:
        found = await sidecar.variables.get(address)
    if found is None and is_missing_an_error:
        return rendering.missing_error(address, rev=query.get("revision"))
    if found is None:
        return sending.missing()
    if wanted is not None:
        return await sending.send_converted(found, wanted)
    return await sending.send(request, found)


@routes.post("/var")
@routes.put("/var")
async def set_(request: web.Request) -> web.StreamResponse:
    """Store the body, or what another variable holds."""
    sidecar, query = request.app[SIDECAR], queries.parse(request)
    address = _address(sidecar, query)
    if refused := _refusal(request, limit=sidecar.settings.max_variable_bytes):
        return refused
    if "from" in query:
        stored = await _copy(request, address, query)
    else:
        _check_is_about_present(query)
        asked = conditions.parse(request, query)
        stored = await sidecar.variables.set(
            address,
            request.content.iter_chunked(CHUNK_BYTES),
            content_type=request.headers.get(hdrs.CONTENT_TYPE),
            ttl=expiries.parse(query.get("ttl")),
            if_match=asked.if_match,
            if_none_match=asked.if_none_match,
            create=asked.create,
        )
    return web.Response(headers=sending.headers_of(stored))


@routes.delete("/var")
async def delete(request: web.Request) -> web.StreamResponse:
    """Remove a variable."""
    sidecar, query = request.app[SIDECAR], queries.parse(request)
    _check_is_about_present(query)
    asked = conditions.of_deletion(request)
    await sidecar.variables.delete(_address(sidecar, query), if_match=asked.if_match)
    return web.Response(status=204)


@routes.get("/vars")
async def list_(request: web.Request) -> web.StreamResponse:
    """List what is known about each variable of a scope, but no values."""
    sidecar, query = request.app[SIDECAR], queries.parse(request)
    owners = sidecar.actions.owners_of(query.get("aid", ""))
    scope = scopes.parse(query.get("scope"))
    found = sidecar.variables.list(
        owners, scope, prefix=query.get("prefix", ""), after=query.get("after", "")
    )
    return await sending.send_list(request, found, limit=queries.count(query, "limit"))


def _address(sidecar: Sidecar, query: Query) -> Address:
    owners = sidecar.actions.owners_of(query.get("aid", ""))
    return scopes.address(owners, query.get("scope"), query.get("key", ""))


def _check_is_about_present(query: Query) -> None:
    """Return if a write is not meant for an older revision: those never change.

    Raises:
        InvalidInput: it is; the present value would have been replaced or removed instead.
    """
    if "revision" in query:
        raise InvalidInput(
            "revision= is for reading, and with from= for copying; to write only if the variable"
            " still has a revision give If-Match"
        )


async def _copy(request: web.Request, target: Address, query: Query) -> VariableInfo:
    scope, slash, key = query["from"].partition("/")
    if not slash:
        raise InvalidInput("from= names a scope and a key, such as from=workflow/report")
    if request.body_exists and await request.content.read(1):
        raise InvalidInput("a write with from= copies another variable, and has no body")
    return await copying.copy(
        request.app[SIDECAR].variables,
        scopes.address(target.owners, scope, key),
        target,
        rev=query.get("revision"),
        ttl=expiries.parse(query.get("ttl")),
        conditions=conditions.parse(request, query),
    )


def _refusal(request: web.Request, *, limit: int) -> web.Response | None:
    """Refuse a body by its headers, before it is sent."""
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
        message = "variables are stored as they are sent; send them without Content-Encoding"
        return rendering.error_response("unsupported_encoding", message, status=415)
    if (request.content_length or 0) > limit:
        raise TooLarge(f"the value is longer than the {limit} bytes that a variable may have")
    return None
