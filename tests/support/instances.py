"""Instances on a real API server, with real sidecar processes in the place of function pods.

    World     a namespace, a store in a folder, Workflow objects as the operator makes them
    Operator  the part of the control plane that runs instances, which can be killed at any point
    FakePod   a Pod object that says where a sidecar's process and a function of the test answer

No node is needed: pods are made by hand, and an annotation says where their sidecar answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tests.support import encryption, sidecars
from tests.support.definitions import PLATFORM, workflow_object
from varflow.contract import SidecarSettings
from varflow.errors import ClusterUnavailable, ObjectExists
from varflow.language.evaluating import Evaluator
from varflow.logs import StoreLog
from varflow.variables.encryption.keyrings import KeyRing
from varflow.variables.scopes import Address, Owners, Scope
from varflow.variables.stores.base import ObjectStore
from varflow.variables.stores.file import FileStore
from varflow.variables.variables import Variables
from varflow_operator.cluster import Cluster
from varflow_operator.instances.blueprints import Blueprints
from varflow_operator.instances.crashpoints import CrashPoint
from varflow_operator.instances.definitions import Definitions
from varflow_operator.instances.ground import Ground
from varflow_operator.instances.instances import Instances
from varflow_operator.instances.sightings import Sightings
from varflow_operator.kinds import DEPLOYMENT, INSTANCE, NAMESPACE, POD, WORKFLOW, Kind, Object
from varflow_operator.metrics import Metrics
from varflow_operator.observing import Observer
from varflow_operator.ownership import Ownership
from varflow_operator.pods.pods import Pods
from varflow_operator.pods.sidecars import Sidecars
from varflow_operator.resources.plans import FunctionPods, Owner, plan
from varflow_operator.sweeping.sweeper import Sweeper
from varflow_operator.workflows import reading
from varflow_operator.workflows.reconciling import Workflows
from varflow_operator.workflows.revisions import Revisions
from varflow_sidecar.web import serving

URL = "test.varflow.dev/url"
"""Annotation of a pod: where its sidecar answers."""
SERVICE_ACCOUNT = Kind("", "v1", "ServiceAccount", "serviceaccounts")

Json = Any
Handler = Callable[["Call"], Awaitable[Json]]

_epochs = itertools.count(1)


def address(pod: Object) -> str:
    """Return where a pod's sidecar answers."""
    return str((pod["metadata"].get("annotations") or {}).get(URL, ""))


def token_of(workflow_uid: str) -> str:
    """Return the token of a workflow's sidecars."""
    return f"token of {workflow_uid}".replace(" ", "-")


@dataclass(slots=True)
class Call:
    """One POST that a function received."""

    input: Json
    headers: dict[str, str]
    pod: str

    @property
    def folder(self) -> Path:
        return Path(self.headers["Direktiv-TempDir"])

    def write(self, scope: str, key: str, data: bytes) -> None:
        (self.folder / "out" / scope / key).write_bytes(data)


@dataclass(slots=True)
class Function:
    """What the pods of a function do, and what they have seen."""

    handler: Handler
    calls: list[Call] = field(default_factory=list)
    deletes: list[str] = field(default_factory=list)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)

    def app(self, pod: str) -> web.Application:
        """Return the function in one pod."""

        async def post(request: web.Request) -> web.Response:
            call = Call(await request.json(), dict(request.headers), pod)
            self.calls.append(call)
            return web.json_response(await self.handler(call))

        async def delete(request: web.Request) -> web.Response:
            self.deletes.append(request.headers["Direktiv-ActionID"])
            return web.Response()

        app = web.Application()
        app.router.add_post("/", post)
        app.router.add_delete("/", delete)
        return app

    @property
    def keys(self) -> list[str]:
        """The idempotency keys of the calls."""
        return [call.headers["Varflow-Idempotency-Key"] for call in self.calls]


