"""Workflow objects on a real API server: what they become, and what it does not accept."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from tests.support.cluster.control_plane import ApiServer
from tests.support.cluster.kubectl import Kubectl
from tests.support.definitions import CALL, PLATFORM, workflow_object
from tests.support.sidecars import eventually
from varflow.errors import ObjectConflict
from varflow_operator import names
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    NAMESPACE,
    POD,
    SECRET,
    WORKFLOW,
    Kind,
    Object,
)
from varflow_operator.resources.objects import Platform
from varflow_operator.resources.pods import SidecarImage
from varflow_operator.workflows.reconciling import Workflows
from varflow_operator.workflows.revisions import Revisions

WRITES = {"create", "apply", "update", "patch", "delete"}
EVERYTHING = {
    "id": "f",
    "image": "example.org/f:1",
    "command": ["run"],
    "args": ["--fast"],
    "env": [
        {"name": "EMPTY", "value": ""},
        {"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ],
    "envFrom": [{"configMapRef": {"name": "c", "optional": True}}],
    "resources": {
        "limits": {"cpu": "0.5", "memory": "1024Mi"},
        "requests": {"cpu": ".1", "memory": 1000000},
    },
    "concurrency": 3,
    "scale": {"min": 2, "max": 4},
    "pod": {
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "serviceAccountName": "default",
        "imagePullPolicy": "IfNotPresent",
        "imagePullSecrets": [{"name": "registry"}],
    },
}


@dataclass
class World:
    """A namespace, the operator's part that is tested, and what it wrote."""

    cluster: Cluster
    namespace: str
    writes: list[str] = field(default_factory=list)
    live: frozenset[str] | None = frozenset()
    platform: Platform = PLATFORM
    is_lent: bool = False

    @property
    def workflows(self) -> Workflows:
        return Workflows(
            self.cluster,
            platform=self.platform,
            token=lambda uid: f"token of {uid}",
            live_revisions=lambda uid: self.live,
            lend=self.lend,
        )

    async def lend(self, _obj: Object) -> bool:
        return self.is_lent

    async def apply(self, **fields: Any) -> Object:
        """Write a Workflow as a user does, and have it looked at."""
        obj = workflow_object(namespace=self.namespace, **fields)
        del obj["metadata"]["uid"], obj["metadata"]["generation"]
        await self.cluster.apply(WORKFLOW, obj)
        return await self.look(obj["metadata"]["name"])

    async def look(self, name: str = "hello") -> Object:
        """Have a Workflow looked at, and return it as it is then."""
        self.writes.clear()
        while True:
            with contextlib.suppress(ObjectConflict):  # Kubernetes' controllers are at it, too
                await self.workflows.reconcile(self.namespace, name)
                break
        return await self.cluster.get(WORKFLOW, self.namespace, name)

    async def all(self, kind: Kind) -> list[Object]:
        return [it async for it in self.cluster.list(kind, self.namespace)]

    async def deployment(self, obj: Object, place: int = 0) -> Object:
        name = obj["status"]["functions"][place]["deployment"]
        return await self.cluster.get(DEPLOYMENT, self.namespace, name)


@pytest.fixture
async def world(api_server: ApiServer, namespace: str) -> AsyncIterator[World]:
    writes: list[str] = []

    def observe(verb: str, kind: Kind, status: int, seconds: float) -> None:
        if verb in WRITES:
            writes.append(f"{verb} {kind.name}")

    async with Cluster.connect(kubeconfig=str(api_server.kubeconfig), observe=observe) as cluster:
        yield World(cluster, namespace, writes)


def condition(obj: Object, kind: str = "Ready") -> Any:
    return next((it for it in obj["status"]["conditions"] if it["type"] == kind), None)


def replicas(deployment: Object) -> int:
    return int(deployment["spec"]["replicas"])


# A right one


