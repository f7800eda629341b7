"""The command line: how long `--help` takes, and from step to step of a local run."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.table import Row

MILLI = 1e3
VARFLOW = Path(sys.executable).with_name("varflow")
FUNCTION = "from varflow_client import serve; serve(lambda context: context.input)"


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
    """Measure a step by running a chain of `count` and one of a single state."""
    return [_step(folder, name=name, state=state, count=count) for name, state in _STATES.items()]


_STATES: dict[str, dict[str, Any]] = {
    "noop": {"type": "noop", "transform": "jq(.n += 1)"},
    "setter": {
        "type": "setter",
        "variables": [{"key": "n", "scope": "workflow", "value": "jq(.n)"}],
    },
    "action": {"type": "action", "action": {"function": "echo", "input": "jq({n: 1})"}},
}


def _step(folder: Path, *, name: str, state: dict[str, Any], count: int) -> Row:
    long, short = (_run(folder, name=name, state=state, count=size) for size in (count + 1, 1))
    return Row(
        what=f"step to step, local, {name}",
        value=(long - short) / count * MILLI,
        goal=2,
        unit="ms",
    )


def _run(folder: Path, *, name: str, state: dict[str, Any], count: int) -> float:
    path = folder / f"{name}-{count}.yaml"
    path.write_text(json.dumps(_chain(state, count)))
    store = f"file://{folder}/store"
    return _timed(
        [str(VARFLOW), "run", str(path), "--store", store, "--json", "--input", '{"n":0}']
    )


def _chain(state: dict[str, Any], count: int) -> dict[str, Any]:
    """Return a workflow of `count` equal states, one after the other."""
    states = [{"id": f"s{index}", **state} for index in range(count)]
    for before, after in pairwise(states):
        before["transition"] = after["id"]
    command = [sys.executable, "-c", FUNCTION]
    function = {"id": "echo", "image": "echo", "local": {"command": command}}
    return {"direktiv_api": "workflow/v1", "functions": [function], "states": states}


def _timed(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - started
