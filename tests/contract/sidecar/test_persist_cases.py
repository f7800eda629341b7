"""The persist conformance list at the sidecar, where the other tests of `/var` leave cases open.

The texts in brackets are its cases. An absent variable is 200 with an empty body here, not 204:
function containers rely on that (design.md §5).
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.sidecar.test_variables_endpoint import Var
from tests.support import sidecars
from tests.support.sidecars import Call, Pod
from tests.support.stand_in_stores import AwayStore
from varflow.variables.stores.memory import MemoryStore
from varflow.variables.variables import Variables

LARGE = b"x" * 200_000


@pytest.fixture
def var(pod: Pod, aid: str) -> Var:
    return Var(pod, aid)


async def expire(var: Var, body: bytes = b"old") -> None:
    await var.call("POST", body, ttl="0")


async def is_missing(var: Var, **query: str) -> bool:
    response, body = await var.ask("GET", query)
    return response.headers.get("Varflow-Exists") == "false" and body == b""


# Semantics


@pytest.mark.parametrize(
    "query", [{}, {"mode": "create"}], ids=["PE-01 PE-17 set", "PE-02 PE-16 create"]
)
@pytest.mark.parametrize("start", ["absent", "expired"])
async def test_what_is_absent_can_be_written(var: Var, start: str, query: dict[str, str]) -> None:
    if start == "expired":
        await expire(var)
    response, _ = await var.ask("POST", query, data=b"new")

    assert response.status == 200
    response, body = await var.call("GET")
    assert body == b"new"
    assert "Varflow-Expires-At" not in response.headers, "PE-07"


async def test_a_refused_create_changes_neither_value_nor_revision_nor_expiry(var: Var) -> None:
    """PE-03."""
    await var.call("POST", b"a", ttl="60")
    before, _ = await var.call("GET")
    assert await var.fails("POST", data=b"b", mode="create", ttl="5") == (409, "already_exists")
    after, body = await var.call("GET")

    assert body == b"a"
    for name in ("ETag", "Varflow-Revision", "Varflow-Expires-At"):
        assert after.headers[name] == before.headers[name]


async def test_an_expired_value_of_another_type_is_missing_and_no_error(var: Var) -> None:
    """PE-10: expiry goes before type."""
    await expire(var, b'{"buffer":"hello"}')

    assert await is_missing(var, **{"as": "string"})
    assert await var.fails("GET", **{"as": "string", "missing": "404"}) == (404, "not_found")


async def test_a_stored_null_is_a_value(var: Var) -> None:
    """PE-12, decided otherwise: only a setter's null deletes; here bytes are bytes."""
    await var.call("POST", b"null")

    assert (await var.get_as("json"))[1] == b"null"
    assert not await is_missing(var)


@pytest.mark.parametrize(
    "headers", [{"If-Match": "*"}, {"If-Match": '"1-00000000"'}], ids=["any", "its revision"]
)
async def test_if_match_never_matches_what_has_expired(var: Var, headers: dict[str, str]) -> None:
    response, _ = await var.call("POST", b"old", ttl="0")
    if headers["If-Match"] != "*":
        headers = {"If-Match": response.headers["ETag"]}

    assert await var.fails("POST", data=b"x", headers=headers) == (412, "precondition_failed")
    assert await var.fails("DELETE", headers=headers) == (412, "precondition_failed")


async def test_an_expired_variable_is_an_empty_file_and_not_listed(pod: Pod, aid: str) -> None:
    """H12: absent everywhere at once."""
    await expire(Var(pod, aid))
    _, body = await Var(pod, aid).call("GET", path="/vars")
    assert json.loads(body) == {"variables": []}

    async def read(call: Call) -> object:
        return (call.folder / "k").read_text()

    outcome = await pod.run(read, files=(sidecars.mount("k"),))
    assert outcome.output == ""


async def test_a_ttl_is_exact_to_the_millisecond(var: Var) -> None:
    """PE-18, PE-32."""
    await var.call("POST", b"a", ttl="3600.25")
    first = (await var.call("GET"))[0].headers["Varflow-Expires-At"]
    await var.call("POST", b"b")

    assert (await var.call("GET"))[0].headers["Varflow-Expires-At"] == first
    assert first.endswith("Z")
    assert len(first.partition(".")[2]) == len("250Z")


