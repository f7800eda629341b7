"""Variable objects on a real API server: what gets into the store, and what comes out again."""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from tests.support.cluster.control_plane import ApiServer
from tests.support.definitions import variable_object, workflow_object
from tests.support.sidecars import eventually
from varflow.errors import StoreUnavailable
from varflow.variables.scopes import Address, Scope
from varflow.variables.stores.base import Versioned
from varflow.variables.stores.memory import MemoryStore
from varflow.variables.variables import Variable, Variables
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import CONFIG_MAP, SECRET, VARIABLE, WORKFLOW, Kind, Object
from varflow_operator.ownership import Ownership
from varflow_operator.variables.declaring import DeclaredVariables

WRITES = {"create", "apply", "update", "patch", "delete"}
CANARY = "the-canary-value"


class SometimesAway(MemoryStore):
    """A store that cannot be reached while it is told so."""

    is_away = False
    refused = 0

    async def get(self, path: str) -> Versioned | None:
        if self.is_away:
            self.refused += 1
            raise StoreUnavailable("the store cannot be reached")
        return await super().get(path)


@dataclass
class World:
    """A namespace, a store, and the operator's part that is tested."""

    cluster: Cluster
    namespace: str
    variables: Variables
    store: SometimesAway
    writes: list[str] = field(default_factory=list)
    declared: DeclaredVariables = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self, clock: Callable[[], float] = time.time) -> None:
        """Forget everything, as a new operator has."""
        ownership = Ownership(self.cluster)
        self.declared = DeclaredVariables(self.cluster, self.variables, ownership, clock=clock)

    async def apply(self, **spec: Any) -> Object:
        """Write a Variable as a user does, and have it looked at."""
        obj = variable_object(namespace=self.namespace, **spec)
        del obj["metadata"]["uid"], obj["metadata"]["generation"]
        await self.cluster.apply(VARIABLE, obj)
        return await self.look()

    async def apply_workflow(self) -> Object:
        obj = workflow_object(namespace=self.namespace)
        del obj["metadata"]["uid"], obj["metadata"]["generation"]
        return await self.cluster.apply(WORKFLOW, obj)

    async def put(self, kind: Kind, name: str, **fields: Any) -> None:
        metadata = {"name": name, "namespace": self.namespace}
        await self.cluster.apply(kind, {"metadata": metadata, **fields})

    async def look(self, name: str = "greeting") -> Object:
        """Have a Variable looked at, and return it as it is then."""
        self.writes.clear()
        await self.declared.reconcile(self.namespace, name)
        return await self.cluster.get(VARIABLE, self.namespace, name)

    async def delete(self) -> Object:
        """Delete the Variable, and tell the operator."""
        obj = await self.cluster.get(VARIABLE, self.namespace, "greeting")
        await self.cluster.delete(VARIABLE, self.namespace, "greeting")
        await self.declared.remove(obj["metadata"]["uid"])
        return obj

    async def address(self, key: str = "greeting", workflow: Object | None = None) -> Address:
        """Return where a variable is, found out in the operator's way."""
        uid = workflow["metadata"]["uid"] if workflow else ""
        scope = Scope.WORKFLOW if workflow else Scope.NAMESPACE
        account = {"metadata": {"uid": self.namespace, "namespace": self.namespace}}
        return Address(await Ownership(self.cluster).of(account, workflow=uid), scope, key)

    async def stored(
        self, key: str = "greeting", workflow: Object | None = None
    ) -> Variable | None:
        return await self.variables.get(await self.address(key, workflow))

    async def value(self, key: str = "greeting", workflow: Object | None = None) -> bytes | None:
        found = await self.stored(key, workflow)
        return await found.bytes() if found else None


@pytest.fixture
async def world(api_server: ApiServer, namespace: str) -> AsyncIterator[World]:
    writes: list[str] = []

    def observe(verb: str, kind: Kind, status: int, seconds: float) -> None:
        if verb in WRITES:
            writes.append(f"{verb} {kind.name}")

    store = SometimesAway()
    variables = Variables(store, writer="operator")
    await variables.open()
    async with Cluster.connect(kubeconfig=str(api_server.kubeconfig), observe=observe) as cluster:
        yield World(cluster, namespace, variables, store, writes)
    await variables.close()


def condition(obj: Object, kind: str = "Ready") -> Any:
    return next((it for it in obj["status"]["conditions"] if it["type"] == kind), None)


# Declaring


