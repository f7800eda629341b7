"""`/var` requests, an action's fixed cost, and what an idle sidecar takes."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from bench import floors, load, usage
from bench.processes import Sidecar, running_bare_server, running_sidecar
from bench.table import Row

VALUE = bytes(range(256)) * 4
MIB = 1 << 20
MILLI = 1e3


def measure(folder: Path, *, is_quick: bool) -> list[Row]:
    """Return the rows of one sidecar process over a file store."""
    requests = 3000 if is_quick else 20_000
    wake = floors.wake_seconds()
    with running_sidecar(folder) as sidecar:
        rows = [*_idle(sidecar), *_actions(sidecar, times=100 if is_quick else 500)]
        action, _ = sidecar.dispatch({"hold": True}, wait=0)
        path = f"/var?aid={action}&scope=workflow&key=value"
        rows.append(_wake(wake))
        rows += _writes(sidecar, path, folder=folder, requests=requests // 10, wake=wake)
        return rows + _reads(sidecar, path, folder=folder, requests=requests, wake=wake)


def _wake(seconds: float) -> Row:
    reference = floors.REFERENCE_WAKE_SECONDS * MILLI
    return Row(
        what="waking the other core, there and back",
        value=seconds * MILLI,
        goal=None,
        unit="ms",
        floor=reference,
        floor_name="where the goals were set",
    )


def _extra(wake: float) -> float:
    """Return the milliseconds by which this machine's wake-ups prolong any request."""
    return max(0.0, wake - floors.REFERENCE_WAKE_SECONDS) * MILLI


def _idle(sidecar: Sidecar) -> list[Row]:
    memory = usage.resident_bytes(sidecar.pid) / MIB
    return [
        Row(what="sidecar idle memory, file store", value=memory, goal=48, unit="MiB"),
        Row(what="sidecar ready after exec", value=sidecar.ready_seconds, goal=0.5, unit="s"),
    ]


def _actions(sidecar: Sidecar, *, times: int) -> list[Row]:
    bare = load.run(load.post("/", b"{}"), sidecar.settings.function_port, requests=times)
    latencies = [_timed_action(sidecar) for _ in range(times)]
    return [
        Row(
            what="action, warm, no files or outputs, p50",
            value=statistics.median(latencies) * MILLI,
            goal=3,
            unit="ms",
            floor=bare.p50_seconds * MILLI,
            floor_name="calling the function",
        )
    ]


def _timed_action(sidecar: Sidecar) -> float:
    started = time.perf_counter()
    sidecar.dispatch({})
    return time.perf_counter() - started


def _writes(sidecar: Sidecar, path: str, *, folder: Path, requests: int, wake: float) -> list[Row]:
    floor = floors.durable_write_seconds(folder) * MILLI
    measured = load.run(
        load.post(path, VALUE), sidecar.settings.variable_port, connections=1, requests=requests
    )
    floor = min(floor, floors.durable_write_seconds(folder) * MILLI)
    return [
        Row(
            what="POST 1 KiB, durable, p50",
            value=measured.p50_seconds * MILLI,
            goal=1.3 * floor + 0.15 + _extra(wake),
            unit="ms",
            floor=floor,
            floor_name="write+fsync+rename+fsync",
        )
    ]


def _reads(sidecar: Sidecar, path: str, *, folder: Path, requests: int, wake: float) -> list[Row]:
    request, port = load.get(path), sidecar.settings.variable_port
    (folder / "value").write_bytes(VALUE)
    with running_bare_server(folder / "value") as bare_port:
        bare = load.run(load.get("/bare"), bare_port, requests=requests)
        bare_many = load.run(load.get("/bare"), bare_port, connections=16, requests=requests * 2)
    one = load.run(request, port, requests=requests)
    many = load.run(request, port, connections=16, requests=requests * 2)
    floor = bare.p50_seconds * MILLI
    return [
        Row(
            what="GET 1 KiB, p50",
            value=one.p50_seconds * MILLI,
            goal=0.12 + _extra(wake),
            unit="ms",
            floor=floor,
            floor_name="bare handler",
        ),
        Row(
            what="GET 1 KiB, p50 over the bare handler's",
            value=one.p50_seconds / bare.p50_seconds,
            goal=1.8,
            unit="x",
        ),
        Row(
            what="GET 1 KiB, 16 connections, one core",
            value=many.per_second,
            goal=12_000,
            unit="/s",
            floor=bare_many.per_second,
            floor_name="bare handler",
            is_more_better=True,
        ),
    ]
