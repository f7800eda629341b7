"""What happens to every request before its handler, and after."""

from __future__ import annotations

import hmac
import logging
import time
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.typedefs import Handler, Middleware
from multidict import istr

from varflow.errors import VarflowError
from varflow_sidecar.metrics import Metrics
from varflow_sidecar.web import rendering

LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""What a function may call the sidecar. Any other name that leads here is DNS rebinding."""

_FETCH_SITE: Final = istr("Sec-Fetch-Site")
_OWN_SITES: Final = frozenset({"same-origin", "none"})
_BROKEN_OFF: Final = (web.RequestPayloadError, ConnectionError)
"""What reading a body raises when the caller has gone in the middle of it."""


_logger = logging.getLogger(__name__)


def for_functions(metrics: Metrics) -> Middleware:
    """Return the variable server's middleware: measured, rendered, local callers only.

    One for all three, since each level costs a GET of a variable two per cent.
    """

    @web.middleware
    async def serve(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        response = _find_refusal(request) or await _rendered(request, handler)
        duration = metrics.request_duration(request.method, response.status)
        duration.observe(time.perf_counter() - started)
        return response

    return serve


@web.middleware
async def errors_rendered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever is raised into an answer; see `rendering`."""
    return await _rendered(request, handler)


def authorized(token: str) -> Middleware:
    """Return a middleware that asks for a bearer token; an empty one switches that off."""
    wanted = f"Bearer {token}".encode()

    @web.middleware
    async def authorize(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get(hdrs.AUTHORIZATION, "").encode("utf-8", "surrogateescape")
        if token and not hmac.compare_digest(given, wanted):
            message = "the request needs this pod's token as 'Authorization: Bearer ...'"
            response = rendering.error_response("unauthorized", message, status=401)
            response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
            return response
        return await handler(request)

    return authorize


async def _rendered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except VarflowError as error:
        return rendering.refusal(error)
    except web.HTTPException as error:
        return rendering.foreign_refusal(error)
    except _BROKEN_OFF:
        return rendering.error_response("invalid_input", "the body broke off", status=400)
    except Exception:
        _logger.exception("%s %s failed", request.method, request.path)
        return rendering.internal_error()


def _find_refusal(request: web.Request) -> web.Response | None:
    """Refuse callers that reach the loopback address in a roundabout way: SSRF, rebinding."""
    headers = request.headers
    if not _is_local_host(request):
        return _forbidden("the Host must be localhost, 127.0.0.1 or [::1]")
    if hdrs.ORIGIN in headers and not _is_local_origin(headers[hdrs.ORIGIN]):
        return _forbidden("requests from other origins are refused")
    if headers.get(_FETCH_SITE, "none") not in _OWN_SITES:
        return _forbidden("requests from other sites are refused")
    return None


def _is_local_host(request: web.Request) -> bool:
    if not request.raw_path.startswith("/") and not _is_local_origin(request.raw_path):
        return False  # the target may name a host, too, as for a proxy
    host = request.headers.get(hdrs.HOST)
    if host is None:
        return request.version < HttpVersion11  # no browser speaks that any more
    return _is_local_name(host)


@lru_cache(maxsize=16)
def _is_local_name(host: str) -> bool:
    name, _, port = ("", "", "") if host.endswith("]") else host.rpartition(":")
    return (name if port.isdigit() else host).lower() in LOCAL_NAMES


def _is_local_origin(origin: str) -> bool:
    try:
        parsed = urlsplit(origin)
    except ValueError:
        return False
    return parsed.hostname in {"localhost", "127.0.0.1", "::1"}


def _forbidden(message: str) -> web.Response:
    return rendering.error_response("forbidden", message, status=403)
