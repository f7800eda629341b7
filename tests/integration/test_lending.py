"""Who lends: namespaces' Secrets on a real API server, with credentials that MinIO mints."""

from __future__ import annotations

import base64
import dataclasses
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import faulty_s3, lending, operators, s3
from tests.support.cluster.control_plane import ApiServer
from tests.support.cluster.kubectl import Kubectl
from tests.support.cluster.s3_servers import S3Server
from tests.support.definitions import workflow_object
from tests.support.faulty_s3 import FaultyS3
from tests.support.operators import OperatorProcess
from tests.support.sidecars import eventually
from tests.support.variables import Clock
from varflow.errors import StoreError, StoreUnavailable
from varflow.variables import paths
from varflow.variables.scopes import Address, Owners, Scope
from varflow.variables.stores import s3_urls
from varflow.variables.stores.credentials import CredentialsFile, LentCredentials
from varflow.variables.variables import Variables
from varflow_operator import names
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import DEPLOYMENT, EVENT, NAMESPACE, SECRET, WORKFLOW, Object
from varflow_operator.lending import terms
from varflow_operator.lending.lender import Lender
from varflow_operator.lending.modes import Mode, NotLent
from varflow_operator.ownership import Ownership

WAIT_SECONDS = 60.0
ASKED_AGAIN = 3
"""How often a token service is asked that is out of order."""
AWAY = S3Server("http://127.0.0.1:9", "k", "s")


@pytest.fixture
async def cluster(api_server: ApiServer) -> AsyncIterator[Cluster]:
    async with Cluster.connect(kubeconfig=str(api_server.kubeconfig)) as cluster:
        yield cluster


@pytest.fixture
async def workflow(cluster: Cluster, namespace: str) -> Object:
    """A Workflow, as it is in the cluster."""
    return await make_workflow(cluster, namespace)


async def make_workflow(cluster: Cluster, namespace: str) -> Object:
    obj = workflow_object(namespace=namespace)
    del obj["metadata"]["uid"], obj["metadata"]["generation"]
    await cluster.apply(WORKFLOW, obj)
    return await cluster.get(WORKFLOW, namespace, "hello")


@pytest.fixture
async def place(minio_server: S3Server) -> s3.Place:
    return await opened(s3.make_place(minio_server, s3.make_bucket(minio_server)))


async def opened(place: s3.Place) -> s3.Place:
    """Return a place that an operator has opened."""
    variables = Variables(place.make_store())
    await variables.open()
    await variables.close()
    return place


@dataclasses.dataclass
class World:
    """Operators that lend, one after the other, and what they say and when."""

    cluster: Cluster
    place: s3.Place
    clock: Clock
    told: list[str] = dataclasses.field(default_factory=list)
    changed: list[str] = dataclasses.field(default_factory=list)

    def lender(self, *, server: S3Server | None = None, mode: Mode = Mode.AUTO) -> Lender:
        """Return a new operator's, which asks this server for credentials."""
        lender = Lender(
            self.cluster,
            lending.mint_of(server or self.place.server),
            s3_urls.parse(self.place.url),
            mode=mode,
            ownership=Ownership(self.cluster),
            tell=lambda _, message: self.told.append(message),
            clock=self.clock,
        )
        lender.tell(changed=self.changed.append)
        return lender

    async def secret(self, obj: Object) -> Object | None:
        return await self.cluster.find(SECRET, obj["metadata"]["namespace"], names.STORE_SECRET)

    async def lent(self, obj: Object) -> LentCredentials:
        return LentCredentials.decode(base64.b64decode(await self.text(obj)))

    async def text(self, obj: Object) -> str:
        """Return what the namespace's Secret holds."""
        secret = await self.secret(obj)
        assert secret is not None
        return str(secret["data"][names.CREDENTIALS_KEY])


@pytest.fixture
def world(cluster: Cluster, place: s3.Place) -> World:
    return World(cluster, place, Clock(time.time()))  # the servers' clocks cannot be set


async def owners_of(cluster: Cluster, namespace: str) -> Owners:
    whole = await cluster.get(NAMESPACE, None, "kube-system")
    own = await cluster.get(NAMESPACE, None, namespace)
    return Owners(whole["metadata"]["uid"], own["metadata"]["uid"], "", "")


# Minting and renewing


async def test_a_namespace_gets_credentials_once(world: World, workflow: Object) -> None:
    lender = world.lender()

    assert await lender.lend(workflow)
    first = await world.text(workflow)
    assert await lender.lend(workflow)
    assert await world.lender().lend(workflow), "the next operator"

    assert await world.text(workflow) == first
    assert abs((await world.lent(workflow)).expires_at - time.time() - terms.LIFE_SECONDS) < 120
    assert world.told == []


