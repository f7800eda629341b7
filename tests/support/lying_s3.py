"""S3 servers that say what is not so: each lie that a known server has told, before a real server.

A lie is a way of a proxy (`faulty_s3`) with every request, as long as the proxy stands. What the
probe is there for is that each of them is found.
"""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from tests.support.faulty_s3 import Answer, Fault, Request, Send

_IF_MATCH: Final = "if-match"
_IF_NONE_MATCH: Final = "if-none-match"
_LONG_BYTES: Final = 64 * 1024
_STALE_SECONDS: Final = 0.5
_WINDOW_SECONDS: Final = 0.03
"""Between the look and the write of a server that does not do both in one step."""


def ignoring(header: str) -> Fault:
    """The condition is taken and not looked at."""

    def fault(request: Request, send: Send) -> Answer:
        return send(_without(request, header))

    return fault


def ignoring_for_long(request: Request, send: Send) -> Answer:
    """Conditions hold for short objects only: long ones go another way within the server."""
    is_long = len(request.body) >= _LONG_BYTES
    return send(_without(request, _IF_MATCH, _IF_NONE_MATCH) if is_long else request)


class IgnoringNowAndThen:
    """Every fifth condition is not looked at."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def __call__(self, request: Request, send: Send) -> Answer:
        if _is_conditional(request) and next(self._numbers) % 5 == 0:
            return send(_without(request, _IF_MATCH, _IF_NONE_MATCH))
        return send(request)


def making_what_is_missing(request: Request, send: Send) -> Answer:
    """`If-Match` holds where nothing is."""
    if request.kind == "PUT" and _has(request, _IF_MATCH):
        answer = send(request)
        return send(_without(request, _IF_MATCH)) if answer.status == 404 else answer
    return send(request)


def looking_before_writing(request: Request, send: Send) -> Answer:
    """The condition is looked at, and then the object is written: two that race both win."""
    if not _is_conditional(request):
        return send(request)
    look = _without(request, _IF_MATCH, _IF_NONE_MATCH, "content-length")
    found = send(replace(look, method="GET", body=b""))
    wanted = _value(request, _IF_MATCH)
    tags = {name.lower(): value for name, value in found.headers}
    tag = tags.get("etag") if found.status == 200 else None
    if (wanted is None and tag is not None) or (wanted is not None and tag != wanted):
        return Answer(412, [], b"<Error><Code>PreconditionFailed</Code></Error>")
    time.sleep(_WINDOW_SECONDS)
    return send(_without(request, _IF_MATCH, _IF_NONE_MATCH))


def refusing_after_writing(request: Request, send: Send) -> Answer:
    """A failed condition is answered as it should be, and the object written all the same."""
    answer = send(request)
    if request.kind == "PUT" and answer.status == 412:
        send(_without(request, _IF_MATCH, _IF_NONE_MATCH))
    return answer


def tagging(tag: Callable[[str], str]) -> Fault:
    """Objects have other ETags than the server behind gives them."""

    def fault(request: Request, send: Send) -> Answer:
        answer = send(_without(request, _IF_MATCH, _IF_NONE_MATCH))
        headers = [(k, tag(v) if k.lower() == "etag" else v) for k, v in answer.headers]
        return replace(answer, headers=headers)

    return fault


class Stale:
    """What was answered last is answered again for a while: reads, or listings."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._answers: dict[str, tuple[float, Answer]] = {}
        self._lock = threading.Lock()

    def __call__(self, request: Request, send: Send) -> Answer:
        if request.kind != self._kind:
            return send(request)
        with self._lock:
            at, answer = self._answers.get(request.target, (0.0, None))
        if answer is not None and time.monotonic() - at < _STALE_SECONDS:
            return answer
        answer = send(request)
        with self._lock:
            self._answers[request.target] = time.monotonic(), answer
        return answer


def listing_backwards(request: Request, send: Send) -> Answer:
    """Listings have no order that anybody asked for."""
    answer = send(request)
    if request.kind != "GET list-type":
        return answer
    found = re.findall(rb"<Contents>.*?</Contents>", answer.body, re.DOTALL)
    turned = iter(reversed(found))
    body = re.sub(
        rb"<Contents>.*?</Contents>", lambda _: next(turned), answer.body, flags=re.DOTALL
    )
    return replace(answer, body=body)


LIES: Final[dict[str, tuple[Callable[[], Fault], set[str]]]] = {
    # The six that object stores were seen to tell.
    "If-None-Match is ignored": (lambda: ignoring(_IF_NONE_MATCH), {"create", "create-race"}),
    "If-Match is ignored": (
        lambda: ignoring(_IF_MATCH),
        {"replace", "replace-race", "replace-missing"},
    ),
    "If-Match makes what is missing": (lambda: making_what_is_missing, {"replace-missing"}),
    "two that race both win": (lambda: looking_before_writing, {"create-race", "replace-race"}),
    "reads are stale": (lambda: Stale("GET"), {"reads"}),
    "lists are stale": (lambda: Stale("GET list-type"), {"lists"}),
    # Kin of theirs.
    "conditions of long objects are ignored": (lambda: ignoring_for_long, {"create", "replace"}),
    "conditions are ignored now and then": (IgnoringNowAndThen, set()),
    "refused writes take effect": (lambda: refusing_after_writing, {"create", "replace"}),
    "the ETag never changes": (lambda: tagging(lambda _: '"same"'), {"etags", "replace"}),
    "the ETag is weak": (lambda: tagging(lambda tag: f"W/{tag}"), {"etags"}),
    "lists have no order": (lambda: listing_backwards, {"lists"}),
}
"""Each lie, how to tell it, and checks that must find it; none: any of them."""


def _is_conditional(request: Request) -> bool:
    return request.kind == "PUT" and (_has(request, _IF_MATCH) or _has(request, _IF_NONE_MATCH))


def _has(request: Request, header: str) -> bool:
    return _value(request, header) is not None


def _value(request: Request, header: str) -> str | None:
    return next((v for k, v in request.headers.items() if k.lower() == header), None)


def _without(request: Request, *headers: str) -> Request:
    kept = {k: v for k, v in request.headers.items() if k.lower() not in headers}
    return replace(request, headers=kept)