async def test_a_workflow_becomes_what_runs_it(world: World) -> None:
    obj = await world.apply()
    status = obj["status"]
    (deployment,) = await world.all(DEPLOYMENT)
    (revision,) = await world.all(CONTROLLER_REVISION)
    secret = await world.cluster.get(SECRET, world.namespace, "hello-varflow")

    assert condition(obj)["status"] == "True"
    assert (status["observedGeneration"], status["states"]) == (1, 1)
    assert status["functions"] == [{"id": "f", "deployment": deployment["metadata"]["name"]}]
    assert revision["metadata"]["name"] == f"hello-{status['revision']}"
    assert revision["data"] == {"spec": obj["spec"]}
    assert replicas(deployment) == 0
    assert (
        base64.b64decode(secret["data"]["VARFLOW_TOKEN"]).decode().endswith(obj["metadata"]["uid"])
    )


async def test_everything_belongs_to_the_workflow(world: World) -> None:
    obj = await world.apply()

    for kind in (DEPLOYMENT, CONTROLLER_REVISION, SECRET):
        for it in await world.all(kind):
            (owner,) = it["metadata"]["ownerReferences"]
            assert (owner["uid"], owner["controller"]) == (obj["metadata"]["uid"], True)
            assert it["metadata"]["labels"][names.LABEL_WORKFLOW_UID] == obj["metadata"]["uid"]


@pytest.mark.parametrize(
    ("function", "is_lent"),
    [({"id": "f", "image": "example.org/f:1"}, False), (EVERYTHING, False), (EVERYTHING, True)],
    ids=["small", "everything", "everything-with-lent-credentials"],
)
async def test_a_second_look_writes_nothing(
    world: World, function: dict[str, Any], is_lent: bool
) -> None:
    world.is_lent = is_lent
    first = await world.apply(functions=[function])
    assert condition(first)["message"] == ""
    assert world.writes

    assert await world.look() == first
    assert world.writes == []


async def test_a_revision_can_be_read_again(world: World) -> None:
    obj = await world.apply(description="what it was")
    revision = obj["status"]["revision"]
    await world.apply(description="what it is")

    found = await Revisions(world.cluster).load(world.namespace, "hello", revision)

    assert (found.name, found.description) == ("hello", "what it was")


async def test_what_others_did_to_our_objects_is_mended(world: World) -> None:
    obj = await world.apply()
    name = obj["status"]["functions"][0]["deployment"]
    key = {"data": {"VARFLOW_TOKEN": base64.b64encode(b"mine").decode(), "MORE": ""}}
    await world.cluster.patch(SECRET, world.namespace, "hello-varflow", key)
    await world.cluster.delete(DEPLOYMENT, world.namespace, name)

    await world.look()

    secret = await world.cluster.get(SECRET, world.namespace, "hello-varflow")
    assert base64.b64decode(secret["data"]["VARFLOW_TOKEN"]) != b"mine"
    assert await world.deployment(obj)


# How many pods there are


async def test_a_new_deployment_has_as_many_pods_as_the_least(world: World) -> None:
    obj = await world.apply(functions=[EVERYTHING])

    assert replicas(await world.deployment(obj)) == 2


async def test_the_number_of_pods_is_the_scalers(world: World) -> None:
    obj = await world.apply()
    name = obj["status"]["functions"][0]["deployment"]
    await world.cluster.patch(DEPLOYMENT, world.namespace, name, {"spec": {"replicas": 3}})
    world.platform = Platform(sidecar=SidecarImage(name="example.org/sidecar:2"), store="s3://b")

    await world.look()

    found = await world.deployment(obj)
    (sidecar,) = found["spec"]["template"]["spec"]["initContainers"]
    assert sidecar["image"] == "example.org/sidecar:2"
    assert replicas(found) == 3
    await world.look()
    assert replicas(await world.deployment(obj)) == 3


async def test_credentials_that_are_not_needed_any_more_go(world: World) -> None:
    await world.apply()
    world.platform = Platform(sidecar=PLATFORM.sidecar, store="s3://b")

    await world.look()

    secret = await world.cluster.get(SECRET, world.namespace, "hello-varflow")
    assert secret["data"].keys() == {"VARFLOW_STORE", "VARFLOW_TOKEN"}


# Another revision


