"""The operator as its own process: start, readiness, leadership, end."""

from __future__ import annotations

import asyncio
import base64
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from tests.support import lying_s3, operators, s3
from tests.support.api_proxy import ApiProxy
from tests.support.cluster.control_plane import ApiServer
from tests.support.faulty_s3 import FaultyS3
from tests.support.operators import OperatorProcess
from varflow_operator import names
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import LEASE, SECRET

STOP_SECONDS = 5.0

Start = Callable[..., Awaitable[OperatorProcess]]


@pytest.fixture
def environ(api_server: ApiServer, namespace: str, tmp_path: Path) -> dict[str, str]:
    return operators.settings(namespace, api_server.kubeconfig, tmp_path / "store")


@pytest_asyncio.fixture
async def start(environ: dict[str, str]) -> AsyncIterator[Start]:
    running: list[OperatorProcess] = []

    async def begin(**more: str) -> OperatorProcess:
        operator = await OperatorProcess.start({**environ, **more})
        running.append(operator)
        return operator

    yield begin
    for operator in running:
        await operator.kill()


@pytest_asyncio.fixture
async def cluster(api_server: ApiServer) -> AsyncIterator[Cluster]:
    async with Cluster.connect(kubeconfig=str(api_server.kubeconfig)) as cluster:
        yield cluster


async def stop(operator: OperatorProcess) -> float:
    """Ask it to end; return how long that took."""
    asked = time.monotonic()
    operator.send(signal.SIGTERM)
    assert await operator.ended() == 0, operator.errors
    return time.monotonic() - asked


async def is_leader(operator: OperatorProcess) -> float:
    _, text = await operator.get("/metrics")
    families = {family.name: family for family in text_string_to_metric_families(text)}
    return float(families["varflow_operator_is_leader"].samples[0].value)


async def test_it_leads_until_it_is_stopped(start: Start, cluster: Cluster, namespace: str) -> None:
    operator = await start()

    await operator.until_ready("leading")
    assert await operator.get("/healthz") == (200, "ok\n")
    assert await is_leader(operator) == 1

    assert await stop(operator) < STOP_SECONDS
    lease = await cluster.get(LEASE, namespace, names.LEASE)
    assert "holderIdentity" not in lease["spec"]
    assert operator.errors == ""


async def test_standby_is_ready_and_leads_when_the_leader_is_killed(start: Start) -> None:
    first = await start()
    await first.until_ready("leading")
    second = await start()
    await second.until_ready("standby: another replica leads")
    assert await is_leader(second) == 0

    await first.kill()

    await second.until_ready("leading")


async def test_standby_ends_when_it_is_asked_to(start: Start) -> None:
    first = await start()
    await first.until_ready("leading")
    second = await start()
    await second.until_ready("standby: another replica leads")

    assert await stop(second) < STOP_SECONDS
    assert first.process.returncode is None


async def test_secret_of_the_store_is_waited_for(
    start: Start, cluster: Cluster, namespace: str
) -> None:
    operator = await start(VARFLOW_STORE_SECRET="access")
    await operator.until_waits_for(f"get Secret {namespace}/access")

    metadata = {"namespace": namespace, "name": "access"}
    await cluster.create(SECRET, {"metadata": metadata, "stringData": {"AWS_ACCESS_KEY_ID": "A"}})
    await operator.until_waits_for("has no AWS_SECRET_ACCESS_KEY")
    await cluster.patch(
        SECRET, namespace, "access", {"stringData": {"AWS_SECRET_ACCESS_KEY": "hidden-canary"}}
    )

    await operator.until_ready("leading")
    await stop(operator)
    assert "hidden-canary" not in str(operator.lines) + operator.errors


async def test_it_ends_while_it_waits(start: Start) -> None:
    operator = await start(VARFLOW_STORE_SECRET="access")
    await operator.until_waits_for("Secret")

    assert await stop(operator) < STOP_SECONDS


async def test_api_server_that_comes_later_is_waited_for(
    start: Start, api_server: ApiServer, tmp_path: Path
) -> None:
    async with ApiProxy(api_server).serving() as proxy:
        kubeconfig = proxy.write_kubeconfig(tmp_path)
        await proxy.refuse()
        operator = await start(KUBECONFIG=str(kubeconfig))
        await operator.until_waits_for("cannot be reached")

        await proxy.listen()

        await operator.until_ready("leading")
        await stop(operator)


async def test_watch_that_the_api_server_ends_for_good_ends_the_process(
    start: Start, api_server: ApiServer, tmp_path: Path
) -> None:
    async with ApiProxy(api_server).serving() as proxy:
        operator = await start(KUBECONFIG=str(proxy.write_kubeconfig(tmp_path)))
        await operator.until_ready("leading")

        await proxy.end_watches(500)

        assert await operator.ended() == 1
        assert "watching has ended" in operator.errors


