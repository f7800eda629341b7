"""`/var` requests, an action's fixed cost, and what an idle sidecar takes; without keys and with.

Encryption is on in clusters unless somebody turns it off: the rows with keys are what is met there.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from bench import floors, load, usage
from bench.processes import KEYS, Sidecar, note_of, running_bare_server, running_sidecar
from bench.table import Row

VALUE = bytes(range(256)) * 4
MIB = 1 << 20
MILLI = 1e3


def measure(folder: Path, *, is_quick: bool) -> list[Row]:
    """Return the rows of one sidecar process over a file store, and of one with keys."""
    requests = 3000 if is_quick else 20_000
    wake = floors.wake_seconds()
    return [
        _wake(wake),
        *_one(folder, keys="", requests=requests, wake=wake),
        *_one(folder, keys=KEYS, requests=requests, wake=wake),
    ]


def _one(folder: Path, *, keys: str, requests: int, wake: float) -> list[Row]:
    own = Path(tempfile.mkdtemp(dir=folder))
    note = note_of(keys)
    with running_sidecar(own, keys=keys) as sidecar:
        rows = [*_idle(sidecar, note), *_actions(sidecar, note, times=requests // 40)]
        action, _ = sidecar.dispatch({"hold": True}, wait=0)
        path = f"/var?aid={action}&scope=workflow&key=value"
        rows += _writes(sidecar, path, note, folder=own, requests=requests // 10, wake=wake)
        return rows + _reads(sidecar, path, note, folder=own, requests=requests, wake=wake)


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


def _idle(sidecar: Sidecar, note: str) -> list[Row]:
    memory = usage.resident_bytes(sidecar.pid) / MIB
    return [
        Row(what=f"sidecar idle memory, file store{note}", value=memory, goal=48, unit="MiB"),
        Row(
            what=f"sidecar ready after exec{note}",
            value=sidecar.ready_seconds,
            goal=0.5,
            unit="s",
        ),
    ]


def _actions(sidecar: Sidecar, note: str, *, times: int) -> list[Row]:
    bare = load.run(load.post("/", b"{}"), sidecar.settings.function_port, requests=times)
    latencies = [_timed_action(sidecar) for _ in range(times)]
    return [
        Row(
            what=f"action, warm, no files or outputs, p50{note}",
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


def _writes(
    sidecar: Sidecar, path: str, note: str, *, folder: Path, requests: int, wake: float
) -> list[Row]:
    floor = floors.durable_write_seconds(folder) * MILLI
    measured = load.run(
        load.post(path, VALUE), sidecar.settings.variable_port, connections=1, requests=requests
    )
    floor = min(floor, floors.durable_write_seconds(folder) * MILLI)
    return [
        Row(
            what=f"POST 1 KiB, durable, p50{note}",
            value=measured.p50_seconds * MILLI,
            goal=1.3 * floor + 0.15 + _extra(wake),
            unit="ms",
            floor=floor,
            floor_name="write+fsync+rename+fsync",
        )
    ]


def _reads(
    sidecar: Sidecar, path: str, note: str, *, folder: Path, requests: int, wake: float
) -> list[Row]:
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
            what=f"GET 1 KiB, p50{note}",
            value=one.p50_seconds * MILLI,
            goal=0.12 + _extra(wake),
            unit="ms",
            floor=floor,
            floor_name="bare handler",
        ),
        Row(
            what=f"GET 1 KiB, p50 over the bare handler's{note}",
            value=one.p50_seconds / bare.p50_seconds,
            goal=1.8,
            unit="x",
        ),
        Row(
            what=f"GET 1 KiB, 16 connections, one core{note}",
            value=many.per_second,
            goal=12_000,
            unit="/s",
            floor=bare_many.per_second,
            floor_name="bare handler",
            is_more_better=True,
        ),
    ]