async def test_a_function_that_stays_keeps_its_pods(world: World) -> None:
    kept = {"id": "kept", "image": "example.org/k:1"}
    first = await world.apply(functions=[{"id": "f", "image": "example.org/f:1"}, kept])
    before = {it["id"]: it["deployment"] for it in first["status"]["functions"]}
    uid = (await world.deployment(first, 1))["metadata"]["uid"]

    second = await world.apply(functions=[{"id": "f", "image": "example.org/f:2"}, kept])

    after = {it["id"]: it["deployment"] for it in second["status"]["functions"]}
    assert before["kept"] == after["kept"]
    assert (await world.deployment(second, 1))["metadata"]["uid"] == uid
    assert before["f"] != after["f"]


async def test_old_pods_stay_as_long_as_an_instance_needs_them(world: World) -> None:
    first = await world.apply()
    old = first["status"]["functions"][0]["deployment"]
    world.live = frozenset({first["status"]["revision"]})

    await world.apply(functions=[{"id": "f", "image": "example.org/f:2"}])
    assert old in {it["metadata"]["name"] for it in await world.all(DEPLOYMENT)}

    await world.cluster.delete(DEPLOYMENT, world.namespace, old)
    await world.look()
    assert old in {it["metadata"]["name"] for it in await world.all(DEPLOYMENT)}

    world.live = frozenset()
    await world.look()
    assert old not in {it["metadata"]["name"] for it in await world.all(DEPLOYMENT)}


@pytest.mark.parametrize(
    "live", [None, frozenset({"0123456789"})], ids=["not known yet", "one cannot be read"]
)
async def test_nothing_old_goes_while_it_is_unknown_who_needs_it(
    world: World, live: frozenset[str] | None
) -> None:
    await world.apply()
    world.live = live

    await world.apply(functions=[{"id": "f", "image": "example.org/f:2"}])

    assert len(await world.all(DEPLOYMENT)) == 2


async def test_the_newest_revisions_stay_and_those_in_use(world: World) -> None:
    first = await world.apply(description="0")
    world.live = frozenset({first["status"]["revision"]})
    for number in range(1, 13):
        await world.apply(description=str(number))

    kept = {it["data"]["spec"]["description"] for it in await world.all(CONTROLLER_REVISION)}

    assert kept == {"0", *(str(number) for number in range(3, 13))}


async def test_a_spec_that_comes_back_is_its_old_revision(world: World) -> None:
    first = await world.apply(description="one")
    await world.apply(description="two")
    third = await world.apply(description="one")
    numbers = {
        it["data"]["spec"]["description"]: it["revision"]
        for it in await world.all(CONTROLLER_REVISION)
    }

    assert third["status"]["revision"] == first["status"]["revision"]
    assert numbers == {"one": 3, "two": 2}


async def test_a_successor_of_the_same_name_takes_over(world: World) -> None:
    first = await world.apply()
    # without the garbage collector: what it left is still there
    await world.cluster.delete(WORKFLOW, world.namespace, "hello")

    second = await world.apply()

    assert condition(second)["status"] == "True"
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    for kind, name in (
        (SECRET, "hello-varflow"),
        (CONTROLLER_REVISION, f"hello-{second['status']['revision']}"),
    ):
        found = await world.cluster.find(kind, world.namespace, name)
        assert found is not None
        (owner,) = found["metadata"]["ownerReferences"]
        assert owner["uid"] == second["metadata"]["uid"]


# A wrong one


async def test_a_workflow_for_a_later_version_is_not_ready_and_says_why(world: World) -> None:
    event = {"type": "paid", "context": {"customer": "jq(.customer)", "amount": 3}}

    obj = await world.apply(states=[{"id": "wait", "type": "consumeEvent", "event": event}])

    ready = condition(obj)
    assert (ready["status"], ready["reason"]) == ("False", "NotSupported")
    assert ready["message"].startswith("spec.states[0].type: a state of type consumeEvent is")


