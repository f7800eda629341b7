"""Errors as HTTP answers: `{"error": {"code", "message"}}` with the error's status."""

from __future__ import annotations

import logging
from typing import Final

import orjson
from aiohttp import web

from varflow.errors import ConditionsUnsupported, Draining, StoreUnavailable, VarflowError
from varflow.variables.scopes import Address

JSON: Final = "application/json"
RETRY_AFTER_SECONDS: Final = 1

_CODES: Final = {
    400: "invalid_input",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
}
"""Codes for what aiohttp itself refuses."""

_logger = logging.getLogger(__name__)


def json_response(value: object, *, status: int = 200) -> web.Response:
    """Return an answer in JSON."""
    return web.Response(body=orjson.dumps(value), status=status, content_type=JSON)


def error_response(code: str, message: str, *, status: int) -> web.Response:
    """Return an error body."""
    return json_response({"error": {"code": code, "message": message}}, status=status)


def refusal(error: VarflowError) -> web.Response:
    """Return the answer that an error stands for."""
    if error.status >= 500 and not isinstance(error, Draining | ConditionsUnsupported):
        _logger.warning("a request failed: %s: %s", error.code, error)
    response = error_response(error.code, error.message, status=error.status)
    if isinstance(error, StoreUnavailable | Draining):
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def foreign_refusal(error: web.HTTPException) -> web.Response:
    """Return the answer for what aiohttp refuses, keeping headers such as `Allow`."""
    code = _CODES.get(error.status, "invalid_input" if error.status < 500 else "internal")
    response = error_response(code, error.reason, status=error.status)
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


def internal_error() -> web.Response:
    """Return an answer that leaks nothing of what has been logged."""
    message = "an internal error occurred; the sidecar's log has the details"
    return error_response("internal", message, status=500)


def missing_error(address: Address, *, rev: str | None = None) -> web.Response:
    """Return the answer to `missing=404`."""
    shown = f"variable {address}" + (f" revision {rev[:64]}" if rev is not None else "")
    return error_response("not_found", f"{shown} does not exist", status=404)
