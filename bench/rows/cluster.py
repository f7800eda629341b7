"""Workflows on a Kubernetes node, as installed by helm: steps, writes and first answers.

The floors are bare calls of the same API server in the same run: a status PUT of an instance, and a
pod of two containers. Needs what `make e2e` needs.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from bench.crowds import AT_ONCE, NAMESPACE, Crowd
from bench.table import Row
from tests.support import cluster_runs, installation
from tests.support.cluster import images, targets
from tests.support.cluster.kubectl import Kubectl
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import INSTANCE, POD, Kind, Object

MILLI: Final = 1e3
IMAGE: Final = "localhost:5000/echo:v1"
FUNCTION: Final = """
import socket, threading, time

def serve(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while connection.recv(65536):
        body = b'{"at": %r}' % time.monotonic()
        head = b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body)
        connection.sendall(head + body)

server = socket.create_server(("", 8080))
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""
"""Answers with when it was called: from one call to the next is a step."""


def measure(folder: Path, *, is_quick: bool) -> list[Row]:
    """Return the rows of a node, or of the cluster that KUBECONFIG names."""
    images.prepare()
    with targets.using(folder) as target:
        for archive in images.find_archives():
            target.load(archive)
        with installation.installed(target) as installed:
            target.kubectl("create", "namespace", NAMESPACE)
            try:
                return [_installed(installed.seconds), *_run(target.kubectl, is_quick=is_quick)]
            finally:
                target.kubectl("delete", "namespace", NAMESPACE)


def _installed(seconds: float) -> Row:
    return Row(what="helm install to ready", value=seconds, goal=60, unit="s")


def _run(kubectl: Kubectl, *, is_quick: bool) -> list[Row]:
    here = kubectl.in_namespace(NAMESPACE)
    return asyncio.run(_measure_all(here, count=20 if is_quick else 100))


async def _measure_all(kubectl: Kubectl, *, count: int) -> list[Row]:
    async with Cluster.connect(kubeconfig=str(kubectl.kubeconfig)) as cluster:
        return [
            *await _measure_steps(cluster, kubectl, count=count),
            await _measure_crowd(cluster, kubectl, count=10 * count),
            await _measure_first_answers(cluster, kubectl, times=3),
        ]


async def _measure_steps(cluster: Cluster, kubectl: Kubectl, *, count: int) -> list[Row]:
    """Measure a chain of actions in a pod that has answered before."""
    cluster_runs.apply_workflow(kubectl, "steps", **_chain(count))
    await _finish(cluster, workflow="steps")
    runs = [await _finish(cluster, workflow="steps") for _ in range(3)]
    floor = await _status_write_seconds(cluster, runs[-1].instance, times=3 * count)
    steps = [step for run in runs for step in run.steps]
    return [
        Row(
            what="step to step, warm pod, in a cluster, p50",
            value=statistics.median(steps) * MILLI,
            goal=2 * floor * MILLI,
            unit="ms",
            floor=floor * MILLI,
            floor_name="bare status PUT",
        ),
        Row(
            what=f"writes to the instance object, {count} actions",
            value=max(run.writes for run in runs),
            goal=count + 2,
            unit="writes",
        ),
    ]


async def _measure_crowd(cluster: Cluster, kubectl: Kubectl, *, count: int) -> Row:
    """Measure many instances of two actions, from the creation of the first to the last's end."""
    actions = 2
    cluster_runs.apply_workflow(kubectl, "crowd", **_chain(actions))
    model = (await _finish(cluster, workflow="crowd")).instance
    writes = actions + 2
    floor = await _status_writes_per_second(cluster, model, count=count) / writes
    seconds = await Crowd(cluster, count).add(INSTANCE, _one_of_crowd, _is_one_over)
    return Row(
        what=f"{count:,} instances of {actions} actions",
        value=count / seconds,
        goal=0.6 * floor,
        unit="/s",
        floor=floor,
        floor_name=f"{writes} bare status PUTs, {AT_ONCE} at one time",
        is_more_better=True,
    )


def _one_of_crowd(number: int) -> Object:
    metadata = {"namespace": NAMESPACE, "name": f"one-{number}"}
    return {"metadata": metadata, "spec": {"workflow": "crowd"}}


def _is_one_over(instance: Object) -> bool:
    status = instance.get("status", {})
    is_over = instance["metadata"]["name"].startswith("one-") and "completionTime" in status
    if is_over and status["phase"] != "Complete":
        raise SystemExit(f"crowd: {json.dumps(status)}")
    return is_over


def _chain(count: int) -> dict[str, Any]:
    """Return a workflow of `count` actions that collects when they were called."""
    action = {"function": "clock"}
    transform = "jq({times: (.times + [.return.at])})"
    states: list[dict[str, Any]] = [
        {"id": f"s{number}", "type": "action", "action": action, "transform": transform}
        for number in range(count)
    ]
    for before, after in pairwise(states):
        before["transition"] = after["id"]
    return {"functions": [_function()], "states": states}


