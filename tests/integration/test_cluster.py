"""Talking to a real API server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.api_proxy import ApiProxy, write_kubeconfig
from tests.support.cluster.control_plane import ApiServer
from varflow.errors import (
    ClusterError,
    ClusterUnavailable,
    ObjectConflict,
    ObjectExists,
    ObjectNotFound,
    ObjectRefused,
)
from varflow_operator import cluster as clusters
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import CONFIG_MAP, INSTANCE, NAMESPACE, Kind, Object

UNKNOWN = Kind("nowhere.example", "v1", "Thing", "things")


def config_map(namespace: str, name: str = "a", **data: str) -> Object:
    return {"metadata": {"namespace": namespace, "name": name}, "data": data}


def instance(namespace: str, name: str = "a") -> Object:
    return {"metadata": {"namespace": namespace, "name": name}, "spec": {"workflow": "w"}}


@pytest_asyncio.fixture
async def cluster(api_server: ApiServer) -> AsyncIterator[Cluster]:
    async with Cluster.connect(kubeconfig=str(api_server.kubeconfig)) as cluster:
        yield cluster


@pytest_asyncio.fixture
async def proxy(api_server: ApiServer) -> AsyncIterator[ApiProxy]:
    async with ApiProxy(api_server).serving() as proxy:
        yield proxy


@pytest_asyncio.fixture
async def behind_proxy(proxy: ApiProxy, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with Cluster.connect(kubeconfig=str(proxy.write_kubeconfig(tmp_path))) as cluster:
        yield cluster


# Reading and writing


async def test_object_comes_back_as_it_was_made(cluster: Cluster, namespace: str) -> None:
    made = await cluster.create(CONFIG_MAP, config_map(namespace, k="v"))

    assert await cluster.get(CONFIG_MAP, namespace, "a") == made
    assert (made["kind"], made["data"]) == ("ConfigMap", {"k": "v"})


async def test_missing_object_is_found_to_be_none(cluster: Cluster, namespace: str) -> None:
    assert await cluster.find(CONFIG_MAP, namespace, "a") is None
    with pytest.raises(ObjectNotFound, match=f"get ConfigMap {namespace}/a"):
        await cluster.get(CONFIG_MAP, namespace, "a")


async def test_unknown_kind_is_no_missing_object(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(ClusterError, match="custom resource definitions") as caught:
        await cluster.find(UNKNOWN, namespace, "a")

    assert type(caught.value) is ClusterError


async def test_second_create_is_told_so(cluster: Cluster, namespace: str) -> None:
    await cluster.create(CONFIG_MAP, config_map(namespace))

    with pytest.raises(ObjectExists):
        await cluster.create(CONFIG_MAP, config_map(namespace))


async def test_what_the_server_does_not_accept_says_why(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(ObjectRefused, match="RFC 1123"):
        await cluster.create(CONFIG_MAP, config_map(namespace, "No_Name"))
    with pytest.raises(ObjectRefused, match="JSON"):
        await cluster.create(CONFIG_MAP, config_map(namespace, a=object()))  # type: ignore[arg-type]


async def test_applied_fields_that_are_left_out_later_go(cluster: Cluster, namespace: str) -> None:
    await cluster.apply(CONFIG_MAP, config_map(namespace, kept="1", dropped="1"))
    await cluster.patch(CONFIG_MAP, namespace, "a", {"data": {"others": "1"}})

    applied = await cluster.apply(CONFIG_MAP, config_map(namespace, kept="2"))

    assert applied["data"] == {"kept": "2", "others": "1"}
    managers = {entry["manager"] for entry in applied["metadata"]["managedFields"]}
    assert managers == {clusters.FIELD_MANAGER}


async def test_status_keeps_nulls_and_versions_guard_it(cluster: Cluster, namespace: str) -> None:
    first = await cluster.create(INSTANCE, instance(namespace))
    first["status"] = {"phase": "Running", "output": None}

    second = await cluster.replace_status(INSTANCE, first)

    assert second["status"]["output"] is None
    with pytest.raises(ObjectConflict):
        await cluster.replace_status(INSTANCE, first)


async def test_status_of_a_successor_is_not_written(cluster: Cluster, namespace: str) -> None:
    first = await cluster.create(INSTANCE, instance(namespace))
    await cluster.delete(INSTANCE, namespace, "a")
    await cluster.create(INSTANCE, instance(namespace))

    with pytest.raises(ObjectConflict):
        await cluster.replace_status(INSTANCE, {**first, "status": {"phase": "Running"}})


async def test_patch_with_an_old_version_is_refused(cluster: Cluster, namespace: str) -> None:
    made = await cluster.create(CONFIG_MAP, config_map(namespace))
    version = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}}
    await cluster.patch(CONFIG_MAP, namespace, "a", {**version, "data": {"k": "1"}})

    with pytest.raises(ObjectConflict):
        await cluster.patch(CONFIG_MAP, namespace, "a", {**version, "data": {"k": "2"}})
    with pytest.raises(ObjectNotFound):
        await cluster.patch(CONFIG_MAP, namespace, "b", {"data": {"k": "2"}})


async def test_deleting_spares_the_successor(cluster: Cluster, namespace: str) -> None:
    made = await cluster.create(CONFIG_MAP, config_map(namespace))

    await cluster.delete(CONFIG_MAP, namespace, "a", uid="another")
    assert await cluster.find(CONFIG_MAP, namespace, "a") is not None

    await cluster.delete(CONFIG_MAP, namespace, "a", uid=made["metadata"]["uid"])
    await cluster.delete(CONFIG_MAP, namespace, "a")
    assert await cluster.find(CONFIG_MAP, namespace, "a") is None


async def test_list_gives_all_pages_and_what_is_selected(
    cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "_PAGE", "3")
    for number in range(8):
        body = config_map(namespace, f"m{number}")
        body["metadata"]["labels"] = {"half": str(number % 2)}
        await cluster.create(CONFIG_MAP, body)

    names = [obj["metadata"]["name"] async for obj in cluster.list(CONFIG_MAP, namespace)]
    odd = [obj async for obj in cluster.list(CONFIG_MAP, namespace, labels="half=1")]

    assert [name for name in names if name.startswith("m")] == [f"m{n}" for n in range(8)]
    assert [obj["metadata"]["name"] for obj in odd] == ["m1", "m3", "m5", "m7"]
    assert {(obj["kind"], obj["apiVersion"]) for obj in odd} == {("ConfigMap", "v1")}


async def test_list_of_a_kind_without_namespaces(cluster: Cluster, namespace: str) -> None:
    found = {obj["metadata"]["name"] async for obj in cluster.list(NAMESPACE)}

    assert {namespace, "kube-system"} <= found


async def test_watch_tells_what_happens_to_one_object(cluster: Cluster, namespace: str) -> None:
    made = await cluster.create(CONFIG_MAP, config_map(namespace))
    told: list[tuple[str, dict[str, str] | None]] = []

    async def change() -> None:
        await cluster.patch(CONFIG_MAP, namespace, "a", {"data": {"k": "é" * 100_000}})
        await cluster.delete(CONFIG_MAP, namespace, "a")

    async with (
        asyncio.timeout(30),
        contextlib.aclosing(
            cluster.watch(CONFIG_MAP, namespace, fields="metadata.name=a")
        ) as events,
    ):
        async for kind, obj in events:
            told.append((kind, obj.get("data")))
            if kind == "ADDED":
                await change()
            if kind == "DELETED":
                break

    assert [kind for kind, _ in told] == ["ADDED", "MODIFIED", "DELETED"]
    assert told[1][1] == {"k": "é" * 100_000}
    assert made["metadata"]["name"] == "a"


async def test_watch_from_a_version_that_is_no_more_can_begin_again(
    behind_proxy: Cluster, proxy: ApiProxy, namespace: str
) -> None:
    ending = asyncio.ensure_future(proxy.end_watches(410))

    with pytest.raises(ClusterUnavailable):
        async for _ in behind_proxy.watch(CONFIG_MAP, namespace):
            pass
    await ending


async def test_guarded_connection_reads_and_does_not_write(
    cluster: Cluster, namespace: str
) -> None:
    await cluster.create(CONFIG_MAP, config_map(namespace))
    guarded = cluster.guarded(lambda: False)

    assert await guarded.find(CONFIG_MAP, namespace, "a") is not None
    with pytest.raises(ClusterUnavailable, match="does not lead"):
        await guarded.patch(CONFIG_MAP, namespace, "a", {"data": {"k": "v"}})
    with pytest.raises(ClusterUnavailable, match="does not lead"):
        await guarded.delete(CONFIG_MAP, namespace, "a")
    assert await cluster.find(CONFIG_MAP, namespace, "a") is not None


async def test_observer_is_told_of_every_request(api_server: ApiServer, namespace: str) -> None:
    told: list[tuple[str, Kind, int, float]] = []
    async with Cluster.connect(
        kubeconfig=str(api_server.kubeconfig), observe=lambda *call: told.append(call)
    ) as cluster:
        await cluster.find(CONFIG_MAP, namespace, "a")
        await cluster.create(CONFIG_MAP, config_map(namespace))

    assert [call[:3] for call in told] == [("get", CONFIG_MAP, 404), ("create", CONFIG_MAP, 201)]
    assert all(0 < seconds < 30 for _, _, _, seconds in told)


# Logging in, and servers that are away


async def test_server_that_refuses_connections_is_unavailable(
    behind_proxy: Cluster, proxy: ApiProxy, namespace: str
) -> None:
    await proxy.refuse()
    with pytest.raises(ClusterUnavailable, match="cannot be reached"):
        await behind_proxy.find(CONFIG_MAP, namespace, "a")

    await proxy.listen()
    assert await behind_proxy.find(CONFIG_MAP, namespace, "a") is None


async def test_connections_that_were_closed_meanwhile_do_not_matter(
    behind_proxy: Cluster, proxy: ApiProxy, namespace: str
) -> None:
    for number in range(3):
        await behind_proxy.apply(CONFIG_MAP, config_map(namespace, k=str(number)))
        await proxy.refuse()
        await proxy.listen()


async def test_token_of_a_plugin_is_asked_for_again_after_a_401(
    api_server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("expired")
    kubeconfig = write_kubeconfig(
        tmp_path / "kubeconfig-exec",
        cluster=verified(api_server),
        user={"exec": plugin(tmp_path, token)},
    )

    async with Cluster.connect(kubeconfig=str(kubeconfig)) as cluster:
        token.write_text(api_server.token)
        assert await cluster.find(CONFIG_MAP, namespace, "a") is None


async def test_credentials_that_are_not_accepted_say_so(
    api_server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    kubeconfig = write_kubeconfig(
        tmp_path / "kubeconfig-wrong", cluster=verified(api_server), user={"token": "wrong"}
    )

    async with Cluster.connect(kubeconfig=str(kubeconfig)) as cluster:
        with pytest.raises(ClusterUnavailable, match="log in again"):
            await cluster.find(CONFIG_MAP, namespace, "a")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("[]", id="a-list"),
        pytest.param("{", id="no-yaml"),
        pytest.param("apiVersion: v1\nkind: Config\n", id="without-contexts"),
        pytest.param("current-context: a\ncontexts: []\n", id="context-that-is-not-there"),
    ],
)
async def test_kubeconfig_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)

    with pytest.raises(ClusterError, match="config cannot be used to log in"):
        async with Cluster.connect(kubeconfig=str(path)):
            pass


async def test_missing_kubeconfig_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="KUBECONFIG"):
        async with Cluster.connect(kubeconfig=str(tmp_path / "none")):
            pass


async def test_context_can_be_chosen(api_server: ApiServer, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="elsewhere"):
        async with Cluster.connect(kubeconfig=str(api_server.kubeconfig), context="elsewhere"):
            pass


def verified(server: ApiServer) -> dict[str, Any]:
    return {"server": server.url, "certificate-authority": str(server.certificates)}


def plugin(folder: Path, token: Path) -> dict[str, Any]:
    """Return a credentials plugin that gives what a file says."""
    program = folder / "plugin"
    program.write_text(
        f"#!{sys.executable}\n"
        "import json\n"
        f"token = open({str(token)!r}).read()\n"
        "version = 'client.authentication.k8s.io/v1'\n"
        "print(json.dumps({'apiVersion': version, 'kind': 'ExecCredential',"
        " 'status': {'token': token}}))\n"
    )
    os.chmod(program, 0o755)
    return {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": str(program),
        "interactiveMode": "Never",
    }
