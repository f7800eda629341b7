"""What an operator takes of its machine: with nothing to do, with definitions, with instances.

It runs as a process beside a real API server and a real S3 server; nothing starts pods there, so
the instances wait in a `delay`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from bench import usage
from bench.crowds import NAMESPACE, Crowd
from bench.processes import IN_AN_IMAGE
from bench.table import Row
from tests.support import operators
from tests.support.cluster import control_plane, keeping, places, programs, s3_servers
from tests.support.cluster.kubectl import Kubectl
from tests.support.operators import OperatorProcess
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import INSTANCE, WORKFLOW, Object

MIB: Final = 1 << 20
_IDLE_SECONDS: Final = 20.0
_SETTLE_SECONDS: Final = 5.0
"""What follows the last change: events of our own writes, log lines that are put together."""

_IMPORTS: Final = """
import os
import boto3, kopf
import varflow_operator.__main__, varflow_operator.composition, varflow_operator.handlers
import varflow.variables.stores.s3
with open("/proc/self/statm") as file:
    print(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
"""


def measure(folder: Path, *, is_quick: bool) -> list[Row]:
    """Return the rows of an operator process."""
    with (
        keeping.using("control", folder / "control") as control,
        keeping.using("s3", folder / "s3") as s3,
    ):
        server = s3_servers.decode(s3)
        kubectl = _prepare(control_plane.decode(control).kubeconfig)
        environ = (
            operators.settings(NAMESPACE, kubectl.kubeconfig, folder)
            | IN_AN_IMAGE
            | {
                "VARFLOW_STORE": f"s3://{s3_servers.make_bucket(server)}?endpoint={server.endpoint}",
                "VARFLOW_LEASE_SECONDS": "15",
                "VARFLOW_LOG_LEVEL": "info",
                "AWS_ACCESS_KEY_ID": server.access_key_id,
                "AWS_SECRET_ACCESS_KEY": server.secret_access_key,
            }
        )
        return asyncio.run(_measure_all(kubectl, environ, count=100 if is_quick else 1000))


def _prepare(kubeconfig: Path) -> Kubectl:
    kubectl = Kubectl(programs.find_for_control_plane("kubectl"), kubeconfig)
    kubectl("apply", "--server-side", "--filename", str(places.ROOT / "crds"))
    kubectl("wait", "--for=condition=Established", "crd", "--all")
    kubectl("create", "namespace", NAMESPACE)
    return kubectl


async def _measure_all(kubectl: Kubectl, environ: dict[str, str], *, count: int) -> list[Row]:
    async with (
        Cluster.connect(kubeconfig=str(kubectl.kubeconfig)) as cluster,
        _running(environ) as operator,
    ):
        crowd, pid = Crowd(cluster, count), operator.process.pid
        imports = _imports_bytes()
        idle = await _settled(pid)
        await crowd.add(WORKFLOW, _workflow, _is_judged)
        with_workflows = await _settled(pid)
        load = await _idle_load(pid)
        seconds = await crowd.add(INSTANCE, _instance, _is_running)
        with_instances = await _settled(pid)
        jq = sum(map(usage.resident_bytes, usage.children(pid)))
        return [
            _memory("operator memory, nothing to do", idle, imports, more=40),
            _memory(f"operator memory, {count:,} workflows", with_workflows, imports, more=40),
            _memory(f"operator memory, {count:,} live instances", with_instances, imports, more=70),
            Row(what="its jq workers, together", value=jq / MIB, goal=None, unit="MiB"),
            Row(what="operator idle, share of a core", value=100 * load, goal=2, unit="%"),
            Row(what=f"{count:,} instances started", value=count / seconds, goal=None, unit="/s"),
        ]


def _memory(what: str, value: int, imports: int, *, more: int) -> Row:
    floor = imports / MIB
    return Row(
        what=what,
        value=value / MIB,
        goal=floor + more,
        unit="MiB",
        floor=floor,
        floor_name="its imports",
    )


@contextlib.asynccontextmanager
async def _running(environ: dict[str, str]) -> AsyncIterator[OperatorProcess]:
    operator = await OperatorProcess.start(environ)
    try:
        await operator.until_ready("leading")
        yield operator
    finally:
        await operator.kill()


async def _settled(pid: int) -> int:
    """Return a process's resident bytes, some seconds after its last change."""
    await asyncio.sleep(_SETTLE_SECONDS)
    return usage.resident_bytes(pid)


def _workflow(number: int) -> Object:
    states = [{"id": "wait", "type": "delay", "duration": "PT1H", "log": "jq(.)"}]
    return {"metadata": _metadata(number), "spec": {"states": states}}


def _is_judged(workflow: Object) -> bool:
    return bool(workflow.get("status", {}).get("conditions"))


def _instance(number: int) -> Object:
    return {"metadata": _metadata(number), "spec": {"workflow": f"bench-{number}"}}


def _is_running(instance: Object) -> bool:
    return bool(instance.get("status", {}).get("phase") == "Running")


def _metadata(number: int) -> Object:
    return {"namespace": NAMESPACE, "name": f"bench-{number}"}


async def _idle_load(pid: int) -> float:
    """Return the share of a core that it takes when nothing changes."""
    before = usage.processor_seconds(pid)
    await asyncio.sleep(_IDLE_SECONDS)
    return (usage.processor_seconds(pid) - before) / _IDLE_SECONDS


def _imports_bytes() -> int:
    """Return the memory of a process that has imported what the operator imports."""
    command = [sys.executable, "-c", _IMPORTS]
    environ = {**os.environ, **IN_AN_IMAGE}
    done = subprocess.run(command, capture_output=True, check=True, env=environ)
    return int(done.stdout)