# Many at once


@pytest.mark.parametrize("start", ["PE-22 absent", "PE-23 expired"])
async def test_of_many_creates_one_is_200_and_the_others_409(var: Var, start: str) -> None:
    if "expired" in start:
        await expire(var)
    answers = await asyncio.gather(
        *(var.call("POST", b"%d" % number, mode="create") for number in range(32))
    )

    statuses = [response.status for response, _ in answers]
    assert sorted(statuses) == [200] + [409] * 31
    assert (await var.call("GET"))[1] == b"%d" % statuses.index(200)


async def test_of_many_writes_to_one_revision_one_is_200_and_the_others_412(var: Var) -> None:
    """PE-24."""
    response, _ = await var.call("POST", b"a")
    headers = {"If-Match": response.headers["ETag"]}
    answers = await asyncio.gather(
        *(var.call("PUT", b"%d" % number, headers) for number in range(16))
    )

    statuses = [response.status for response, _ in answers]
    assert sorted(statuses) == [200] + [412] * 15
    assert (await var.call("GET"))[1] == b"%d" % statuses.index(200)


# A store that is away


@pytest.fixture
async def away(tmp_path: Path) -> AsyncIterator[Var]:
    """`/var` of an action; its store goes away in the middle of it, with the value `old` in it."""
    store = AwayStore()
    async with sidecars.running(tmp_path / "shared", store=store) as pod:
        done = asyncio.Event()

        async def wait(call: Call) -> object:
            await done.wait()
            return {}

        pod.function.handler = wait
        dispatch = sidecars.make_dispatch(state="f/manual")
        task = asyncio.ensure_future(pod.sidecar.actions.run(dispatch))
        await sidecars.eventually(lambda: bool(pod.function.calls))
        await pod.write("instance", "k", b"old")
        store.is_away = True
        yield Var(pod, dispatch.action_id)
        store.is_away = False
        done.set()
        await task


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        pytest.param("GET", "/var", {}, id="PE-34 get"),
        pytest.param("GET", "/var", {"missing": "404"}, id="get that may be 404"),
        pytest.param("GET", "/var", {"as": "json"}, id="get of a type"),
        pytest.param("GET", "/var", {"revision": "1-00000000"}, id="get of a revision"),
        pytest.param("POST", "/var", {}, id="PE-34 set"),
        pytest.param("POST", "/var", {"mode": "create"}, id="PE-34 create"),
        pytest.param("DELETE", "/var", {}, id="remove"),
        pytest.param("GET", "/vars", {}, id="list"),
        pytest.param("GET", "/state", {}, id="ST-06 get"),
        pytest.param("PUT", "/state", {}, id="set of a state"),
        pytest.param("DELETE", "/state", {}, id="remove of a state"),
    ],
)
async def test_a_store_that_is_away_is_503_and_never_an_absent_value(
    away: Var, method: str, path: str, query: dict[str, str]
) -> None:
    data = b"1" if method in {"POST", "PUT"} else None
    response, body = await away.ask(method, query, data=data, path=path)

    assert response.status == 503
    assert json.loads(body)["error"]["code"] == "store_unavailable"
    assert math.isfinite(float(response.headers["Retry-After"]))
    assert "Varflow-Exists" not in response.headers


# Pages


async def test_pages_go_on_after_the_last_key(var: Var) -> None:
    for number in range(25):
        await var.pod.write("namespace", f"k{number:02}", b"v")
    seen, query = [], {"scope": "namespace", "prefix": "k", "limit": "10"}
    while True:
        page = json.loads((await var.ask("GET", query, path="/vars"))[1])
        seen.append([entry["key"] for entry in page["variables"]])
        if "next" not in page:
            break
        query["after"] = page["next"]

    assert [len(page) for page in seen] == [10, 10, 5]
    assert [key for page in seen for key in page] == [f"k{number:02}" for number in range(25)]


