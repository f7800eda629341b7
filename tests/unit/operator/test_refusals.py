"""What answers of the API server mean."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from varflow.errors import (
    ClusterError,
    ClusterUnavailable,
    ObjectConflict,
    ObjectExists,
    ObjectNotFound,
    ObjectRefused,
)
from varflow_operator.refusals import Refusal


def status(code: int, reason: str = "", **details: str) -> bytes:
    return orjson.dumps({"code": code, "reason": reason, "message": "said", "details": details})


@pytest.mark.parametrize(
    ("code", "body", "kind"),
    [
        pytest.param(404, status(404, "NotFound", name="x"), ObjectNotFound, id="no-such-object"),
        pytest.param(404, status(404, "NotFound"), ClusterError, id="no-such-kind"),
        pytest.param(404, b"404 page not found\n", ClusterError, id="no-such-group"),
        pytest.param(409, status(409, "AlreadyExists", name="x"), ObjectExists, id="exists"),
        pytest.param(409, status(409, "Conflict", name="x"), ObjectConflict, id="another-version"),
        pytest.param(400, status(400, "BadRequest"), ObjectRefused, id="malformed"),
        pytest.param(403, status(403, "Forbidden", name="x"), ObjectRefused, id="not-allowed"),
        pytest.param(422, status(422, "Invalid", name="x"), ObjectRefused, id="not-valid"),
        pytest.param(413, b"too large", ObjectRefused, id="too-large"),
        pytest.param(401, status(401, "Unauthorized"), ClusterUnavailable, id="not-logged-in"),
        pytest.param(410, status(410, "Expired"), ClusterUnavailable, id="too-old"),
        pytest.param(429, status(429, "TooManyRequests"), ClusterUnavailable, id="too-many"),
        pytest.param(500, status(500, "InternalError"), ClusterUnavailable, id="fault"),
        pytest.param(503, b"<html>", ClusterUnavailable, id="a-proxy-answers"),
        pytest.param(302, b"", ClusterError, id="leads-elsewhere"),
    ],
)
def test_status_and_reason_decide_the_error(
    code: int, body: bytes, kind: type[ClusterError]
) -> None:
    error = Refusal.read(code, body).error("get Pod a/b")

    assert type(error) is kind
    assert str(error).startswith("get Pod a/b: ")
    assert f"({code})" in str(error)


@pytest.mark.parametrize(
    ("code", "body", "hint"),
    [
        pytest.param(404, b"404 page not found", "custom resource definitions", id="kind"),
        pytest.param(403, status(403, "Forbidden"), "RBAC", id="rights"),
        pytest.param(401, status(401), "log in", id="credentials"),
    ],
)
def test_message_says_what_can_be_done(code: int, body: bytes, hint: str) -> None:
    assert hint in str(Refusal.read(code, body).error("get Pod a/b"))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff\xfe", id="no-text"),
        pytest.param(b"[]", id="a-list"),
        pytest.param(b"null", id="null"),
        pytest.param(b'{"details":null,"metadata":null,"message":null}', id="nulls"),
    ],
)
def test_any_body_gives_an_error(body: bytes) -> None:
    assert isinstance(Refusal.read(500, body).error("get Pod a/b"), ClusterUnavailable)


def test_long_message_is_cut() -> None:
    refusal = Refusal.read(422, orjson.dumps({"message": "x" * 1_000_000}))

    assert len(str(refusal.error("create ConfigMap a/b"))) < 1200


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param({"code": 410, "metadata": {"continue": "here"}}, "here", id="goes-on"),
        pytest.param({"code": 410, "metadata": {}}, "", id="does-not"),
        pytest.param({"code": 410}, "", id="says-nothing"),
    ],
)
def test_a_list_that_took_too_long_may_go_on(value: dict[str, Any], expected: str) -> None:
    assert Refusal.of(value).resume == expected
