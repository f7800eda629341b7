"""Reading a request's body that has to be whole in memory, up to a limit."""

from __future__ import annotations

from aiohttp import web

from varflow.errors import TooLarge


async def read(request: web.Request, *, limit: int, what: str) -> bytes:
    """Return a body.

    Raises:
        TooLarge: it is longer than `limit` bytes, whether or not it says so beforehand.
    """
    if (request.content_length or 0) > limit:
        raise _too_large(limit, what)
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit, what)
    return bytes(body)


def _too_large(limit: int, what: str) -> TooLarge:
    return TooLarge(f"the {what} is longer than {limit} bytes")