async def test_log_has_no_key_and_no_secret(start: Start, cluster: Cluster, namespace: str) -> None:
    operator = await start(VARFLOW_STORE_SECRET="access", VARFLOW_STORE_SECRET_GENERATE="true")
    await operator.until_ready("leading")
    await stop(operator)

    said = str(operator.lines) + operator.errors
    for name in (names.OPERATOR_SECRET, "access"):
        found = await cluster.get(SECRET, namespace, name)
        for key, encoded in found["data"].items():
            value = base64.b64decode(encoded).decode()
            assert len(value) >= 20, key
            assert value not in said


async def test_log_says_little_without_work(start: Start) -> None:
    operator = await start(VARFLOW_LOG_LEVEL="info")
    await operator.until_ready("leading")
    await stop(operator)

    assert len(operator.lines) < 12
    quiet = {line["logger"].partition(".")[0] for line in operator.lines if line["level"] == "info"}
    assert quiet == {"varflow_operator"}


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        pytest.param({"VARFLOW_STORE": ""}, 2, "VARFLOW_STORE is needed", id="no-store"),
        pytest.param({"VARFLOW_STORE": "ftp://a"}, 2, "not supported", id="unknown-store"),
        pytest.param({"VARFLOW_LEASE_SECONDS": "x"}, 2, "VARFLOW_LEASE_SECONDS", id="no-number"),
        pytest.param({"KUBECONFIG": "/nowhere"}, 1, "cannot be used to log in", id="no-cluster"),
    ],
)
async def test_what_cannot_work_ends_it_with_a_message(
    start: Start, changed: dict[str, str], code: int, said: str
) -> None:
    operator = await start(**changed)

    assert await operator.ended() == code
    assert said in operator.errors
    assert "Traceback" not in operator.errors


@pytest.fixture
def lying_environ() -> Iterator[dict[str, str]]:
    """A store whose server ignores `If-Match`, and the keys to it."""
    with s3.moto() as server:
        place = s3.make_place(server, s3.make_bucket(server))
        with FaultyS3(server, lie=lying_s3.LIES["If-Match is ignored"][0]()) as proxy:
            yield {
                "VARFLOW_STORE": s3.Place(proxy.server, place.bucket, place.prefix).url,
                "AWS_ACCESS_KEY_ID": server.access_key_id,
                "AWS_SECRET_ACCESS_KEY": server.secret_access_key,
            }


async def promises(operator: OperatorProcess) -> dict[str, float]:
    _, text = await operator.get("/metrics")
    families = {family.name: family for family in text_string_to_metric_families(text)}
    samples = families["varflow_operator_store_promises_kept"].samples
    return {sample.labels["promise"]: sample.value for sample in samples}


async def test_store_that_lies_keeps_it_from_being_ready_and_is_told_of(
    start: Start, lying_environ: dict[str, str]
) -> None:
    operator = await start(**lying_environ)

    await operator.until_waits_for("updates (a compare-and-swap never loses an update)")
    assert await promises(operator) == {"writes": 0, "updates": 0, "commits": 0}
    _, said = await operator.get("/readyz")
    assert "store.acceptUnsafe" in said
    assert await operator.get("/healthz") == (200, "ok\n")
    assert await stop(operator) < STOP_SECONDS
    (error,) = [line["msg"] for line in operator.lines if line["level"] == "error"]
    assert "replace: 4 of 4 writes under another ETag replaced" in error


async def test_store_that_lies_and_is_accepted_is_worked_with_and_told_of(
    start: Start, lying_environ: dict[str, str]
) -> None:
    operator = await start(**lying_environ, VARFLOW_ACCEPT_UNSAFE_STORE="true")

    await operator.until_said(lambda status, said: status == 200 and said.startswith("leading; "))
    _, said = await operator.get("/readyz")
    assert "does not keep: writes (an acknowledged write is never lost), updates" in said
    assert (await promises(operator))["updates"] == 0
    await stop(operator)
    assert any("this is accepted by" in text for text in operator.messages)


async def test_store_of_another_version_ends_it(start: Start, tmp_path: Path) -> None:
    store = tmp_path / "store"
    first = await start()
    await first.until_ready("leading")
    await stop(first)
    marker = next(path for path in store.rglob("*") if path.is_file() and is_marker(path))
    await asyncio.to_thread(marker.write_bytes, marker.read_bytes().replace(b'"layout"', b'"?"'))

    second = await start()

    assert await second.ended() == 1
    assert "layout" in second.errors


def is_marker(path: Path) -> bool:
    return b'"layout"' in path.read_bytes()
