"""Instances, for people and for programs. PURE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import orjson

from varflow_cli.cluster.views import InstanceView
from varflow_cli.console import streams, tables
from varflow_cli.runs import results

_HEADER: Final = ("NAME", "WORKFLOW", "PHASE", "STATE", "CREATED", "TOOK")


def list_as_text(found: Sequence[InstanceView], *, with_namespace: bool) -> str:
    """Return aligned columns, one instance a line; nothing at all when there are none.

    Where there are subflows, the last column names the instances that have called them.
    """
    if not found:
        return ""
    rows = [_HEADER, *map(_row, found)]
    if any(view.parent for view in found):
        parents = ["PARENT", *(view.parent for view in found)]
        rows = [(*row, parent) for row, parent in zip(rows, parents, strict=True)]
    if with_namespace:
        column = ["NAMESPACE", *(view.namespace for view in found)]
        rows = [(namespace, *row) for namespace, row in zip(column, rows, strict=True)]
    return tables.align(rows)


def list_as_json(found: Sequence[InstanceView]) -> bytes:
    """Return a list of objects, on one line."""
    return orjson.dumps([_object(view) for view in found]) + b"\n"


def as_text(view: InstanceView, output: Any) -> str:
    """Return what is known of an instance, a fact a line, then its last steps and its output."""
    facts = tables.align([*_facts(view)])
    steps = [("STEP", "STATE", "STARTED"), *_steps(view)] if view.steps else []
    parts = [facts, tables.align(steps)]
    if view.has_ended:
        parts.append(f"output\n{results.indent_json(output).decode()}\n")
    return "\n".join(filter(None, parts))


def as_json(view: InstanceView, output: Any) -> bytes:
    """Return one object, on one line."""
    steps = [
        {"step": step.number, "state": step.state, "startedAt": step.started or None}
        for step in view.steps
    ]
    return results.encode_json({**_object(view), "steps": steps, "output": output}) + b"\n"


def _row(view: InstanceView) -> tuple[str, ...]:
    return (view.name, view.workflow, view.phase, view.state, view.created, _took(view))


def _object(view: InstanceView) -> dict[str, Any]:
    error = {"code": view.code, "message": view.message}
    return {
        "name": view.name,
        "namespace": view.namespace,
        "workflow": view.workflow,
        "parent": view.parent or None,
        "revision": view.revision or None,
        "phase": view.phase,
        "state": view.state or None,
        "step": view.step,
        "reason": view.reason or None,
        "createdAt": view.created or None,
        "startedAt": view.started or None,
        "completedAt": view.completed or None,
        "error": error if view.code or view.message else None,
    }


def _facts(view: InstanceView) -> Iterator[tuple[str, str]]:
    revision = f" (revision {view.revision})" if view.revision else ""
    facts = {
        "instance": f"{view.namespace}/{view.name}",
        "workflow": f"{view.workflow}{revision}",
        "subflow of": view.parent,
        "phase": f"{view.phase} (to be cancelled)" if _is_ending(view) else view.phase,
        "waits": view.reason,
        "state": view.state,
        "steps": str(view.step or ""),
        "created": view.created,
        "started": view.started,
        "ended": view.completed,
        "took": _took(view),
        "error": view.error,
    }
    return ((name, streams.visible(fact)) for name, fact in facts.items() if fact)


def _is_ending(view: InstanceView) -> bool:
    return view.is_cancelled and not view.has_ended


def _steps(view: InstanceView) -> Iterator[tuple[str, ...]]:
    return ((str(step.number), step.state, step.started) for step in view.steps)


def _took(view: InstanceView) -> str:
    """Return how long it ran, if it has ended."""
    if not view.started or not view.completed:
        return ""
    took = datetime.fromisoformat(view.completed) - datetime.fromisoformat(view.started)
    return f"{took.total_seconds():g} s"