@dataclass(slots=True)
class FakePod:
    """A Pod object, its sidecar's process, and its function."""

    name: str
    settings: SidecarSettings
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.action_port}"

    def start(self) -> None:
        """Run the sidecar, once more if it has been killed."""
        self.process = _spawn(self.settings)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    async def until_ready(self) -> None:
        await sidecars.eventually(self._is_ready, seconds=20)

    async def until_idle(self) -> None:
        """Wait until it has done all that it was sent."""
        url = f"http://127.0.0.1:{self.settings.metrics_port}/idle"
        async with aiohttp.ClientSession() as http, http.get(url) as response:
            assert response.status == 200

    async def _is_ready(self) -> bool:
        url = f"http://127.0.0.1:{self.settings.metrics_port}/readyz"
        with contextlib.suppress(aiohttp.ClientError):
            async with aiohttp.ClientSession() as http, http.get(url) as response:
                return response.status == 200
        return False


def _spawn(settings: SidecarSettings) -> subprocess.Popen[bytes]:
    with open(f"{settings.shared_dir}.log", "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "varflow_sidecar"],
            env={**os.environ, **settings.encode()},
            stdout=log,
            stderr=log,
        )


class Killed(BaseException):
    """The control plane ends here."""


class Operator:
    """A control plane that runs instances until it is killed."""

    def __init__(self, world: World, *, epoch: int | None = None, **settings: Any) -> None:
        self.epoch = next(_epochs) if epoch is None else epoch
        self.reached: list[CrashPoint] = []
        self.ground: Ground
        self.instances: Instances
        self.sweeper: Sweeper
        self._world = world
        self._settings = settings
        self._fatal: CrashPoint | None = None
        self._died = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def die_at(self, point: CrashPoint) -> Operator:
        """End when this point is passed."""
        self._fatal = point
        return self

    def start(self) -> Operator:
        self._task = asyncio.create_task(self._run())
        return self

    @property
    def is_complete(self) -> bool:
        """It has seen every instance."""
        return hasattr(self, "instances") and self.instances.complete.is_set()

    async def kill(self) -> None:
        """End it, wherever it is."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def until_dead(self, *, seconds: float = 20) -> None:
        """Wait until the point was passed, and end everything."""
        async with asyncio.timeout(seconds):
            await self._died.wait()
        await self.kill()

    def _passed(self, point: CrashPoint) -> None:
        self.reached.append(point)
        if self._died.is_set() or point is self._fatal:
            self._died.set()
            raise asyncio.CancelledError

    async def _run(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            self.ground = await self._make_ground(stack)
            namespaces = (self._world.namespace,)
            self.instances = Instances(self.ground, namespaces=namespaces)
            self.sweeper = Sweeper(self.ground, self.instances, namespaces=namespaces)
            self.instances.tell(deleted=self.sweeper.note_deleted, released=lambda *_: None)
            self.ground.definitions.tell(gone=self.instances.lose_workflow)
            watched: list[tuple[Kind, Observer]] = [
                (WORKFLOW, self.ground.definitions),
                (POD, self.ground.pods),
                (INSTANCE, self.instances),
                (INSTANCE, self.ground.sightings),
            ]
            async with asyncio.TaskGroup() as group:
                for kind, observer in watched:
                    group.create_task(self._watch(kind, observer))
                group.create_task(self.instances.run())
                group.create_task(self.sweeper.run())

    async def _watch(self, kind: Kind, observer: Observer) -> None:
        while True:
            found = self.ground.cluster.watch(kind, self._world.namespace)
            with contextlib.suppress(ClusterUnavailable):  # other tests may install kinds
                async with contextlib.aclosing(found) as events:
                    async for event_type, obj in events:
                        observer.observe(event_type, obj)
            await asyncio.sleep(0.05)

    async def _make_ground(self, stack: contextlib.AsyncExitStack) -> Ground:
        world = self._world
        cluster = await stack.enter_async_context(world.connect())
        variables = Variables(world.make_store(), writer="operator")
        await variables.open()
        stack.push_async_callback(variables.close)
        log = StoreLog(variables.store, note_dropped=lambda: None)
        stack.push_async_callback(log.close)
        pods = Pods(cluster, address=address)
        stack.push_async_callback(pods.close)
        return Ground(
            **{
                "cluster": cluster,
                "variables": variables,
                "evaluator": await stack.enter_async_context(Evaluator()),
                "log": log,
                "metrics": Metrics(),
                "pods": pods,
                "sidecars": await stack.enter_async_context(Sidecars(epoch=self.epoch)),
                "ownership": Ownership(cluster),
                "definitions": Definitions(),
                "sightings": Sightings(),
                "blueprints": Blueprints(Revisions(cluster)),
                "token_of": token_of,
                "epoch": self.epoch,
                "pending_seconds": 20.0,
                "passed": self._passed,
                **self._settings,
            }
        )


@dataclass(slots=True)
class World:
    """A namespace of a real API server, a store, and what runs."""

    kubeconfig: Path
    namespace: str
    folder: Path
    cluster: Cluster
    stack: contextlib.AsyncExitStack
    writes: list[str] = field(default_factory=list)
    """Writes of instance objects, by anybody."""
    requests: Counter[tuple[str, Kind]] = field(default_factory=Counter)
    """What operators have asked of the API server."""
    function: Function = field(default_factory=lambda: Function(_echo))
    pods: dict[str, FakePod] = field(default_factory=dict)
    keys: KeyRing | None = None
    """With which everything is encrypted."""

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def make_store(self) -> ObjectStore:
        """Return a driver of one's own, not yet opened."""
        driver = FileStore(self.store)
        return encryption.encrypted(driver, self.keys) if self.keys else driver

    def connect(self) -> contextlib.AbstractAsyncContextManager[Cluster]:
        """Return a connection that counts what it writes to instances."""
        return Cluster.connect(kubeconfig=str(self.kubeconfig), observe=self._observe)

    def _observe(self, verb: str, kind: Kind, status: int, seconds: float) -> None:
        self.requests[verb, kind] += 1
        if kind is INSTANCE and verb in {"update", "patch"}:
            self.writes.append(f"{verb} {status}")

    # Control planes

    def operator(self, **settings: Any) -> Operator:
        """Return one with an epoch of its own; not started."""
        operator = Operator(self, **settings)
        self.stack.push_async_callback(_kill_if_alive, operator)
        return operator

    # Objects

    async def workflow(self, *states: Json, name: str = "hello", **spec: Json) -> Object:
        """Write a Workflow, and make what the operator makes of it."""
        obj = workflow_object(name=name, namespace=self.namespace, states=states, **spec)
        del obj["metadata"]["uid"], obj["metadata"]["generation"]
        await self.cluster.apply(WORKFLOW, obj)
        workflows = Workflows(
            self.cluster, platform=PLATFORM, token=token_of, live_revisions=lambda _: None
        )
        await workflows.reconcile(self.namespace, name)
        return await self.cluster.get(WORKFLOW, self.namespace, name)

    async def pod(self, workflow: Object, *, name: str = "pod-0", is_ready: bool = True) -> FakePod:
        """Make a pod of the workflow's first function, with a sidecar that runs."""
        pods = function_pods(workflow)
        pod = await self._start_pod(name, workflow["metadata"]["uid"], pods)
        await self._create_pod(pod, pods, is_ready=is_ready)
        return pod

    async def instance(self, workflow: str = "hello", *, name: str = "one", **spec: Json) -> Object:
        """Make a WorkflowInstance."""
        metadata = {"name": name, "namespace": self.namespace}
        body = {"metadata": metadata, "spec": {"workflow": workflow, **spec}}
        return await self.cluster.create(INSTANCE, body)

    async def patch(self, name: str = "one", **body: Json) -> None:
        """Change an instance as a user does."""
        await self.cluster.patch(INSTANCE, self.namespace, name, body)

    async def delete(self, name: str = "one") -> None:
        await self.cluster.delete(INSTANCE, self.namespace, name)

    async def replicas(self, workflow: Object) -> int:
        """Return how many pods the workflow's first function is to have."""
        name = function_pods(workflow).deployment
        found = await self.cluster.get(DEPLOYMENT, self.namespace, name)
        return int(found["spec"]["replicas"])

    async def until_replicas(self, workflow: Object, number: int) -> None:
        async def holds() -> bool:
            return await self.replicas(workflow) == number

        await sidecars.eventually(holds, seconds=20)

    async def look(self, name: str = "one") -> Object:
        return await self.cluster.get(INSTANCE, self.namespace, name)

    async def until(
        self, holds: Callable[[Json], object], *, name: str = "one", seconds: float = 30
    ) -> Object:
        """Wait until something holds for an instance's status, and return the object."""
        async with asyncio.timeout(seconds):
            while True:
                obj = await self.look(name)
                if holds(obj.get("status") or {}):
                    return obj
                await asyncio.sleep(0.02)

    async def end(self, name: str = "one", *, seconds: float = 30) -> Json:
        """Wait for an instance's end and return its status."""
        obj = await self.until(is_over, name=name, seconds=seconds)
        return obj["status"]

    # The store

    async def owners(self, name: str = "one") -> Owners:
        """Return an instance's place in the store."""
        obj = await self.look(name)
        return await self.owners_of(obj)

    async def owners_of(self, obj: Object) -> Owners:
        cluster = await self.cluster.get(NAMESPACE, None, "kube-system")
        namespace = await self.cluster.get(NAMESPACE, None, self.namespace)
        workflow = await self.cluster.get(
            WORKFLOW, self.namespace, obj["spec"].get("workflow", obj["metadata"]["name"])
        )
        return Owners(
            cluster=cluster["metadata"]["uid"],
            namespace=namespace["metadata"]["uid"],
            workflow=workflow["metadata"]["uid"],
            instance=obj["metadata"]["uid"],
        )

    @contextlib.asynccontextmanager
    async def variables(self) -> AsyncIterator[Variables]:
        variables = Variables(self.make_store())
        await variables.open()
        try:
            yield variables
        finally:
            await variables.close()

    async def read(self, owners: Owners, scope: Scope, key: str) -> bytes | None:
        async with self.variables() as variables:
            found = await variables.get(Address(owners, scope, key))
            return None if found is None else await found.bytes()

    async def paths(self, part: str = "") -> list[str]:
        """Return the paths in the store that have `part` in them."""
        async with self.variables() as variables:
            return [it.path async for it in variables.store.list("") if part in it.path]

    async def body(self, path: str) -> bytes:
        """Return the bytes of an object of the store."""
        async with self.variables() as variables:
            return b"".join([chunk async for chunk in variables.store.read_body(path)])

    async def until_gone(self, part: str) -> None:
        """Wait until no path in the store has `part` in it."""

        async def holds() -> bool:
            return not await self.paths(part)

        await sidecars.eventually(holds, seconds=20)

    # Pods

    async def _start_pod(self, name: str, uid: str, pods: FunctionPods) -> FakePod:
        port = await self._serve(self.function.app(name))
        settings = SidecarSettings(
            store=f"file://{self.store}",
            encryption_keys=self.keys.encode() if self.keys else "",
            token=token_of(uid),
            shared_dir=str(self.folder / name),
            function_port=port,
            action_port=free_port(),
            variable_port=free_port(),
            metrics_port=free_port(),
            concurrency=pods.function.concurrency,
            cancel_grace_seconds=0.3,
            function_start_seconds=5,
        )
        pod = FakePod(name, settings, _spawn(settings))
        self.pods[name] = pod
        self.stack.callback(pod.kill)
        await pod.until_ready()
        return pod

    async def _create_pod(self, pod: FakePod, pods: FunctionPods, *, is_ready: bool) -> None:
        with contextlib.suppress(ObjectExists):
            account = {"metadata": {"name": "default", "namespace": self.namespace}}
            await self.cluster.create(SERVICE_ACCOUNT, account)
        await self.cluster.create(
            POD,
            {
                "metadata": {
                    "name": pod.name,
                    "namespace": self.namespace,
                    "labels": pods.labels,
                    "annotations": {URL: pod.url},
                },
                "spec": {
                    "containers": [{"name": "function", "image": "example.org/f:1"}],
                    "automountServiceAccountToken": False,
                },
            },
        )
        await self.set_ready(pod.name, is_ready=is_ready)

    async def set_ready(self, name: str, *, is_ready: bool) -> None:
        """Say what the kubelet would."""
        obj = await self.cluster.get(POD, self.namespace, name)
        ready = {"type": "Ready", "status": "True" if is_ready else "False"}
        obj["status"] = {"phase": "Running", "podIP": "127.0.0.1", "conditions": [ready]}
        await self.cluster.replace_status(POD, obj)

    async def say(self, name: str, *, waiting: Json) -> None:
        """Say what the kubelet would of a container that does not start."""
        obj = await self.cluster.get(POD, self.namespace, name)
        container = {"name": "function", "state": {"waiting": waiting}, "image": "i"}
        obj["status"]["containerStatuses"] = [
            {**container, "imageID": "", "ready": False, "restartCount": 0}
        ]
        await self.cluster.replace_status(POD, obj)

    async def delete_pod(self, name: str) -> None:
        """Remove a pod at once, with what runs in it."""
        self.pods[name].kill()
        await self.lose_pod(name)

    async def lose_pod(self, name: str) -> None:
        """Remove a pod's object by force; what runs in it goes on."""
        await self.cluster.delete(POD, self.namespace, name)

    async def _serve(self, app: web.Application) -> int:
        sockets = serving.bind(0, hosts=("127.0.0.1",))
        await self.stack.enter_async_context(serving.serve(app, sockets))
        return serving.port_of(sockets)


