"""The conditions that a request puts on its write."""

from __future__ import annotations

from aiohttp import hdrs, web

from varflow.errors import ConditionsUnsupported, InvalidInput
from varflow.variables.probe.promises import Promise
from varflow.variables.writes.preconditions import Conditions
from varflow_sidecar.web import queries
from varflow_sidecar.web.queries import Query
from varflow_sidecar.web.state import SIDECAR


def parse(request: web.Request, query: Query) -> Conditions:
    """Return what `If-Match`, `If-None-Match` and `mode=` ask for.

    Raises:
        InvalidInput: one of them asks for something else.
        ConditionsUnsupported: the store cannot keep any.
    """
    asked = Conditions(
        if_match=request.headers.get(hdrs.IF_MATCH),
        if_none_match=_is_only_if_new(request),
        create=queries.choice(query, "mode", of=("create",)) is not None,
    )
    return _supported(request, asked)


def of_deletion(request: web.Request) -> Conditions:
    """Return what `If-Match` asks for.

    Raises:
        InvalidInput: there is an `If-None-Match`, under which nothing could ever be removed.
        ConditionsUnsupported: as `parse`.
    """
    if hdrs.IF_NONE_MATCH in request.headers:
        raise InvalidInput("a removal takes no If-None-Match; use If-Match")
    return _supported(request, Conditions(if_match=request.headers.get(hdrs.IF_MATCH)))


def _supported(request: web.Request, asked: Conditions) -> Conditions:
    """Refuse conditions that the store cannot keep: none is better than one that looks kept."""
    if asked and not request.app[SIDECAR].settings.verdict.keeps(Promise.UPDATES):
        raise ConditionsUnsupported(
            "the store does not compare and swap, so If-Match, If-None-Match and mode=create cannot"
            " be kept; write without them, or have Varflow use another store"
        )
    return asked


def _is_only_if_new(request: web.Request) -> bool:
    text = request.headers.get(hdrs.IF_NONE_MATCH)
    if text not in {None, "*"}:
        raise InvalidInput("If-None-Match of a write can only be '*'; use If-Match for revisions")
    return text is not None
