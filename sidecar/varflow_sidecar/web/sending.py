"""Variables as HTTP answers.

A small value goes out in one piece with its headers. A large one is streamed; when the store fails
in the middle, the connection is cut, which is the only way left to say so: the client misses bytes
that the length had promised.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final

import orjson
from aiohttp import hdrs, web
from multidict import CIMultiDict

from varflow.contract import HEADER_EXISTS, HEADER_EXPIRES_AT, HEADER_REVISION
from varflow.errors import TooLarge, VarflowError
from varflow.variables import conversions
from varflow.variables.variables import Variable, VariableInfo
from varflow_sidecar.web import listing, ranges, rendering, times
from varflow_sidecar.web.ranges import Range

MAX_CONVERTED_BYTES: Final = 32 * 1024 * 1024
"""Longest value that `as=` looks into: it is parsed in memory, as a whole."""

_logger = logging.getLogger(__name__)


def headers_of(info: VariableInfo) -> CIMultiDict[str]:
    """Return what a GET, HEAD or write says about a variable."""
    headers = CIMultiDict({hdrs.ETAG: info.etag, HEADER_REVISION: info.rev})
    if info.expires_at is not None:
        headers[HEADER_EXPIRES_AT] = times.shown(info.expires_at)
    return headers


def missing() -> web.Response:
    """Answer for a variable that is not there, as functions made for Direktiv expect it."""
    return web.Response(headers={HEADER_EXISTS: "false"})


async def send_converted(found: Variable, wanted: str) -> web.Response:
    """Answer a value that was checked to be of a type.

    Raises:
        InvalidConversion: it is not.
        TooLarge: it is too long to be looked into.
    """
    if found.size > MAX_CONVERTED_BYTES:
        raise TooLarge(f"the value has {found.size} bytes; as= checks up to {MAX_CONVERTED_BYTES}")
    data = conversions.check(await found.bytes(), wanted, content_type=found.content_type)
    headers = headers_of(found)
    headers[hdrs.CONTENT_TYPE] = found.content_type
    return web.Response(body=data, headers=headers)


async def send(request: web.Request, found: Variable) -> web.StreamResponse:
    """Answer a value, or the part of it that is asked for."""
    headers = headers_of(found)
    asked = request.headers
    if hdrs.IF_NONE_MATCH in asked and _is_known(asked[hdrs.IF_NONE_MATCH], found):
        return web.Response(status=304, headers=headers)
    headers[hdrs.CONTENT_TYPE] = found.content_type
    headers[hdrs.ACCEPT_RANGES] = "bytes"
    if hdrs.RANGE in asked and asked.get(hdrs.IF_RANGE, found.etag) == found.etag:
        return await _send_range(request, found, headers)
    if found.inline is not None:
        return web.Response(body=found.inline, headers=headers)
    return await _stream(request, found, Range(0, found.size), headers, status=200)


async def send_list(
    request: web.Request, found: AsyncGenerator[VariableInfo, None], *, limit: int | None
) -> web.StreamResponse:
    """Answer what is known about variables, as they come; `next` says that the limit cut them.

    Raises:
        StoreError: nothing was sent yet.
    """
    async with aclosing(found):
        first = await anext(found, None)  # a store that is away shows here
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: rendering.JSON})
        await response.prepare(request)
        if request.method == hdrs.METH_HEAD:
            return response
        try:
            async for text in _list(first, found, limit=limit):
                await response.write(text)
        except VarflowError as error:
            _cut(request, error)
        return response


async def _list(
    first: VariableInfo | None, rest: AsyncIterator[VariableInfo], *, limit: int | None
) -> AsyncIterator[bytes]:
    if first is None:
        yield b'{"variables":[]}'
        return
    yield b'{"variables":[' + orjson.dumps(listing.fields_of(first))
    last, count = first, 1
    async for info in rest:
        if count == limit:
            yield b'],"next":' + orjson.dumps(last.key) + b"}"
            return
        yield b"," + orjson.dumps(listing.fields_of(info))
        last, count = info, count + 1
    yield b"]}"


async def _send_range(
    request: web.Request, found: Variable, headers: CIMultiDict[str]
) -> web.StreamResponse:
    try:
        part = ranges.find(request.headers[hdrs.RANGE], size=found.size)
    except ranges.Unsatisfiable:
        headers[hdrs.CONTENT_RANGE] = f"bytes */{found.size}"
        return web.Response(status=416, headers=headers)
    if part is None:
        return await _stream(request, found, Range(0, found.size), headers, status=200)
    headers[hdrs.CONTENT_RANGE] = part.header(found.size)
    return await _stream(request, found, part, headers, status=206)


async def _stream(
    request: web.Request,
    found: Variable,
    part: Range,
    headers: CIMultiDict[str],
    *,
    status: int,
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = part.length
    await response.prepare(request)
    if request.method == hdrs.METH_HEAD:
        return response
    try:
        async for chunk in found.read(part.start, part.length):
            await response.write(chunk)
    except VarflowError as error:
        _cut(request, error)
    return response


def _is_known(if_none_match: str, found: Variable) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return not tags.isdisjoint({"*", found.etag})


def _cut(request: web.Request, error: VarflowError) -> None:
    _logger.warning("an answer is cut off: %s: %s", error.code, error)
    if request.transport is not None:
        request.transport.abort()
