"""Who may call: loopback names on the variable server, the token's bearer on the action server."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.sidecars import TOKEN, Pod


async def raw(port: int, head: str) -> int:
    """Send a request as it is written and return the status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
    await writer.drain()
    line = await reader.readline()
    writer.close()
    return int(line.split()[1])


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST", "localhost:8889", "[::1]:8889"]
)
async def test_the_sidecar_is_called_by_loopback_names(pod: Pod, aid: str, host: str) -> None:
    assert await raw(pod.var_port, f"GET /var?aid={aid}&key=k HTTP/1.1\nHost: {host}") == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8889",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.2",
        "[::2]",
        "",
        "localhost:evil",
        "evil@localhost:1:localhost",
    ],
)
async def test_any_other_host_is_refused(pod: Pod, aid: str, host: str) -> None:
    status = await raw(pod.var_port, f"GET /var?aid={aid}&key=k HTTP/1.1\nHost: {host}")

    assert status in {400, 403}


HEADS = {
    "two hosts": "GET {path} HTTP/1.1\nHost: localhost\nHost: evil.example",
    "no host": "GET {path} HTTP/1.1\nAccept: */*",
    "another origin": "GET {path} HTTP/1.1\nHost: localhost\nOrigin: https://evil.example",
    "no origin": "GET {path} HTTP/1.1\nHost: localhost\nOrigin: null",
    "a file": "GET {path} HTTP/1.1\nHost: localhost\nOrigin: file://",
    "another site": "GET {path} HTTP/1.1\nHost: localhost\nSec-Fetch-Site: cross-site",
    "a neighbour site": "GET {path} HTTP/1.1\nHost: localhost\nSec-Fetch-Site: same-site",
    "another host in the target": "GET http://evil.example{path} HTTP/1.1\nHost: localhost",
    "both lengths": "POST {path} HTTP/1.1\nHost: localhost\nContent-Length: 5\n"
    "Transfer-Encoding: chunked",
    "two lengths": "POST {path} HTTP/1.1\nHost: localhost\nContent-Length: 5\nContent-Length: 6",
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
async def test_roundabout_callers_are_refused(pod: Pod, aid: str, head: str) -> None:
    status = await raw(pod.var_port, head.format(path=f"/var?aid={aid}&key=k"))

    assert status in {400, 403}


async def test_an_old_client_without_host_is_served(pod: Pod, aid: str) -> None:
    assert await raw(pod.var_port, f"GET /var?aid={aid}&key=k HTTP/1.0") == 200


async def test_a_page_of_this_machine_is_served(pod: Pod, aid: str) -> None:
    head = f"GET /var?aid={aid}&key=k HTTP/1.1\nHost: localhost\nOrigin: http://localhost:3000"

    assert await raw(pod.var_port, head) == 200


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    "given", [None, "Bearer wrong", TOKEN, f"Basic {TOKEN}", "Bearer ", f"bearer {TOKEN}"]
)
@pytest.mark.parametrize("path", ["", "/x", "/../healthz"])
async def test_the_action_server_answers_only_the_tokens_bearer(
    pod: Pod, method: str, given: str | None, path: str
) -> None:
    headers = {} if given is None else {"Authorization": given}
    async with pod.http.request(method, pod.action_url("x") + path, headers=headers) as response:
        assert response.status == 401
        assert (await response.json())["error"]["code"] == "unauthorized"


async def test_the_health_server_shows_no_variables(pod: Pod) -> None:
    async with pod.http.get(pod.health_url("/var?aid=x&key=k")) as response:
        assert response.status == 404
