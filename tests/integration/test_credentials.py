"""Secrets that the operator makes and reads, on a real API server."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.cluster.control_plane import ApiServer
from varflow.errors import ClusterError, ObjectNotFound
from varflow_operator import credentials, names
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import SECRET
from varflow_operator.settings import OperatorSettings


@pytest_asyncio.fixture
async def cluster(api_server: ApiServer) -> AsyncIterator[Cluster]:
    async with Cluster.connect(kubeconfig=str(api_server.kubeconfig)) as cluster:
        yield cluster


@pytest.fixture
def settings(namespace: str) -> OperatorSettings:
    return OperatorSettings(namespace=namespace)


async def test_key_is_made_once(cluster: Cluster, settings: OperatorSettings) -> None:
    first = await credentials.load(cluster, settings)
    second = await credentials.load(cluster, settings)

    assert first == second
    assert len(first.token_key) == 64
    assert first.store is None


async def test_operators_that_start_together_have_one_key(
    cluster: Cluster, settings: OperatorSettings
) -> None:
    settings = dataclasses.replace(settings, store_secret="s3", generates_store_secret=True)

    found = await asyncio.gather(*(credentials.load(cluster, settings) for _ in range(8)))

    assert len({(one.token_key, one.store) for one in found}) == 1


async def test_key_that_is_missing_in_a_secret_is_added_and_others_are_left(
    cluster: Cluster, settings: OperatorSettings
) -> None:
    metadata = {"namespace": settings.namespace, "name": names.OPERATOR_SECRET}
    await cluster.create(SECRET, {"metadata": metadata, "stringData": {"other": "kept"}})

    found = await asyncio.gather(*(credentials.load(cluster, settings) for _ in range(4)))

    secret = await cluster.get(SECRET, settings.namespace, names.OPERATOR_SECRET)
    values = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
    assert values == {"other": "kept", names.TOKEN_KEY: found[0].token_key}
    assert len(set(found)) == 1


async def test_given_access_key_is_read_and_not_changed(
    cluster: Cluster, settings: OperatorSettings
) -> None:
    given = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "B\n", "AWS_SESSION_TOKEN": "C"}
    metadata = {"namespace": settings.namespace, "name": "s3"}
    await cluster.create(SECRET, {"metadata": metadata, "stringData": given})
    settings = dataclasses.replace(settings, store_secret="s3", generates_store_secret=True)

    store = (await credentials.load(cluster, settings)).store

    assert store is not None
    assert (store.access_key_id, store.secret_access_key, store.session_token) == ("A", "B", "C")


async def test_secret_that_nobody_made_is_missed_by_name(
    cluster: Cluster, settings: OperatorSettings
) -> None:
    with pytest.raises(ObjectNotFound, match="s3"):
        await credentials.load(cluster, dataclasses.replace(settings, store_secret="s3"))


async def test_namespace_that_is_not_there_is_an_error(cluster: Cluster) -> None:
    with pytest.raises(ClusterError, match="nowhere"):
        await credentials.load(cluster, OperatorSettings(namespace="nowhere"))


async def test_tokens_differ_by_workflow_and_tell_nothing(
    cluster: Cluster, settings: OperatorSettings
) -> None:
    found = await credentials.load(cluster, settings)

    tokens = {found.token_of(uid) for uid in ("a", "b", "a")}

    assert len(tokens) == 2
    assert found.token_key not in repr(found)