@contextlib.asynccontextmanager
async def world(kubeconfig: Path, namespace: str, folder: Path) -> AsyncIterator[World]:
    """Give a world in a namespace that is there."""
    async with contextlib.AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(Cluster.connect(kubeconfig=str(kubeconfig)))
        yield World(kubeconfig, namespace, folder, cluster, stack)


async def until(holds: Callable[[], bool], *, seconds: float = 20) -> None:
    """Wait until something holds."""
    await sidecars.eventually(holds, seconds=seconds)


async def _kill_if_alive(operator: Operator) -> None:
    if operator._task is not None:
        await operator.kill()


async def _echo(call: Call) -> Json:
    return {"got": call.input}


class Gate:
    """A function that waits until it is let go."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()

    async def __call__(self, call: Call) -> Json:
        call.write("workflow", "x", b"1")
        await self.opened.wait()
        return {"pod": call.pod}


def is_over(status: Json) -> bool:
    """Tell whether a status says that the instance has ended."""
    return any(
        it["type"] == "Completed" and it["status"] == "True"
        for it in status.get("conditions") or ()
    )


def function_pods(workflow: Object) -> FunctionPods:
    """Return what the pods of a Workflow's first function are made from."""
    metadata = workflow["metadata"]
    owner = Owner(namespace=metadata["namespace"], name=metadata["name"], uid=metadata["uid"])
    return plan(reading.read(workflow, is_compiled=True), owner)[0]


def free_port() -> int:
    """Return a port that nobody uses."""
    sockets = serving.bind(0, hosts=("127.0.0.1",))
    try:
        return serving.port_of(sockets)
    finally:
        for bound in sockets:
            bound.close()


def action(id: str = "call", *, function: str = "f", **fields: Json) -> Json:
    """Return an action state."""
    given = fields.pop("action", {})
    return {"id": id, "type": "action", "action": {"function": function, **given}, **fields}