@pytest.mark.parametrize(
    ("spec", "data", "content_type"),
    [
        ({"value": {"a": [1, None]}}, b'{"a":[1,null]}', "application/json"),
        ({"value": None}, b"null", "application/json"),
        ({"text": "hi"}, b"hi", "text/plain; charset=utf-8"),
        ({"base64": "AAE="}, b"\0\1", "application/octet-stream"),
        ({"text": "<p>", "contentType": "text/html"}, b"<p>", "text/html"),
    ],
    ids=["json", "null", "text", "base64", "type given"],
)
async def test_a_declared_value_is_in_the_store(
    world: World, spec: dict[str, Any], data: bytes, content_type: str
) -> None:
    obj = await world.apply(**spec)
    found = await world.stored()

    assert found is not None
    assert (await found.bytes(), found.content_type) == (data, content_type)
    assert condition(obj)["reason"] == "Stored"
    assert {**obj["status"], "conditions": []} == {
        "observedGeneration": 1,
        "revision": found.rev,
        "size": len(data),
        "sha256": found.sha256,
        "conditions": [],
    }


async def test_a_second_look_writes_nothing_anywhere(world: World) -> None:
    first = await world.apply(text="hello", ttlSeconds=3600)

    assert await world.look() == first
    world.restart()
    assert await world.look() == first
    assert world.writes == []


async def test_an_expiry_is_stored_and_shown(world: World) -> None:
    obj = await world.apply(text="hello", ttlSeconds=3600)
    found = await world.stored()

    assert found is not None
    assert found.expires_at is not None
    assert obj["status"]["expiresAt"].startswith("20")


async def test_what_has_expired_stays_away_while_its_object_stays(world: World) -> None:
    """PE-41; the status says when it was."""
    await world.apply(text="hello", ttlSeconds=1)

    async def is_gone() -> bool:
        return await world.stored() is None

    await eventually(is_gone)
    world.restart()
    obj = await world.look()
    assert not await world.value()
    assert datetime.fromisoformat(obj["status"]["expiresAt"]) <= datetime.now(UTC)


async def test_what_a_function_wrote_stays_until_another_value_is_declared(world: World) -> None:
    """PE-40."""
    await world.apply(text="declared")
    await world.variables.set(await world.address(), b"by a function")

    world.restart()
    await world.look()
    await world.apply(text="declared", deletionPolicy="Retain")
    assert await world.value() == b"by a function"

    await world.apply(text="declared anew")
    assert await world.value() == b"declared anew"


async def test_a_seed_is_written_once(world: World) -> None:
    """PE-40."""
    await world.apply(text="seed", overwrite="Never")
    assert await world.value() == b"seed"
    await world.variables.set(await world.address(), b"grown")

    await world.apply(text="another seed", overwrite="Never")

    assert await world.value() == b"grown"


async def test_a_seed_leaves_what_was_there_before(world: World) -> None:
    await world.variables.set(await world.address(), b"older")

    obj = await world.apply(text="seed", overwrite="Never")
    await world.delete()

    assert condition(obj)["reason"] == "Kept"
    assert "revision" not in obj["status"]
    assert await world.value() == b"older"


# Values from elsewhere


async def test_a_value_comes_from_a_config_map_and_follows_it(world: World) -> None:
    source = {"configMapKeyRef": {"name": "c", "key": "k"}}
    await world.put(CONFIG_MAP, "c", data={"k": "one"})
    await world.apply(valueFrom=source)
    assert await world.value() == b"one"

    await world.put(CONFIG_MAP, "c", data={"k": "two"})
    assert await world.declared.reconcile(world.namespace, "greeting") == 60.0

    assert await world.value() == b"two"


async def test_a_source_that_is_not_there_is_waited_for(world: World) -> None:
    source = {"secretKeyRef": {"name": "s", "key": "k"}}
    obj = await world.apply(valueFrom=source)
    assert condition(obj)["reason"] == "SourceNotFound"
    assert condition(obj, "Reconciling")["status"] == "True"

    await world.put(SECRET, "s", data={"other": ""})
    assert "no key 'k'" in condition(await world.look())["message"]

    await world.put(SECRET, "s", data={"k": base64.b64encode(b"there").decode()})
    assert condition(await world.look())["status"] == "True"
    assert await world.value() == b"there"


