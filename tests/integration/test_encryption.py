"""Keys on a real API server, and what becomes of secrets with an operator and a sidecar."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support import canaries, cluster_runs, encryption, instances, operators, s3
from tests.support.cluster.control_plane import ApiServer
from tests.support.cluster.kubectl import Kubectl
from tests.support.cluster.s3_servers import S3Server
from tests.support.encryption import RING, SECOND
from tests.support.instances import Call, Json, World, action
from tests.support.operators import OperatorProcess
from tests.support.sidecars import eventually
from tests.support.stand_in_stores import AwayStore
from varflow.errors import EncryptionKeyMissing, StoreError
from varflow.variables import paths
from varflow.variables.encryption.keyrings import KeyRing
from varflow.variables.encryption.policies import Policy
from varflow.variables.scopes import Address, Owners, Scope
from varflow.variables.stores.memory import MemoryStore
from varflow_operator import names
from varflow_operator.cluster import Cluster
from varflow_operator.encryption import keeping
from varflow_operator.encryption.keeping import NamespaceKeys
from varflow_operator.kinds import NAMESPACE, SECRET
from varflow_operator.ownership import Ownership

CANARY = "canary-9d41e7"
SECRET_CANARY = "canary-secret-52c8a0"
LARGE = 100_000


@pytest_asyncio.fixture
async def cluster(api_server: ApiServer) -> AsyncIterator[Cluster]:
    async with Cluster.connect(kubeconfig=str(api_server.kubeconfig)) as cluster:
        yield cluster


@pytest_asyncio.fixture
async def owners(cluster: Cluster, namespace: str) -> Owners:
    whole = await cluster.get(NAMESPACE, None, "kube-system")
    own = await cluster.get(NAMESPACE, None, namespace)
    return Owners(whole["metadata"]["uid"], own["metadata"]["uid"], "", "")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


async def put_keys(cluster: Cluster, namespace: str, ring: KeyRing) -> None:
    metadata = {"namespace": namespace, "name": names.ENCRYPTION_SECRET}
    data = {names.KEYS_KEY: base64.b64encode(ring.encode().encode()).decode()}
    await cluster.apply(SECRET, {"metadata": metadata, "data": data})


def keeper(cluster: Cluster, store: MemoryStore, *, policy: Policy = Policy.ON) -> NamespaceKeys:
    return NamespaceKeys(cluster, store, Ownership(cluster), policy=policy)


async def test_a_namespace_gets_one_key(
    cluster: Cluster, owners: Owners, namespace: str, store: MemoryStore
) -> None:
    keepers = [keeper(cluster, store) for _ in range(4)]

    found = await asyncio.gather(*(keys.find(owners.namespace) for keys in keepers * 2))

    assert len(set(found)) == 1
    secret = await cluster.get(SECRET, namespace, names.ENCRYPTION_SECRET)
    assert found[0] is not None
    assert secret["data"][names.KEYS_KEY] == base64.b64encode(found[0].encode().encode()).decode()


async def test_keys_that_people_brought_are_used(
    cluster: Cluster, owners: Owners, namespace: str, store: MemoryStore
) -> None:
    await put_keys(cluster, namespace, RING)

    assert await keeper(cluster, store).find(owners.namespace) == RING


async def test_a_lost_key_is_an_error_and_no_other_is_made(
    cluster: Cluster, owners: Owners, namespace: str, store: MemoryStore
) -> None:
    path = paths.variable(Address(owners, Scope.NAMESPACE, "counter"))
    await encryption.encrypted(store).put(path, b"1")

    for _ in range(2):
        with pytest.raises(EncryptionKeyMissing, match="variable namespace/counter") as error:
            await keeper(cluster, store).find(owners.namespace)
        assert f"{namespace}/varflow-encryption is gone" in str(error.value)
    assert await cluster.find(SECRET, namespace, names.ENCRYPTION_SECRET) is None

    await put_keys(cluster, namespace, RING)
    assert await keeper(cluster, store).find(owners.namespace) == RING


async def test_plain_values_are_no_reason_against_a_key(
    cluster: Cluster, owners: Owners, store: MemoryStore
) -> None:
    for number in range(50):
        path = paths.variable(Address(owners, Scope.NAMESPACE, f"key-{number}"))
        await store.put(path, b"p" * 10 * number)

    assert await keeper(cluster, store).find(owners.namespace) is not None


async def test_nothing_is_made_where_encryption_is_off(
    cluster: Cluster, owners: Owners, namespace: str, store: MemoryStore
) -> None:
    assert await keeper(cluster, store, policy=Policy.OFF).find(owners.namespace) is None
    assert await cluster.find(SECRET, namespace, names.ENCRYPTION_SECRET) is None
    await put_keys(cluster, namespace, RING)
    assert await keeper(cluster, store, policy=Policy.OFF).find(owners.namespace) == RING


async def test_a_secret_without_keys_is_named(
    cluster: Cluster, owners: Owners, namespace: str, store: MemoryStore
) -> None:
    metadata = {"namespace": namespace, "name": names.ENCRYPTION_SECRET}
    await cluster.create(SECRET, {"metadata": metadata, "stringData": {"keys": "c2hvcnQ="}})

    with pytest.raises(EncryptionKeyMissing, match=f"{namespace}/varflow-encryption") as error:
        await keeper(cluster, store).find(owners.namespace)
    assert "c2hvcnQ=" not in str(error.value)


async def test_a_namespace_that_is_gone_has_no_keys(cluster: Cluster, store: MemoryStore) -> None:
    with pytest.raises(EncryptionKeyMissing, match="is gone"):
        await keeper(cluster, store).find("0000")


async def test_a_store_that_refuses_to_tell_of_lost_keys_ends_nothing(
    cluster: Cluster,
    owners: Owners,
    namespace: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(keeping, "LOOK_SECONDS", 0.0)
    store = AwayStore()
    keys = keeper(cluster, store)
    await keys.find(owners.namespace)
    await cluster.delete(SECRET, namespace, names.ENCRYPTION_SECRET)
    store.error, store.is_away = StoreError("access denied"), True
    running = asyncio.create_task(keys.run())
    await eventually(lambda: "access denied" in caplog.text or running.done())

    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_changed_keys_are_seen_and_told(
    cluster: Cluster, owners: Owners, namespace: str, store: MemoryStore
) -> None:
    await put_keys(cluster, namespace, RING)
    clock, told = Clock(), list[str]()
    keys = NamespaceKeys(cluster, store, Ownership(cluster), policy=Policy.ON, clock=clock)
    keys.tell(changed=told.append)
    await keys.find(owners.namespace)
    rotated = RING.added(SECOND.secret)
    await put_keys(cluster, namespace, rotated)

    assert await keys.find(owners.namespace) == RING
    clock.now += 5
    assert await keys.find(owners.namespace, wanted=SECOND.id) == rotated
    assert told == [namespace]
    await put_keys(cluster, namespace, rotated.using(SECOND))
    clock.now += keeping.LOOK_SECONDS
    assert await keys.find(owners.namespace) == rotated.using(SECOND)
    assert told == [namespace, namespace]


# Canaries


SECRETIVE = [
    {
        "id": "read",
        "type": "getter",
        "variables": [{"key": "password", "scope": "namespace"}],
        "transform": f'jq({{large: ({LARGE} * "{CANARY} "), length: (.var.password | length)}})',
        "transition": "write",
    },
    {
        "id": "write",
        "type": "setter",
        "log": f'jq("{CANARY}" + (.length | tostring))',
        "variables": [
            {"key": "large", "scope": "workflow", "value": "jq(.large)"},
            {"key": "small", "scope": "workflow", "value": f"{CANARY}"},
        ],
    },
]


@pytest.fixture
def place(s3_server: S3Server, bucket: str) -> s3.Place:
    return s3.make_place(s3_server, bucket)


async def test_nothing_readable_is_in_the_store_and_no_secret_is_told(
    api_server: ApiServer, kubectl: Kubectl, namespace: str, tmp_path: Path, place: s3.Place
) -> None:
    here = kubectl.in_namespace(namespace)
    settings = operators.settings(namespace, api_server.kubeconfig, tmp_path)
    operator = await OperatorProcess.start({**settings, **place.environ})
    try:
        await operator.until_ready("leading")
        await asyncio.to_thread(_declare, here)
        name = await asyncio.to_thread(cluster_runs.apply_workflow, here, "flow", states=SECRETIVE)
        status = await asyncio.to_thread(cluster_runs.run, here, name)
        _, metrics = await operator.get("/metrics")
    finally:
        await operator.kill()

    assert status["phase"] == "Complete", status
    stored = canaries.in_bucket(place)
    assert len(stored) > 5
    assert canaries.holding(stored, CANARY, SECRET_CANARY) == []
    told = {
        "metrics": metrics.encode(),
        "operator's log": (json.dumps(operator.lines) + operator.errors).encode(),
        "variables": here("get", "variables", "-o", "json").encode(),
        "instances": here("get", "workflowinstances", "-o", "json").encode(),
        "events": here("get", "events", "-o", "json").encode(),
        "pods": here("get", "deployments", "-o", "json").encode(),
    }
    assert canaries.holding(told, SECRET_CANARY) == []
    keys = here.get("secret", names.ENCRYPTION_SECRET)["data"][names.KEYS_KEY]
    assert canaries.holding({**told, **stored}, base64.b64decode(keys).decode().strip()) == []


def _declare(kubectl: Kubectl) -> None:
    kubectl("create", "secret", "generic", "login", f"--from-literal=password={SECRET_CANARY}")
    kubectl.apply(
        {
            "apiVersion": cluster_runs.API_VERSION,
            "kind": "Variable",
            "metadata": {"name": "password"},
            "spec": {
                "scope": "namespace",
                "secret": True,
                "valueFrom": {"secretKeyRef": {"name": "login", "key": "password"}},
            },
        }
    )
    kubectl("wait", "--for=condition=Ready", "variable/password", "--timeout=30s")


async def test_a_secret_of_an_action_is_in_no_object_and_no_log(
    api_server: ApiServer, namespace: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with instances.world(api_server.kubeconfig, namespace, tmp_path) as world:
        world.keys = RING
        status = await _run_with_secret(world)
        owners = await world.owners()
        assert await world.read(owners, Scope.WORKFLOW, "kept") == SECRET_CANARY.encode()
        told = {"object": json.dumps(await world.look()).encode(), "log": caplog.text.encode()}

    assert status["output"]["return"] == {"length": len(SECRET_CANARY)}
    found = {**told, **canaries.in_folder(tmp_path)}
    assert canaries.holding(found, SECRET_CANARY) == []


async def _run_with_secret(world: World) -> Json:
    secret = {"metadata": {"name": names.ACTION_SECRETS, "namespace": world.namespace}}
    await world.cluster.create(SECRET, {**secret, "stringData": {"password": SECRET_CANARY}})
    given = {"secrets": ["password"], "input": {"p": "jq(.secrets.password)"}}

    async def take(call: Call) -> Json:
        call.write("workflow", "kept", call.input["p"].encode())
        return {"length": len(call.input["p"])}

    world.function.handler = take
    await world.pod(await world.workflow(action(action=given)))
    world.operator().start()
    await world.instance()
    return await world.end()
