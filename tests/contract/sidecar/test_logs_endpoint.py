"""`/log`: one entry per call, up to 4 MiB."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator

import orjson
import pytest

from tests.support import sidecars
from tests.support.sidecars import OWNERS, Pod
from varflow.variables import paths

MIB = 1024 * 1024


async def lines(pod: Pod) -> list[dict[str, str]]:
    """Return the instance's log, as the store has it."""
    await pod.sidecar.log.flush(OWNERS)
    store = pod.variables.store
    prefix = paths.log_chunk(OWNERS, "x").removesuffix("x")
    data = b""
    async for listed in store.list(prefix):
        data += b"".join([chunk async for chunk in store.read_body(listed.path)])
    return [orjson.loads(line) for line in data.splitlines()]


async def test_a_post_is_one_entry_whatever_its_lines(pod: Pod, aid: str) -> None:
    for text in ("first", "second\nline"):
        async with pod.http.post(pod.url(f"/log?aid={aid}"), data=text) as response:
            assert (response.status, await response.read()) == (200, b"")

    assert [line["text"] for line in await lines(pod)] == ["first", "second\nline"]


async def test_the_entry_may_come_as_a_parameter(pod: Pod, aid: str) -> None:
    for method in ("GET", "POST", "PUT"):
        url = pod.url(f"/log?aid={aid}&log=a%20{method}")
        async with pod.http.request(method, url) as response:
            assert response.status == 200

    assert [line["text"] for line in await lines(pod)] == ["a GET", "a POST", "a PUT"]


async def test_entries_say_when_and_how_much_they_matter(pod: Pod, aid: str) -> None:
    await pod.http.post(pod.url(f"/log?aid={aid}"), data="x")

    [line] = await lines(pod)
    assert line["level"] == "info"
    assert line["at"].startswith("20")


async def test_an_empty_entry_is_ignored(pod: Pod, aid: str) -> None:
    async with pod.http.post(pod.url(f"/log?aid={aid}")) as response:
        assert response.status == 200

    assert await lines(pod) == []


async def test_an_entry_of_4_mib_is_kept_and_a_longer_one_is_413(pod: Pod, aid: str) -> None:
    async def too_long() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x" * MIB

    url = pod.url(f"/log?aid={aid}")
    async with pod.http.post(url, data=io.BytesIO(b"x" * 4 * MIB)) as response:
        assert response.status == 200
    async with pod.http.post(url, data=io.BytesIO(b"x" * (4 * MIB + 1))) as response:
        assert response.status == 413
    async with pod.http.post(url, data=too_long()) as response:
        assert response.status == 413

    assert [len(line["text"]) for line in await lines(pod)] == [4 * MIB]


async def test_an_unknown_action_has_no_log(pod: Pod) -> None:
    async with pod.http.post(pod.url("/log?aid=unknown"), data="x") as response:
        assert response.status == 404
        assert (await response.json())["error"]["code"] == "unknown_action"


async def test_bytes_that_are_no_utf8_are_kept_readable(pod: Pod, aid: str) -> None:
    await pod.http.post(pod.url(f"/log?aid={aid}"), data=b"a\xffb")

    assert [line["text"] for line in await lines(pod)] == ["a\ufffdb"]


async def test_entries_reach_the_store_without_the_action_ending(pod: Pod, aid: str) -> None:
    await pod.http.post(pod.url(f"/log?aid={aid}"), data="x")

    async def is_there() -> bool:
        return bool([listed async for listed in pod.variables.store.list("v1/")])

    await sidecars.eventually(is_there)


@pytest.mark.parametrize("count", [100])
async def test_entries_stay_in_order(pod: Pod, aid: str, count: int) -> None:
    for number in range(count):
        await pod.http.post(pod.url(f"/log?aid={aid}"), data=str(number))
        if number % 10 == 0:
            await pod.sidecar.log.flush(OWNERS)

    assert [line["text"] for line in await lines(pod)] == [str(n) for n in range(count)]