async def test_credentials_are_replaced_at_half_their_life(world: World, workflow: Object) -> None:
    lender = world.lender()
    await lender.lend(workflow)
    first = await world.text(workflow)

    half = (await world.lent(workflow)).expires_at - terms.LIFE_SECONDS / 2
    world.clock.now = half - 1
    await lender.renew()
    assert await world.text(workflow) == first
    world.clock.now = half
    await lender.renew()

    assert await world.text(workflow) != first
    assert world.changed == [], "pods stay as they are"


async def test_credentials_for_another_place_are_replaced_at_once(
    world: World, workflow: Object
) -> None:
    await world.lender().lend(workflow)
    first = await world.text(workflow)
    world.place = await opened(dataclasses.replace(world.place, prefix="elsewhere"))

    await world.lender().lend(workflow)

    assert await world.text(workflow) != first


async def test_a_namespace_that_was_made_anew_keeps_its_own_credentials(
    world: World, workflow: Object, kubectl: Kubectl, namespace: str, controllers: None
) -> None:
    lender = world.lender()
    await lender.lend(workflow)
    due = terms.due_at(await world.lent(workflow))
    kubectl("delete", "namespace", namespace)
    kubectl("create", "namespace", namespace)
    anew = await make_workflow(world.cluster, namespace)
    await lender.lend(anew)
    own = await world.text(anew)
    assert terms.due_at(await world.lent(anew)) > due

    world.clock.now = due
    await lender.renew()

    assert await world.text(anew) == own


async def test_a_namespace_without_workflows_is_not_renewed(world: World, workflow: Object) -> None:
    lender = world.lender()
    await lender.lend(workflow)
    first = await world.text(workflow)
    metadata = workflow["metadata"]
    await world.cluster.delete(WORKFLOW, metadata["namespace"], metadata["name"])

    world.clock.now += terms.LIFE_SECONDS
    await lender.renew()

    assert await world.text(workflow) == first


# Doing without


async def test_a_store_that_does_not_lend_is_told_of_once(
    world: World, workflow: Object, s3_server: S3Server
) -> None:
    lender = world.lender(server=s3_server)

    assert not await lender.lend(workflow)
    assert not await lender.lend(workflow)

    assert await world.secret(workflow) is None
    (message,) = world.told
    assert s3_server.endpoint in message


@pytest.mark.parametrize("server", ["versitygw", "away"])
async def test_where_there_must_be_limited_credentials_there_are_no_others(
    world: World, workflow: Object, request: pytest.FixtureRequest, server: str
) -> None:
    asked = AWAY if server == "away" else request.getfixturevalue("s3_server")
    lender = world.lender(server=asked, mode=Mode.ASSUME_ROLE)

    with pytest.raises(StoreUnavailable if server == "away" else NotLent):
        await lender.lend(workflow)
    assert world.told == []


@pytest.mark.parametrize(("left", "is_lent"), [(600, True), (60, False)])
async def test_what_is_still_of_use_stays_while_nothing_newer_can_be_had(
    world: World, workflow: Object, left: float, is_lent: bool
) -> None:
    with FaultyS3(world.place.server) as proxy:
        lender = world.lender(server=proxy.server)
        assert await lender.lend(workflow)
        world.clock.now = (await world.lent(workflow)).expires_at - left
        proxy.fail("POST", *[faulty_s3.answering(503, "ServiceUnavailable")] * ASKED_AGAIN)

        assert await lender.lend(workflow) is is_lent


async def put_foreign(world: World, obj: Object) -> None:
    """Make a Secret of the name that is needed."""
    metadata = {"namespace": obj["metadata"]["namespace"], "name": names.STORE_SECRET}
    await world.cluster.create(SECRET, {"metadata": metadata, "stringData": {"theirs": "kept"}})


async def test_what_was_in_the_way_is_looked_at_again(world: World, workflow: Object) -> None:
    lender, namespace = world.lender(), workflow["metadata"]["namespace"]
    await put_foreign(world, workflow)
    assert not await lender.lend(workflow)
    await world.cluster.delete(SECRET, namespace, names.STORE_SECRET)

    world.clock.now += 700
    await lender.renew()

    assert world.changed == [namespace]
    assert await lender.lend(workflow)


async def test_a_secret_of_somebody_else_is_left_alone(world: World, workflow: Object) -> None:
    await put_foreign(world, workflow)

    with pytest.raises(NotLent, match="varflow-store-access is not Varflow's"):
        await world.lender(mode=Mode.ASSUME_ROLE).lend(workflow)

    secret = await world.secret(workflow)
    assert secret is not None
    assert secret["data"].keys() == {"theirs"}


# The whole operator


@pytest.fixture
def neighbour(kubectl: Kubectl) -> Iterator[str]:
    """Another namespace."""
    with kubectl.new_namespace() as name:
        yield name


Settings = Callable[..., dict[str, str]]