def _function() -> dict[str, Any]:
    return {"id": "clock", "image": IMAGE, "command": ["python3", "-c", FUNCTION]}


@dataclass(frozen=True, slots=True)
class Run:
    """What was seen of one instance, from its creation to its end."""

    instance: Object
    writes: int
    """How often the object has changed."""
    seconds: float

    @property
    def steps(self) -> list[float]:
        """Seconds from one call of the function to the next."""
        return [
            after - before for before, after in pairwise(self.instance["status"]["output"]["times"])
        ]


async def _finish(cluster: Cluster, *, workflow: str) -> Run:
    """Create an instance and follow it to its end."""
    started = time.perf_counter()
    made = await cluster.create(INSTANCE, _instance(workflow))
    writes = 0
    async for found in _changes(cluster, INSTANCE, made):
        writes += 1
        if found.get("status", {}).get("completionTime"):
            if found["status"]["phase"] != "Complete":
                raise SystemExit(f"{workflow}: {json.dumps(found['status'])}")
            return Run(found, writes, time.perf_counter() - started)
    raise SystemExit(f"{workflow}: the watch has ended before the instance")


def _instance(workflow: str) -> Object:
    metadata = {"namespace": NAMESPACE, "generateName": f"{workflow}-"}
    return {"metadata": metadata, "spec": {"workflow": workflow}}


async def _changes(cluster: Cluster, kind: Kind, made: Object) -> AsyncIterator[Object]:
    """Give every version of an object after the one that was made."""
    name, version = made["metadata"]["name"], made["metadata"]["resourceVersion"]
    fields = f"metadata.name={name}"
    changes = cluster.watch(kind, NAMESPACE, fields=fields, resource_version=version)
    async with contextlib.aclosing(changes) as events:
        async for _, found in events:
            yield found


async def _status_write_seconds(cluster: Cluster, instance: Object, *, times: int) -> float:
    """Return the median of writing an instance's status as it is when it runs."""
    return statistics.median(await _write_status(cluster, instance, times=times))


async def _status_writes_per_second(cluster: Cluster, instance: Object, *, count: int) -> float:
    """Return the rate of writing statuses, `AT_ONCE` at one time."""
    times = count // AT_ONCE
    started = time.perf_counter()
    await asyncio.gather(*(_write_status(cluster, instance, times=times) for _ in range(AT_ONCE)))
    return AT_ONCE * times / (time.perf_counter() - started)


async def _write_status(cluster: Cluster, instance: Object, *, times: int) -> list[float]:
    """Return how long each of so many writes of a status like this instance's took."""
    made = await _wait_for_a_workflow(cluster)
    made["status"] = {**instance["status"], "output": None}
    seconds = []
    for number in range(times):
        made["status"]["step"] = number
        started = time.perf_counter()
        made = await cluster.replace_status(INSTANCE, made)
        seconds.append(time.perf_counter() - started)
    return seconds


async def _wait_for_a_workflow(cluster: Cluster) -> Object:
    """Create an instance that nobody runs; return it once its status says so."""
    made = await cluster.create(INSTANCE, _instance("nobody-runs-this"))
    async for found in _changes(cluster, INSTANCE, made):
        if found.get("status", {}).get("reason"):
            return found
    raise SystemExit("the watch has ended before the operator has looked at an instance")


async def _measure_first_answers(cluster: Cluster, kubectl: Kubectl, *, times: int) -> Row:
    """Measure instances whose function has no pod yet, and bare pods in turns."""
    first, bare = [], []
    for number in range(times):
        cluster_runs.apply_workflow(kubectl, f"first-{number}", **_chain(1))
        first.append((await _finish(cluster, workflow=f"first-{number}")).seconds)
        bare.append(await _pod_seconds(cluster, name=f"bare-{number}"))
    return Row(
        what="first answer of a function without a pod, p50",
        value=statistics.median(first),
        goal=None,
        unit="s",
        floor=statistics.median(bare),
        floor_name="bare pod of two containers",
    )


async def _pod_seconds(cluster: Cluster, *, name: str) -> float:
    """Return how long a pod of two containers needs from its creation until it is ready."""
    started = time.perf_counter()
    made = await cluster.create(POD, _bare_pod(name))
    async for found in _changes(cluster, POD, made):
        conditions = found["status"].get("conditions", ())
        if any((it["type"], it["status"]) == ("Ready", "True") for it in conditions):
            await cluster.delete(POD, NAMESPACE, name)
            return time.perf_counter() - started
    raise SystemExit(f"pod {name}: the watch has ended before it was ready")


def _bare_pod(name: str) -> Object:
    program = ["python3", "-c", "import signal; signal.pause()"]
    containers = [
        {"name": it, "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": program}
        for it in ("one", "two")
    ]
    security = {"runAsNonRoot": True, "runAsUser": 65532}
    spec = {
        "containers": containers,
        "securityContext": security,
        "terminationGracePeriodSeconds": 0,
    }
    return {"metadata": {"namespace": NAMESPACE, "name": name}, "spec": spec}
