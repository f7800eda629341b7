"""Every row of design.md §5's table of `/var`."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.support import sidecars
from tests.support.sidecars import OWNERS, Call, Pod
from varflow.contract import Outcome, OutcomeStatus
from varflow.variables.probe.promises import Promise, Verdict
from varflow.variables.scopes import Address, Owners, Scope

KEY = "k"


class Var:
    """`/var` of one action."""

    def __init__(self, pod: Pod, aid: str) -> None:
        self.pod = pod
        self.aid = aid

    def url(self, path: str = "/var", **query: str) -> str:
        given = {"aid": self.aid, **({"key": KEY} if path == "/var" else {}), **query}
        return f"{self.pod.url(path)}?{urllib.parse.urlencode(given)}"

    async def call(
        self,
        method: str,
        data: Any = None,
        headers: dict[str, str] | None = None,
        path: str = "/var",
        **query: str,
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        async with self.pod.http.request(
            method,
            self.url(path, **query),
            data=io.BytesIO(data) if isinstance(data, bytes) else data,
            headers=headers,
            skip_auto_headers=["Content-Type"],
        ) as response:
            return response, await response.read()

    async def ask(
        self,
        method: str,
        query: Mapping[str, str],
        *,
        data: Any = None,
        path: str = "/var",
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        return await self.call(method, data, None, path, **query)

    async def get_as(self, type: str) -> tuple[aiohttp.ClientResponse, bytes]:
        return await self.call("GET", None, None, "/var", **{"as": type})

    async def fails(self, method: str, **given: Any) -> tuple[int, str]:
        """Call, check the form of the error, and return status and code."""
        response, body = await self.call(method, **given)
        assert response.content_type == "application/json"
        error = json.loads(body)
        assert error.keys() == {"error"}
        assert error["error"].keys() == {"code", "message"}
        assert error["error"]["message"]
        return response.status, error["error"]["code"]


@pytest.fixture
def var(pod: Pod, aid: str) -> Var:
    return Var(pod, aid)


# GET


async def test_get_answers_the_bytes_with_type_etag_and_revision(var: Var) -> None:
    await var.call("POST", b"hello", {"Content-Type": "text/plain; charset=utf-8"})

    response, body = await var.call("GET")

    assert (response.status, body) == (200, b"hello")
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["Content-Length"] == "5"
    assert response.headers["ETag"] == f'"{response.headers["Varflow-Revision"]}"'
    assert "Varflow-Expires-At" not in response.headers
    assert "Varflow-Exists" not in response.headers


async def test_get_says_when_the_variable_expires(var: Var) -> None:
    await var.call("POST", b"hello", ttl="3600")

    response, _ = await var.call("GET")

    assert response.headers["Varflow-Expires-At"].endswith("Z")


async def test_get_of_a_missing_variable_is_an_empty_body(var: Var) -> None:
    response, body = await var.call("GET")

    assert (response.status, body) == (200, b"")
    assert response.headers["Varflow-Exists"] == "false"
    assert response.headers["Content-Length"] == "0"


async def test_get_of_an_expired_variable_is_an_empty_body(var: Var) -> None:
    await var.call("POST", b"hello", ttl="0")

    response, body = await var.call("GET")

    assert (response.status, body) == (200, b"")
    assert response.headers["Varflow-Exists"] == "false"


async def test_get_of_a_missing_variable_is_404_when_asked_for(var: Var) -> None:
    assert await var.fails("GET", missing="404") == (404, "not_found")


async def test_a_missing_revision_is_named(var: Var) -> None:
    await var.call("POST", b"1")

    _, body = await var.call("GET", missing="404", revision="7-0f1e2d3c")

    assert "/k revision 7-0f1e2d3c does not exist" in json.loads(body)["error"]["message"]


async def test_head_says_what_get_would(var: Var) -> None:
    await var.call("POST", b"hello", {"Content-Type": "text/plain"})

    response, body = await var.call("HEAD")

    assert (response.status, body) == (200, b"")
    assert response.headers["Content-Length"] == "5"
    assert response.headers["Content-Type"] == "text/plain"
    assert response.headers["ETag"]


async def test_head_of_a_large_variable_sends_no_body(var: Var) -> None:
    await var.call("POST", b"x" * 100_000)

    response, body = await var.call("HEAD")

    assert (response.status, body) == (200, b"")
    assert response.headers["Content-Length"] == "100000"


async def test_scope_omitted_is_the_instances(var: Var) -> None:
    await var.call("POST", b"1")

    assert (await var.call("GET", scope="instance"))[1] == b"1"
    assert (await var.call("GET", scope="workflow"))[1] == b""


@pytest.mark.parametrize("scope", list(Scope))
async def test_each_scope_is_its_owners(var: Var, scope: Scope) -> None:
    await var.call("POST", b"1", scope=scope)

    assert await var.pod.read(scope, KEY) == b"1"


async def test_both_loopback_families_answer(var: Var) -> None:
    await var.call("POST", b"hello")
    for host in ("127.0.0.1", "[::1]", "localhost"):
        url = var.url().replace("127.0.0.1", host)
        async with var.pod.http.get(url) as response:
            assert await response.read() == b"hello"


CONVERSIONS = {
    "json": (b'{"a": 1}', True),
    "string": (b'"text"', True),
    "int": (b"5", True),
    "number": (b"5.5", True),
    "bool": (b"true", True),
    "bytes": (b"\xff\0", True),
    "array": (b"[1]", True),
    "object": (b"{}", True),
    "json ": (b"not json", False),
    "string ": (b"{}", False),
    "int ": (b"5.5", False),
    "number ": (b"true", False),
    "bool ": (b"1", False),
    "array ": (b"{}", False),
    "object ": (b"[]", False),
}


@pytest.mark.parametrize(("name", "case"), CONVERSIONS.items(), ids=CONVERSIONS.keys())
async def test_get_as_checks_the_value(var: Var, name: str, case: tuple[bytes, bool]) -> None:
    """PE-08, PE-09, PE-11."""
    data, is_right = case
    await var.call("POST", data)
    if is_right:
        response, body = await var.get_as(name.strip())
        assert (response.status, body) == (200, data)
    else:
        assert await var.fails("GET", **{"as": name.strip()}) == (422, "invalid_conversion")


async def test_get_as_of_a_missing_variable_is_as_without(var: Var) -> None:
    response, body = await var.get_as("json")

    assert (response.status, body) == (200, b"")
    assert response.headers["Varflow-Exists"] == "false"


@pytest.mark.parametrize(
    ("asked", "expected", "content_range"),
    [
        ("bytes=0-1", b"01", "bytes 0-1/10"),
        ("bytes=8-", b"89", "bytes 8-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=5-100", b"56789", "bytes 5-9/10"),
    ],
)
async def test_range_requests_work(
    var: Var, asked: str, expected: bytes, content_range: str
) -> None:
    await var.call("POST", b"0123456789")

    response, body = await var.call("GET", headers={"Range": asked})

    assert (response.status, body) == (206, expected)
    assert response.headers["Content-Range"] == content_range


async def test_a_range_of_a_large_variable_is_its_bytes(var: Var) -> None:
    data = bytes(range(256)) * 10_000
    await var.call("POST", data)

    response, body = await var.call("GET", headers={"Range": "bytes=1000000-2000000"})

    assert (response.status, body) == (206, data[1_000_000:2_000_001])


async def test_a_range_beyond_the_end_is_416(var: Var) -> None:
    await var.call("POST", b"0123456789")

    response, _ = await var.call("GET", headers={"Range": "bytes=10-"})

    assert response.status == 416
    assert response.headers["Content-Range"] == "bytes */10"


@pytest.mark.parametrize(
    "asked",
    ["bytes=1-2,4-5", "lines=1-2", "bytes=a-b", "bytes=5-2", "x", f"bytes=0-{'9' * 5000}"],
    ids=lambda asked: asked[:12],
)
async def test_a_range_that_is_not_understood_is_ignored(var: Var, asked: str) -> None:
    await var.call("POST", b"0123456789")

    response, body = await var.call("GET", headers={"Range": asked})

    assert (response.status, body) == (200, b"0123456789")


async def test_a_range_of_another_revision_is_the_whole(var: Var) -> None:
    await var.call("POST", b"0123456789")

    response, body = await var.call("GET", headers={"Range": "bytes=1-2", "If-Range": '"other"'})

    assert (response.status, body) == (200, b"0123456789")


async def test_a_revision_that_the_caller_has_is_304(var: Var) -> None:
    stored, _ = await var.call("POST", b"1")

    response, body = await var.call("GET", headers={"If-None-Match": stored.headers["ETag"]})

    assert (response.status, body) == (304, b"")


# POST, PUT


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("size", [0, 1, 31 * 1024, 31 * 1024 + 1, 3_000_000])
async def test_what_was_written_is_read_back(var: Var, method: str, size: int) -> None:
    data = hashlib.shake_128(b"").digest(size)

    response, answer = await var.call(method, data)

    assert (response.status, answer) == (200, b"")
    assert (await var.call("GET"))[1] == data


async def test_a_chunked_body_is_stored(var: Var) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 10_000

    response, _ = await var.call("POST", chunks())

    assert response.status == 200
    assert await var.pod.read("instance", KEY) == b"x" * 1_000_000


async def test_each_write_changes_the_revision_also_when_the_bytes_stay(var: Var) -> None:
    first, _ = await var.call("POST", b"1")
    second, _ = await var.call("POST", b"1")

    assert first.headers["ETag"] != second.headers["ETag"]
    assert second.headers["ETag"] == (await var.call("GET"))[0].headers["ETag"]


async def test_the_type_stays_when_a_write_names_none(var: Var) -> None:
    await var.call("POST", b"1", {"Content-Type": "text/plain"})
    await var.call("POST", b"2")

    assert (await var.call("GET"))[0].headers["Content-Type"] == "text/plain"


async def test_a_variable_without_a_type_is_an_octet_stream(var: Var) -> None:
    await var.call("POST", b"1")

    assert (await var.call("GET"))[0].headers["Content-Type"] == "application/octet-stream"


async def test_if_match_of_another_revision_is_412_and_changes_nothing(var: Var) -> None:
    await var.call("POST", b"1")

    assert await var.fails("POST", data=b"2", headers={"If-Match": '"other"'}) == (
        412,
        "precondition_failed",
    )
    assert (await var.call("GET"))[1] == b"1"


async def test_if_match_of_the_present_revision_writes(var: Var) -> None:
    stored, _ = await var.call("POST", b"1")

    response, _ = await var.call("POST", b"2", {"If-Match": stored.headers["ETag"]})

    assert response.status == 200
    assert (await var.call("GET"))[1] == b"2"


async def test_if_none_match_writes_only_what_is_not_there(var: Var) -> None:
    assert (await var.call("POST", b"1", {"If-None-Match": "*"}))[0].status == 200
    assert await var.fails("POST", data=b"2", headers={"If-None-Match": "*"}) == (
        412,
        "precondition_failed",
    )
    assert await var.fails("POST", data=b"2", headers={"If-None-Match": '"x"'}) == (
        400,
        "invalid_input",
    )
    assert (await var.call("GET"))[1] == b"1"


async def test_create_is_409_when_the_variable_exists(var: Var) -> None:
    assert (await var.call("POST", b"1", mode="create"))[0].status == 200
    assert await var.fails("POST", data=b"2", mode="create") == (409, "already_exists")
    assert (await var.call("GET"))[1] == b"1"


async def test_create_replaces_an_expired_variable(var: Var) -> None:
    await var.call("POST", b"1", ttl="0")

    assert (await var.call("POST", b"2", mode="create"))[0].status == 200


async def test_ttl_absent_keeps_the_expiry_and_none_clears_it(var: Var) -> None:
    await var.call("POST", b"1", ttl="3600")
    first = (await var.call("GET"))[0].headers["Varflow-Expires-At"]
    await var.call("POST", b"2")
    assert (await var.call("GET"))[0].headers["Varflow-Expires-At"] == first
    await var.call("POST", b"3", ttl="none")
    assert "Varflow-Expires-At" not in (await var.call("GET"))[0].headers


LIMIT = 100_000


@pytest.fixture
async def small(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Var]:
    """A pod whose variables may have 100,000 bytes."""
    function = sidecars.Function(_never)
    shared = tmp_path_factory.mktemp("shared")
    async with sidecars.running(
        shared, function=function, max_variable_bytes=LIMIT, cancel_grace_seconds=0.1
    ) as pod:
        dispatch = sidecars.make_dispatch()
        task = asyncio.ensure_future(pod.sidecar.actions.run(dispatch))
        await sidecars.eventually(lambda: bool(function.calls))
        yield Var(pod, dispatch.action_id)
        pod.sidecar.actions.cancel(dispatch.action_id)
        await task


async def _never(call: sidecars.Call) -> object:
    await asyncio.Event().wait()
    return {}


async def test_a_body_of_the_limit_is_stored(small: Var) -> None:
    assert (await small.call("POST", b"x" * LIMIT))[0].status == 200


async def test_a_body_over_the_limit_is_413_and_changes_nothing(small: Var) -> None:
    """PE-35."""
    await small.call("POST", b"old")

    assert await small.fails("POST", data=b"x" * (LIMIT + 1)) == (413, "too_large")
    assert (await small.call("GET"))[1] == b"old"


async def test_a_chunked_body_over_the_limit_is_413_and_changes_nothing(small: Var) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(LIMIT // 1000 + 1):
            yield b"x" * 1000

    await small.call("POST", b"old")

    assert await small.fails("POST", data=chunks()) == (413, "too_large")
    assert (await small.call("GET"))[1] == b"old"


@pytest.mark.parametrize("framing", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
async def test_a_caller_that_breaks_off_leaves_the_old_value(var: Var, framing: str) -> None:
    await var.call("POST", b"old")
    _, writer = await asyncio.open_connection("127.0.0.1", var.pod.var_port)
    target = var.url().partition(str(var.pod.var_port))[2]
    head = f"POST {target} HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n"
    body = b"186a0\r\n" if "chunked" in framing else b""
    writer.write(head.encode() + body + b"x" * 50_000)
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    (await var.call("GET", key="another"))
    await var.pod.variables.settle()
    assert (await var.call("GET"))[1] == b"old"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
async def test_content_encoding_is_refused(var: Var, encoding: str) -> None:
    headers = {"Content-Encoding": encoding}

    assert await var.fails("POST", data=b"x", headers=headers) == (415, "unsupported_encoding")


# DELETE


async def test_delete_removes(var: Var) -> None:
    await var.call("POST", b"1")

    response, body = await var.call("DELETE")

    assert (response.status, body) == (204, b"")
    assert await var.pod.read("instance", KEY) is None


async def test_delete_of_what_is_missing_is_no_error(var: Var) -> None:
    assert (await var.call("DELETE"))[0].status == 204


async def test_delete_of_another_revision_is_412(var: Var) -> None:
    await var.call("POST", b"1")

    assert await var.fails("DELETE", headers={"If-Match": '"other"'}) == (
        412,
        "precondition_failed",
    )
    assert (await var.call("GET"))[1] == b"1"


async def test_delete_under_a_condition_that_is_none_of_it_is_400(var: Var) -> None:
    await var.call("POST", b"1")

    assert await var.fails("DELETE", headers={"If-None-Match": "*"}) == (400, "invalid_input")
    assert (await var.call("GET"))[1] == b"1"


# /vars


async def test_vars_lists_all_but_values(var: Var) -> None:
    await var.call("POST", b"secret", {"Content-Type": "text/plain"}, key="b", ttl="60")
    await var.call("POST", b"x", key="a")
    await var.call("POST", b"x", key="other", scope="workflow")

    response, body = await var.call("GET", path="/vars")

    assert response.content_type == "application/json"
    listed = json.loads(body)["variables"]
    assert [entry["key"] for entry in listed] == ["a", "b"]
    assert listed[1].keys() == {
        "key",
        "size",
        "contentType",
        "revision",
        "createdAt",
        "updatedAt",
        "expiresAt",
    }
    assert (listed[1]["size"], listed[1]["contentType"]) == (6, "text/plain")
    assert listed[0]["expiresAt"] is None
    assert b"secret" not in body


async def test_vars_of_an_empty_scope_is_an_empty_list(var: Var) -> None:
    assert json.loads((await var.call("GET", path="/vars"))[1]) == {"variables": []}


async def test_vars_can_be_limited_to_a_prefix(var: Var) -> None:
    for key in ("a1", "a2", "b1"):
        await var.call("POST", b"", key=key, scope="namespace")

    _, body = await var.call("GET", path="/vars", prefix="a", scope="namespace")

    assert [entry["key"] for entry in json.loads(body)["variables"]] == ["a1", "a2"]


async def test_vars_lists_more_than_one_page(var: Var) -> None:
    for number in range(50):
        await var.pod.write("instance", f"k{number:03d}", b"")

    _, body = await var.call("GET", path="/vars")

    assert len(json.loads(body)["variables"]) == 50


# What is refused


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_an_unknown_action_is_404(var: Var, method: str) -> None:
    assert await var.fails(method, aid="unknown") == (404, "unknown_action")


async def test_an_unknown_action_lists_nothing(var: Var) -> None:
    assert await var.fails("GET", path="/vars", aid="unknown") == (404, "unknown_action")


async def test_an_action_that_has_ended_is_unknown(pod: Pod) -> None:
    dispatch = sidecars.make_dispatch()
    await pod.sidecar.actions.run(dispatch)

    assert await Var(pod, dispatch.action_id).fails("GET") == (404, "unknown_action")


@pytest.mark.parametrize("scope", ["thread", "system", "", "Instance", "../n"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_an_unknown_scope_is_400(var: Var, method: str, scope: str) -> None:
    assert await var.fails(method, scope=scope) == (400, "invalid_scope")


BAD_KEYS = {
    "empty": "",
    "a path": "a/b",
    "a folder": "..",
    "this folder": ".",
    "254 bytes": "k" * 254,
    "128 two-byte letters": "é" * 127,
    "a NUL": "a\0b",
    "a newline": "a\nb",
    "escape": "\x1b[31m",
    "a parent": "../x",
    "an encoded parent": "..%2fx/",
}


@pytest.mark.parametrize("key", BAD_KEYS.values(), ids=BAD_KEYS.keys())
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_a_bad_key_is_400(var: Var, method: str, key: str) -> None:
    """PE-37, with the keys of design.md §5: of other scripts and up to 253 bytes are good ones."""
    assert await var.fails(method, key=key) == (400, "invalid_key")


async def test_a_key_that_is_no_utf8_is_400(var: Var) -> None:
    async with var.pod.http.get(
        URL(var.url().replace("key=k", "key=%FF"), encoded=True)
    ) as response:
        assert response.status == 400


GOOD_KEYS = ["a..b", "k" * 253, "ü ö", "%41", ".hidden", "1", "a+b&c=d?e#f", "\U0001f600", "\\"]


@pytest.mark.parametrize("key", GOOD_KEYS, ids=ascii)
async def test_any_other_key_is_a_name(var: Var, key: str) -> None:
    await var.call("POST", key.encode(), key=key)

    assert await var.pod.read("instance", key) == key.encode()
    assert (await var.call("GET", key=key))[1] == key.encode()


@pytest.mark.parametrize(
    ("method", "query", "named"),
    [
        ("GET", {"as": "float"}, "number"),
        ("GET", {"missing": "500"}, "404"),
        ("POST", {"mode": "update"}, "create"),
        ("POST", {"ttl": "soon"}, "none"),
        ("POST", {"ttl": "-1"}, "none"),
        ("POST", {"ttl": "nan"}, "none"),
        ("POST", {"ttl": "1_0"}, "none"),
        ("POST", {"ttl": " 5"}, "none"),
        ("POST", {"ttl": "٣"}, "none"),
        ("POST", {"ttl": "1e999"}, "none"),
        ("POST", {"revision": "1-0f1e2d3c"}, "If-Match"),
        ("DELETE", {"revision": "1-0f1e2d3c"}, "If-Match"),
    ],
    ids=str,
)
async def test_a_bad_parameter_is_400_and_says_what_is_possible(
    var: Var, method: str, query: dict[str, str], named: str
) -> None:
    response, body = await var.call(
        method, b"" if method == "POST" else None, None, "/var", **query
    )

    assert response.status == 400
    assert named in json.loads(body)["error"]["message"]


async def test_unknown_parameters_are_ignored(var: Var) -> None:
    assert (await var.call("GET", whatever="1"))[0].status == 200


async def test_the_first_of_a_repeated_parameter_counts(var: Var) -> None:
    await var.call("POST", b"1", key="first")
    async with var.pod.http.get(var.url(key="first") + "&key=second") as response:
        assert await response.read() == b"1"


@pytest.mark.parametrize("type", ["", "a" * 256], ids=["empty", "long"])
async def test_a_content_type_that_cannot_be_kept_is_400(var: Var, type: str) -> None:
    assert await var.fails("POST", data=b"1", headers={"Content-Type": type}) == (
        400,
        "invalid_input",
    )


@pytest.mark.parametrize("path", ["/var", "/vars", "/log"])
async def test_other_methods_are_405_and_say_which_work(var: Var, path: str) -> None:
    response, body = await var.call("PATCH", path=path)

    assert response.status == 405
    assert "GET" in response.headers["Allow"]
    assert json.loads(body)["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/", "/var/", "/var/x", "//var", "/actions/x", "/metrics"])
async def test_other_paths_are_404(var: Var, path: str) -> None:
    response, body = await var.call("GET", path=path)

    assert response.status == 404
    assert json.loads(body)["error"]["code"] == "not_found"


async def test_another_namespaces_variable_cannot_be_reached(var: Var) -> None:
    other = Owners("c", "other", "wf", "in")
    await var.pod.write("namespace", KEY, b"theirs", owners=other)

    assert (await var.call("GET", scope="namespace"))[1] == b""
    assert OWNERS.namespace != other.namespace
    assert Address(other, Scope.NAMESPACE, KEY) != Address(OWNERS, Scope.NAMESPACE, KEY)


# Over a store that does not keep conditions


@pytest.fixture
async def unsafe(tmp_path: Path) -> AsyncIterator[Pod]:
    verdict = Verdict(frozenset({Promise.UPDATES, Promise.COMMITS}))
    async with sidecars.running(tmp_path / "shared", verdict=verdict) as running:
        yield running


async def with_action(pod: Pod, ask: Callable[[Var], Awaitable[None]]) -> Outcome:
    """Run an action that asks for variables, and leaves one."""

    async def handle(call: Call) -> object:
        await ask(Var(pod, call.headers["Direktiv-ActionID"]))
        call.out("workflow", "left").write_text("1")
        return "done"

    return await pod.run(handle)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"method": "POST", "headers": {"If-Match": '"1-x"'}}, id="if-match"),
        pytest.param({"method": "POST", "headers": {"If-None-Match": "*"}}, id="if-none-match"),
        pytest.param({"method": "PUT", "mode": "create"}, id="create"),
        pytest.param({"method": "DELETE", "headers": {"If-Match": "*"}}, id="delete-if-match"),
    ],
)
async def test_conditions_are_501_over_a_store_that_does_not_keep_them(
    unsafe: Pod, given: dict[str, Any]
) -> None:
    async def ask(var: Var) -> None:
        assert (await var.call("POST", b"1"))[0].status == 200
        assert await var.fails(**given) == (501, "conditions_unsupported")
        assert (await var.call("GET"))[1] == b"1"

    assert (await with_action(unsafe, ask)).status is OutcomeStatus.COMPLETE


async def test_an_unsafe_store_still_takes_writes_and_commits(unsafe: Pod) -> None:
    async def ask(var: Var) -> None:
        assert (await var.call("POST", b"1"))[0].status == 200
        assert (await var.call("DELETE"))[0].status == 204

    assert (await with_action(unsafe, ask)).status is OutcomeStatus.COMPLETE
    assert await unsafe.read("workflow", "left") == b"1"


async def test_conditions_hold_over_a_store_whose_lists_are_stale(tmp_path: Path) -> None:
    async def ask(var: Var) -> None:
        assert (await var.call("POST", b"1", mode="create"))[0].status == 200
        assert await var.fails("POST", data=b"2", mode="create") == (409, "already_exists")

    verdict = Verdict(frozenset({Promise.COMMITS}))
    async with sidecars.running(tmp_path / "shared", verdict=verdict) as pod:
        assert (await with_action(pod, ask)).status is OutcomeStatus.COMPLETE