@pytest.mark.parametrize("limit", ["1", "2", "3", "1000"])
async def test_a_page_that_holds_all_has_no_next(var: Var, limit: str) -> None:
    for key in ("a", "b"):
        await var.pod.write("instance", key, b"v")
    _, body = await var.call("GET", path="/vars", limit=limit)

    assert ("next" in json.loads(body)) is (limit == "1")


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1.5", "", "9" * 12, "²"])
async def test_a_limit_that_is_no_number_of_variables_is_400(var: Var, limit: str) -> None:
    assert await var.fails("GET", path="/vars", limit=limit) == (400, "invalid_input")


# Older revisions and copies


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Var]:
    """`/var` of an action over a store that keeps older revisions."""
    variables = Variables(MemoryStore(), writer="test", history=2)
    async with sidecars.running(tmp_path / "shared", variables=variables) as pod:
        done = asyncio.Event()

        async def wait(call: Call) -> object:
            await done.wait()
            return {}

        pod.function.handler = wait
        dispatch = sidecars.make_dispatch()
        task = asyncio.ensure_future(pod.sidecar.actions.run(dispatch))
        await sidecars.eventually(lambda: bool(pod.function.calls))
        yield Var(pod, dispatch.action_id)
        done.set()
        await task


@pytest.mark.parametrize("old", [b"old", LARGE], ids=["small", "large"])
async def test_an_older_revision_is_read_by_its_name_or_its_etag(kept: Var, old: bytes) -> None:
    response, _ = await kept.call("POST", old, {"Content-Type": "text/old"}, scope="workflow")
    await kept.call("POST", b"new", {"Content-Type": "text/new"}, scope="workflow")

    for name in (response.headers["Varflow-Revision"], response.headers["ETag"]):
        found, body = await kept.call("GET", scope="workflow", revision=name)
        assert body == old
        assert found.headers["Content-Type"] == "text/old"
        assert found.headers["ETag"] == response.headers["ETag"]


async def test_a_revision_that_is_not_kept_is_missing(kept: Var) -> None:
    await kept.call("POST", b"v", scope="workflow")

    assert await is_missing(kept, scope="workflow", revision="7-0f1e2d3c")
    assert await kept.fails("GET", scope="workflow", revision="7-0f1e2d3c", missing="404") == (
        404,
        "not_found",
    )
    assert await kept.fails("GET", revision="latest") == (400, "invalid_input")


async def test_a_variable_is_copied_between_scopes(var: Var) -> None:
    await var.call("POST", LARGE, {"Content-Type": "text/plain"}, key="report", ttl="60")
    target = {"scope": "workflow", "key": "copy"}
    copied, _ = await var.ask("POST", {**target, "from": "instance/report"})
    found, body = await var.ask("GET", target)

    assert body == LARGE
    assert found.headers["Content-Type"] == "text/plain"
    assert found.headers["ETag"] == copied.headers["ETag"]
    assert "Varflow-Expires-At" not in found.headers


async def test_a_copy_is_a_write_with_its_conditions(var: Var) -> None:
    await var.call("POST", b"a", key="a")
    await var.call("POST", b"b", key="b")
    query = {"key": "b", "from": "instance/a"}

    assert await var.fails("POST", mode="create", **query) == (409, "already_exists")
    assert await var.fails("POST", headers={"If-Match": '"x"'}, **query) == (
        412,
        "precondition_failed",
    )
    assert (await var.call("GET", key="b"))[1] == b"b"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param({"from": "instance/gone"}, (404, "not_found"), id="nothing there"),
        pytest.param({"from": "report"}, (400, "invalid_input"), id="no scope"),
        pytest.param({"from": "galaxy/report"}, (400, "invalid_scope"), id="unknown scope"),
        pytest.param({"from": "instance/a/b"}, (400, "invalid_key"), id="no key"),
        pytest.param({"from": "instance/"}, (400, "invalid_key"), id="empty key"),
    ],
)
async def test_a_copy_of_nothing_is_refused(
    var: Var, query: dict[str, str], expected: tuple[int, str]
) -> None:
    await var.call("POST", b"old")

    assert await var.fails("POST", **query) == expected
    assert (await var.call("GET"))[1] == b"old"


async def test_a_copy_with_a_body_is_refused(var: Var) -> None:
    await var.call("POST", b"a", key="a")

    assert await var.fails("POST", data=b"body", **{"from": "instance/a"}) == (
        400,
        "invalid_input",
    )