async def test_every_fault_is_named_and_old_pods_stay(world: World) -> None:
    first = await world.apply()
    variable = {"key": "a", "scope": "workflow"}
    broken = [
        {**CALL, "transform": "jq(.a |)", "log": "jq(nothing)"},
        {"id": "get", "type": "getter", "variables": [variable, variable]},
    ]

    obj = await world.apply(states=broken)

    ready, stalled = condition(obj), condition(obj, "Stalled")
    assert (ready["status"], ready["reason"]) == ("False", "InvalidSpec")
    assert stalled["status"] == "True"
    assert obj["status"]["observedGeneration"] == obj["metadata"]["generation"]
    for place in (
        "spec.states[0].transform: jq cannot compile this",
        "spec.states[0].log: jq cannot compile this: nothing/0 is not defined",
        "spec.states[1].variables[1].key: the name 'a' is already that of",
    ):
        assert place in ready["message"]
    assert obj["status"]["revision"] == first["status"]["revision"]
    assert len(await world.all(DEPLOYMENT)) == 1
    assert await world.look() == obj
    assert world.writes == []


async def test_a_mended_workflow_is_ready(world: World) -> None:
    broken = await world.apply(states=[{**CALL, "transform": "jq(.a |)"}])
    assert "revision" not in broken["status"]

    obj = await world.apply()

    assert condition(obj)["status"] == "True"
    assert condition(obj, "Stalled") is None


async def test_what_the_api_server_refuses_is_said(world: World) -> None:
    nowhere: Object = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}
    function = {"id": "f", "image": "f:1", "pod": {"affinity": {"nodeAffinity": nowhere}}}

    obj = await world.apply(functions=[function])

    ready = condition(obj)
    assert (ready["status"], ready["reason"]) == ("False", "Refused")
    assert "nodeSelectorTerms" in ready["message"]
    assert "revision" not in obj["status"]


async def test_a_secret_of_somebody_else_is_left_alone(world: World, kubectl: Kubectl) -> None:
    kubectl("-n", world.namespace, "create", "secret", "generic", "hello-varflow")

    obj = await world.apply()

    assert condition(obj)["reason"] == "NameTaken"
    secret = await world.cluster.get(SECRET, world.namespace, "hello-varflow")
    assert "data" not in secret
    assert await world.all(DEPLOYMENT) == []


async def test_a_workflow_that_is_gone_is_nothing_to_do(world: World) -> None:
    assert await world.workflows.reconcile(world.namespace, "nobody") is None


# What admission says


@pytest.mark.parametrize(
    "function",
    [
        {"id": "f", "image": "example.org/f:1"},
        EVERYTHING,
        {"id": "f", "image": "example.org/f:1", "pod": {"securityContext": {"runAsUser": 1000}}},
    ],
    ids=["small", "everything", "another user"],
)
async def test_a_function_pod_is_admitted_where_pods_are_restricted(
    world: World, kubectl: Kubectl, function: dict[str, Any]
) -> None:
    label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    await world.cluster.patch(NAMESPACE, None, world.namespace, label)
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    kubectl.in_namespace(world.namespace).apply(account)
    deployment = await world.deployment(await world.apply(functions=[function]))
    pod = {
        "apiVersion": POD.api_version,
        "kind": POD.name,
        **deployment["spec"]["template"],
    }
    pod["metadata"] = {**pod["metadata"], "name": "tried", "namespace": world.namespace}

    kubectl("create", "--dry-run=server", "-f", "-", stdin=orjson.dumps(pod).decode())


# Events


async def test_an_event_leads_to_a_look_and_our_own_writes_to_none(world: World) -> None:
    obj = workflow_object(namespace=world.namespace)
    del obj["metadata"]["uid"], obj["metadata"]["generation"]
    created = await world.cluster.apply(WORKFLOW, obj)
    workflows = world.workflows

    async def status() -> Any:
        return (await world.cluster.get(WORKFLOW, world.namespace, "hello")).get("status")

    async def is_ready() -> bool:
        return bool(await status())

    async def is_mended() -> bool:
        return bool(await world.all(DEPLOYMENT))

    running = asyncio.create_task(workflows.run())
    workflows.observe(None, created)
    await eventually(is_ready, seconds=30)
    name = (await status())["functions"][0]["deployment"]
    await world.cluster.delete(DEPLOYMENT, world.namespace, name)
    workflows.observe("MODIFIED", await world.cluster.get(WORKFLOW, world.namespace, "hello"))
    await asyncio.sleep(0)
    assert await world.all(DEPLOYMENT) == []

    workflows.wake(world.namespace, "hello")
    await eventually(is_mended, seconds=30)
    running.cancel()
