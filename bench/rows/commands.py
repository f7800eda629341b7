"""The command line: how long `--help` takes, and from step to step of a local run."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.table import Row

MILLI = 1e3
VARFLOW = Path(sys.executable).with_name("varflow")
FUNCTION = """
import os, socket, time

times = open(os.environ["BENCH_TIMES"], "a", buffering=1)
server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True:
    connection, _ = server.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while request := connection.recv(65536):
        print(time.monotonic(), file=times)
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
"""
"""Notes when it is called: from one call to the next is a step. Bare sockets, since what a function
takes for itself is not a step's cost."""


def measure(folder: Path, *, is_quick: bool) -> list[Row]:
    """Return the rows of the command line."""
    return [_help(times=5 if is_quick else 20), *_steps(folder, count=50 if is_quick else 400)]


def _help(*, times: int) -> Row:
    bare = statistics.median(_timed([sys.executable, "-c", ""]) for _ in range(times))
    value = statistics.median(_timed([str(VARFLOW), "--help"]) for _ in range(times))
    return Row(
        what="varflow --help",
        value=value * MILLI,
        goal=150,
        unit="ms",
        floor=bare * MILLI,
        floor_name="python -c ''",
    )


def _steps(folder: Path, *, count: int) -> list[Row]:
    """Measure steps in chains of `count` equal states."""
    return [
        *(_step(folder, name=name, count=count) for name in ("noop", "setter")),
        _action_step(folder, count=count),
    ]


_STATES: dict[str, dict[str, Any]] = {
    "noop": {"type": "noop", "transform": "jq(.n += 1)"},
    "setter": {
        "type": "setter",
        "variables": [{"key": "n", "scope": "workflow", "value": "jq(.n)"}],
    },
    "action": {"type": "action", "action": {"function": "echo", "input": "jq({n: 1})"}},
}


def _step(folder: Path, *, name: str, count: int) -> Row:
    """Measure a chain's length against a single state: the mean, which no timestamps disturb."""
    long, short = (_run(folder, name=name, count=size) for size in (count + 1, 1))
    value = (long - short) / count * MILLI
    return Row(what=f"step to step, local, {name}, mean", value=value, goal=2, unit="ms")


def _action_step(folder: Path, *, count: int) -> Row:
    _run(folder, name="action", count=count + 1)
    times = [float(line) for line in (folder / "times").read_text().splitlines()]
    value = statistics.median(after - before for before, after in pairwise(times)) * MILLI
    return Row(what="step to step, local, action, p50", value=value, goal=2, unit="ms")


def _run(folder: Path, *, name: str, count: int) -> float:
    path = folder / f"{name}-{count}.yaml"
    path.write_text(json.dumps(_chain(_STATES[name], count)))
    store = f"file://{folder}/store"
    return _timed(
        [str(VARFLOW), "run", str(path), "--store", store, "--json", "--input", '{"n":0}'],
        environ={"BENCH_TIMES": str(folder / "times")},
    )


def _chain(state: dict[str, Any], count: int) -> dict[str, Any]:
    """Return a workflow of `count` equal states, one after the other."""
    states = [{"id": f"s{index}", **state} for index in range(count)]
    for before, after in pairwise(states):
        before["transition"] = after["id"]
    command = [sys.executable, "-c", FUNCTION]
    function = {"id": "echo", "image": "echo", "local": {"command": command}}
    return {"direktiv_api": "workflow/v1", "functions": [function], "states": states}


def _timed(command: list[str], *, environ: Mapping[str, str] | None = None) -> float:
    started = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True, env={**os.environ, **(environ or {})})
    return time.perf_counter() - started
