"""What the kubelet and Prometheus get."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from varflow_operator.kinds import POD
from varflow_operator.metrics import Metrics
from varflow_operator.readiness import Readiness
from varflow_operator.web.app import create_app, serve


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest_asyncio.fixture
async def http(metrics: Metrics, readiness: Readiness) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        serve(create_app(metrics, readiness), port=0) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http,
    ):
        yield http


async def read(http: aiohttp.ClientSession, path: str) -> tuple[int, str]:
    async with http.get(path) as response:
        return response.status, await response.text()


async def test_process_is_alive_before_it_is_ready(http: aiohttp.ClientSession) -> None:
    assert await read(http, "/healthz") == (200, "ok\n")
    assert await read(http, "/readyz") == (503, "starting\n")


async def test_readiness_says_what_is_waited_for(
    http: aiohttp.ClientSession, readiness: Readiness
) -> None:
    readiness.wait_for("store: away")
    assert await read(http, "/readyz") == (503, "store: away\n")

    readiness.set("leading")
    assert await read(http, "/readyz") == (200, "leading\n")


async def test_a_remark_stays_with_whatever_it_is_ready_as(
    http: aiohttp.ClientSession, readiness: Readiness
) -> None:
    readiness.remark("the store does not keep: updates")
    readiness.wait_for("Lease: away")
    assert await read(http, "/readyz") == (503, "Lease: away\n")

    readiness.set("leading")
    assert await read(http, "/readyz") == (200, "leading; the store does not keep: updates\n")


async def test_metrics_are_text_that_prometheus_reads(
    http: aiohttp.ClientSession, metrics: Metrics
) -> None:
    metrics.observe_request("get", POD, 0, 0.1)

    async with http.get("/metrics") as response:
        text = await response.text()

    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    line = 'varflow_operator_k8s_requests_total{code="none",kind="Pod",verb="get"} 1.0'
    assert line in text


@pytest.mark.parametrize("path", ["/", "/healthz/x", "/metrics?", "/readyz/"])
async def test_there_is_nothing_else(http: aiohttp.ClientSession, path: str) -> None:
    status, _ = await read(http, path)

    assert status == (200 if path == "/metrics?" else 404)


async def test_port_that_is_taken_is_an_error(metrics: Metrics, readiness: Readiness) -> None:
    with socket.create_server(("", 0)) as taken, pytest.raises(OSError, match="in use"):
        async with serve(create_app(metrics, readiness), port=taken.getsockname()[1]):
            pass
