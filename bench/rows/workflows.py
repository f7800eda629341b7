"""Large workflows, run by `varflow run`: how long they take, and how much memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.rows.commands import VARFLOW
from bench.table import Row

Json = Any

FUNCTION = """
import asyncio, os

async def serve(reader, writer):
    while head := await reader.readuntil(b"\\r\\n\\r\\n"):
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\\r\\n")[1:-2])
        await reader.readexactly(int(fields.get(b"content-length", 0)))
        writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(os.environ["PORT"]))
    await server.serve_forever()

asyncio.run(main())
"""
"""Answers many at one time."""

LEVELS, WIDTH = 3, 10
ECHO = {"function": "echo", "input": "jq({n: 1})"}


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run has taken."""

    seconds: float
    peak_bytes: int


def measure(folder: Path, *, is_quick: bool) -> list[Row]:
    """Return the rows of large workflows."""
    few, many = (100, 1000) if is_quick else (1000, 10_000)
    states = 10_000 if is_quick else 100_000
    nothing = _run(folder, _loop(1))
    loops = [_run(folder, _foreach(count)) for count in (few, many)]
    narrow = _run(folder, _foreach(many, parallelism=5))
    nested = _run(folder, *_nested())
    pure = [_run(folder, _loop(count)) for count in (states // 10, states)]
    actions = WIDTH**LEVELS
    return [
        _time("foreach, an element", loops[1], nothing, per=many),
        _time("foreach, an element, parallelism 5", narrow, nothing, per=many),
        _memory(f"foreach, {few:,} elements, peak", loops[0]),
        _memory(f"foreach, {many:,} elements, peak", loops[1]),
        _time(f"parallel in parallel, {LEVELS} x {WIDTH}, an action", nested, nothing, per=actions),
        _memory(f"parallel in parallel, {LEVELS} x {WIDTH}, peak", nested),
        _time("loop of switch and noop, a state", pure[1], nothing, per=states),
        _memory(f"loop of {states // 10:,} states, peak", pure[0]),
        _memory(f"loop of {states:,} states, peak", pure[1]),
    ]


def _time(what: str, cost: Cost, nothing: Cost, *, per: int) -> Row:
    value = (cost.seconds - nothing.seconds) / per * 1e3
    return Row(what=what, value=value, goal=None, unit="ms")


def _memory(what: str, cost: Cost) -> Row:
    return Row(what=what, value=cost.peak_bytes / 2**20, goal=None, unit="MiB")


# Workflows


def _workflow(*states: Json, functions: Json = ()) -> Json:
    return {"direktiv_api": "workflow/v1", "functions": functions, "states": states}


def _foreach(count: int, **given: int) -> Json:
    state = {"id": "each", "type": "foreach", "array": f"jq([range({count})])", "action": ECHO}
    return _workflow({**state, **given}, functions=[_function()])


def _function() -> Json:
    command = [sys.executable, "-c", FUNCTION]
    return {"id": "echo", "image": "echo", "local": {"command": command}}


def _nested() -> list[Json]:
    """Return workflows, each of which calls the next one many times at one time."""
    subflows = [
        {"id": "echo", "type": "subflow", "workflow": f"level-{level}"}
        for level in range(1, LEVELS)
    ]
    state = {"id": "all", "type": "parallel", "actions": [ECHO] * WIDTH}
    return [_workflow(state, functions=[it]) for it in (*subflows, _function())]


def _loop(count: int) -> Json:
    """Return a loop of `count` states that counts in its data."""
    again = {"condition": f"jq(.n < {count // 2})", "transition": "add"}
    return _workflow(
        {"id": "add", "type": "noop", "transform": "jq(.n += 1)", "transition": "test"},
        {"id": "test", "type": "switch", "conditions": [again]},
    )


def _run(folder: Path, *workflows: Json) -> Cost:
    """Run the first of the workflows, which may call the others."""
    paths = [folder / f"level-{level}.yaml" for level in range(len(workflows))]
    for path, workflow in zip(paths, workflows, strict=True):
        path.write_text(json.dumps(workflow))
    command = [str(VARFLOW), "run", *map(str, paths), "--store", f"file://{folder}/store", "--json"]
    started = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--input", '{"n":0}'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}")
    return Cost(time.perf_counter() - started, usage.ru_maxrss * 1024)