async def test_nothing_shows_a_secret(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await world.put(SECRET, "s", data={"k": base64.b64encode(CANARY.encode()).decode()})

    source = {"secretKeyRef": {"name": "s", "key": "k"}}
    obj = await world.apply(secret=True, valueFrom=source)

    found = await world.stored()
    assert found is not None
    assert await found.bytes() == CANARY.encode()
    shown = orjson.dumps(obj).decode() + caplog.text
    for hidden in (CANARY, base64.b64encode(CANARY.encode()).decode(), found.sha256):
        assert hidden not in shown


# Scopes


async def test_a_workflows_variable_waits_for_the_workflow(world: World) -> None:
    spec = {"scope": "workflow", "workflowRef": {"name": "hello"}, "text": "hi"}
    obj = await world.apply(**spec)
    assert condition(obj)["reason"] == "WorkflowNotFound"
    assert obj["status"]["observedGeneration"] == 1

    workflow = await world.apply_workflow()

    assert condition(await world.look())["status"] == "True"
    assert await world.value(workflow=workflow) == b"hi"


@pytest.mark.parametrize("overwrite", ["IfChanged", "Never"])
@pytest.mark.parametrize("is_seen", [True, False], ids=["seen", "while no operator ran"])
async def test_a_workflow_made_anew_gets_the_value_again(
    world: World, overwrite: str, is_seen: bool
) -> None:
    await world.apply_workflow()
    world.restart(lambda: time.time() - 60)
    spec = {"scope": "workflow", "workflowRef": {"name": "hello"}, "text": "hi"}
    await world.apply(**spec, overwrite=overwrite)
    await world.cluster.delete(WORKFLOW, world.namespace, "hello")
    if is_seen:
        assert "revision" not in (await world.look())["status"]
    world.restart()
    workflow = await world.apply_workflow()

    first = await world.look()

    assert await world.value(workflow=workflow) == b"hi"
    assert await world.look() == first
    assert world.writes == []


# Deleting


@pytest.mark.parametrize(("policy", "left"), [("Delete", None), ("Retain", b"hi")])
async def test_a_value_ends_with_its_object_unless_it_is_retained(
    world: World, policy: str, left: bytes | None
) -> None:
    await world.apply(text="hi", deletionPolicy=policy)

    await world.delete()

    assert await world.value() == left


async def test_a_value_that_a_function_changed_outlives_the_object(world: World) -> None:
    await world.apply(text="hi")
    await world.variables.set(await world.address(), b"by a function")

    await world.delete()

    assert await world.value() == b"by a function"


async def test_a_restarted_operator_still_removes_the_value(world: World) -> None:
    await world.apply(text="hi")
    world.restart()
    await world.look()

    await world.delete()

    assert await world.value() is None


async def test_a_successor_of_the_same_name_keeps_its_value(world: World) -> None:
    first = await world.apply(text="hi")
    await world.cluster.delete(VARIABLE, world.namespace, "greeting")
    await world.apply(text="hi")

    await world.declared.remove(first["metadata"]["uid"])

    assert await world.value() == b"hi"


# What fails


async def test_an_unreachable_store_is_said_and_tried_again(world: World) -> None:
    world.store.is_away = True
    with pytest.raises(StoreUnavailable):
        await world.apply(text="hi")
    obj = await world.cluster.get(VARIABLE, world.namespace, "greeting")
    assert condition(obj)["reason"] == "StoreUnavailable"
    assert condition(obj, "Reconciling")["status"] == "True"

    world.store.is_away = False

    assert condition(await world.look())["status"] == "True"
    assert await world.value() == b"hi"


async def test_a_value_that_is_too_large_is_said(world: World) -> None:
    world.variables = Variables(world.store, max_bytes=3)
    world.restart()

    obj = await world.apply(text="hello")

    assert condition(obj)["reason"] == "TooLarge"
    assert condition(obj, "Stalled")["status"] == "True"


async def test_a_wrong_object_is_said(world: World) -> None:
    source = {"secretKeyRef": {"name": "hello-varflow", "key": "VARFLOW_TOKEN"}}

    obj = await world.apply(valueFrom=source)

    assert condition(obj)["reason"] == "InvalidSpec"
    assert "spec.valueFrom.secretKeyRef.name" in condition(obj)["message"]


# Events


async def test_events_lead_to_looks_until_all_is_done(world: World) -> None:
    obj = variable_object(
        namespace=world.namespace, scope="workflow", workflowRef={"name": "hello"}, text="hi"
    )
    del obj["metadata"]["uid"], obj["metadata"]["generation"]
    created = await world.cluster.apply(VARIABLE, obj)

    async def says(reason: str) -> bool:
        found = await world.cluster.get(VARIABLE, world.namespace, "greeting")
        return bool(found.get("status")) and condition(found)["reason"] == reason

    running = asyncio.create_task(world.declared.run())
    world.declared.observe("ADDED", created)
    await eventually(lambda: says("WorkflowNotFound"), seconds=30)
    workflow = await world.apply_workflow()
    world.declared.observe_workflow("ADDED", workflow)
    await eventually(lambda: says("Stored"), seconds=30)
    world.store.is_away = True
    world.declared.observe("DELETED", created)
    await eventually(lambda: world.store.refused > 0, seconds=30)
    world.store.is_away = False

    async def is_gone() -> bool:
        return await world.value(workflow=workflow) is None

    await eventually(is_gone, seconds=30)
    running.cancel()


async def test_a_secret_is_refused_where_nothing_is_encrypted(world: World) -> None:
    await world.put(SECRET, "login", data={"password": base64.b64encode(b"hunter2").decode()})
    world.declared = DeclaredVariables(
        world.cluster, world.variables, Ownership(world.cluster), keeps_secrets=False
    )

    reference = {"secretKeyRef": {"name": "login", "key": "password"}}
    obj = await world.apply(secret=True, valueFrom=reference)

    (ready, stalled) = obj["status"]["conditions"]
    assert (ready["type"], ready["reason"]) == ("Ready", "EncryptionOff")
    assert (stalled["type"], stalled["status"]) == ("Stalled", "True")
    assert await world.value() is None