@pytest.fixture
def settings(kubectl: Kubectl, api_server: ApiServer, namespace: str, tmp_path: Path) -> Settings:
    """Return what an operator over a bucket is told; its key is in a Secret."""

    def make(place: s3.Place, **more: str) -> dict[str, str]:
        kubectl.in_namespace(namespace).apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "s3-key"},
                "stringData": {
                    "AWS_ACCESS_KEY_ID": place.server.access_key_id,
                    "AWS_SECRET_ACCESS_KEY": place.server.secret_access_key,
                },
            }
        )
        return {
            **operators.settings(namespace, api_server.kubeconfig, tmp_path),
            "VARFLOW_STORE": place.url,
            "VARFLOW_STORE_SECRET": "s3-key",
            **more,
        }

    return make


async def sidecar_of(cluster: Cluster, namespace: str) -> tuple[Any, Any]:
    """Return the sidecar and the pod's volumes of the only Deployment, once it is there."""
    found: list[Object] = []

    async def is_there() -> bool:
        found[:] = [it async for it in cluster.list(DEPLOYMENT, namespace)]
        return bool(found)

    await eventually(is_there, seconds=WAIT_SECONDS)
    spec = found[0]["spec"]["template"]["spec"]
    return spec["initContainers"][0], spec["volumes"]


async def test_two_namespaces_sidecars_cannot_read_each_others_prefix(
    cluster: Cluster,
    place: s3.Place,
    settings: Settings,
    namespace: str,
    neighbour: str,
    tmp_path: Path,
) -> None:
    both = {"VARFLOW_WATCH_NAMESPACES": f"{namespace},{neighbour}"}
    operator = await OperatorProcess.start(settings(place, **both))
    try:
        await operator.until_ready("leading")
        for name in (namespace, neighbour):
            await make_workflow(cluster, name)
            sidecar, volumes = await sidecar_of(cluster, name)
            assert not any(it["name"].startswith("AWS_") for it in sidecar["env"])
            assert "varflow-store-access" in str(volumes)
    finally:
        await operator.kill()
    assert not any("operator's own credentials" in text for text in operator.messages)

    for name, other in ((namespace, neighbour), (neighbour, namespace)):
        secret = await cluster.get(SECRET, name, names.STORE_SECRET)
        path = tmp_path / f"{name}.json"
        path.write_bytes(base64.b64decode(secret["data"][names.CREDENTIALS_KEY]))
        variables = Variables(lending.make_store(place, CredentialsFile(str(path))))
        await variables.open()
        own, theirs = [
            Address(await owners_of(cluster, one), Scope.NAMESPACE, "k") for one in (name, other)
        ]
        await variables.set(own, name.encode())
        found = await variables.get(own)
        assert found is not None
        assert await found.bytes() == name.encode()
        for denied in (
            variables.get(theirs),
            variables.set(theirs, b""),
            variables.delete(theirs),
            anext(variables.store.list(paths.namespace_prefix(theirs.owners))),
        ):
            with pytest.raises(StoreError, match="AccessDenied"):
                await denied
        await variables.close()


async def test_over_a_store_that_does_not_lend_pods_get_the_operators_key_and_an_event_says_so(
    cluster: Cluster, s3_server: S3Server, settings: Settings, namespace: str
) -> None:
    place = s3.make_place(s3_server, s3.make_bucket(s3_server))
    operator = await OperatorProcess.start(settings(place))
    try:
        await operator.until_ready("leading")
        await make_workflow(cluster, namespace)
        sidecar, _ = await sidecar_of(cluster, namespace)
        events: list[Object] = []

        async def is_told() -> bool:
            events[:] = [it async for it in cluster.list(EVENT, namespace)]
            return any(it["reason"] == "CredentialsNotLimited" for it in events)

        await eventually(is_told, seconds=WAIT_SECONDS)
    finally:
        await operator.kill()

    assert {it["name"] for it in sidecar["env"]} >= {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    (event,) = [it for it in events if it["reason"] == "CredentialsNotLimited"]
    assert (event["type"], event["regarding"]["kind"]) == ("Warning", "Workflow")
    said = [text for text in operator.messages if "operator's own credentials" in text]
    assert len(said) == 1


async def test_a_workflow_says_that_it_waits_for_limited_credentials(
    cluster: Cluster, s3_server: S3Server, settings: Settings, namespace: str
) -> None:
    place = s3.make_place(s3_server, s3.make_bucket(s3_server))
    operator = await OperatorProcess.start(settings(place, VARFLOW_STORE_CREDENTIALS="assume-role"))
    try:
        await operator.until_ready("leading")
        await make_workflow(cluster, namespace)

        async def is_told() -> bool:
            found = await cluster.get(WORKFLOW, namespace, "hello")
            said = found.get("status", {}).get("conditions", ())
            return any(it["reason"] == "CredentialsNotLimited" for it in said)

        await eventually(is_told, seconds=WAIT_SECONDS)
    finally:
        await operator.kill()

    assert [it async for it in cluster.list(DEPLOYMENT, namespace)] == []
