"""The conditions that a request puts on its write."""

from __future__ import annotations

from aiohttp import hdrs, web

from varflow.errors import InvalidInput
from varflow.variables.preconditions import Conditions
from varflow_sidecar.web import queries
from varflow_sidecar.web.queries import Query


def parse(request: web.Request, query: Query) -> Conditions:
    """Return what `If-Match`, `If-None-Match` and `mode=` ask for.

    Raises:
        InvalidInput: one of them asks for something else.
    """
    return Conditions(
        if_match=request.headers.get(hdrs.IF_MATCH),
        if_none_match=_is_only_if_new(request),
        create=queries.choice(query, "mode", of=("create",)) is not None,
    )


def _is_only_if_new(request: web.Request) -> bool:
    text = request.headers.get(hdrs.IF_NONE_MATCH)
    if text not in {None, "*"}:
        raise InvalidInput("If-None-Match of a write can only be '*'; use If-Match for revisions")
    return text is not None
