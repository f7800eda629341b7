"""Which function pods a workflow has: one kind for each distinct function spec. PURE.

The hash of what a function's pods are made from is part of their Deployment's name. A new revision
that leaves a function alone finds the Deployment there and keeps its pods; one that changes it gets
another, beside the old one, which instances of the old revision go on using. What belongs to the
operator rather than to the function (the sidecar's image, the store) and what does not matter for
running it (`scale`, `files`, `local`) is not in the hash: it changes the template of a Deployment,
or nothing.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any, Final

import orjson

from varflow.engine import timeouts
from varflow.language.states import calls_of
from varflow.language.workflow import (
    ActionState,
    ContainerFunction,
    ForeachState,
    ParallelState,
    Workflow,
)
from varflow_operator import names

_POD_FIELDS: Final = frozenset(
    {
        "id",
        "image",
        "command",
        "args",
        "env",
        "envFrom",
        "resources",
        "size",
        "concurrency",
        "pod",
    }
)
"""The fields of a function that its pods are made from."""
_CALLING: Final = (ActionState, ForeachState, ParallelState)
_SPARE_SECONDS: Final = 60
"""From the longest action's end until the pod is killed: its outputs are committed meanwhile."""
_USUAL_SECONDS: Final = 30
"""When no state says how long the function may take. A program that ignores SIGTERM, as the first
process of a container does unless it has a handler, keeps its pod, and a namespace that is being
deleted, for all of this time; the 15 minutes that an action may take by default would be felt. An
action that is cut off runs again in another pod, and commits once."""
_MIN_SCALE: Final = 0
_MAX_SCALE: Final = 5
_IDLE_SECONDS: Final = 300.0
_HASH_LENGTH: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The Workflow object that pods belong to."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How many pods a function may have, with everything filled in."""

    min: int
    max: int
    idle_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionPods:
    """What the pods of one function spec are made from."""

    owner: Owner
    function: ContainerFunction
    spec: str
    """Hash of the function's spec."""
    grace_seconds: int
    """How long a pod may take to end."""

    @property
    def deployment(self) -> str:
        """Name of the Deployment."""
        return names.deployment(
            self.owner.name, uid=self.owner.uid, function=self.function.id, spec=self.spec
        )

    @property
    def labels(self) -> dict[str, str]:
        """The labels of the Deployment and its pods."""
        return {
            **names.workflow_labels(self.owner.name, self.owner.uid, names.Component.FUNCTION),
            **names.function_labels(self.function.id, self.spec),
        }

    @property
    def selector(self) -> dict[str, str]:
        """The labels that no other Deployment's pods have all of."""
        return {
            names.LABEL_WORKFLOW_UID: self.owner.uid,
            **names.function_labels(self.function.id, self.spec),
        }

    @property
    def scale(self) -> Scale:
        """How many there may be; `min` alone may raise `max`."""
        given = self.function.scale
        least = given.min if given and given.min is not None else _MIN_SCALE
        most = given.max if given and given.max is not None else _MAX_SCALE
        idle = given.idleSeconds if given and given.idleSeconds is not None else _IDLE_SECONDS
        return Scale(min=least, max=max(least, most), idle_seconds=float(idle))


def plan(workflow: Workflow, owner: Owner) -> tuple[FunctionPods, ...]:
    """Return the function pods of a workflow, in the order of its functions."""
    return tuple(
        FunctionPods(
            owner=owner,
            function=function,
            spec=hash_of(function),
            grace_seconds=_grace_seconds(workflow, function.id),
        )
        for function in workflow.functions
        if isinstance(function, ContainerFunction)
    )


def hash_of(function: ContainerFunction) -> str:
    """Return the hash of what a function's pods are made from."""
    made_from = function.model_dump(
        mode="json", by_alias=True, include=set(_POD_FIELDS), exclude_defaults=True
    )
    return digest(made_from)[:_HASH_LENGTH]


def digest(value: Any) -> str:
    """Return the SHA-256 of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _grace_seconds(workflow: Workflow, function: str) -> int:
    """Return the longest time that an action of the function was given, and some to spare."""
    given = [
        state.timeout
        for state in workflow.states
        if isinstance(state, _CALLING)
        and any(action.function == function for action in calls_of(state))
        and state.timeout is not None
    ]
    if not given:
        return _USUAL_SECONDS
    longest = min(max(given), timeouts.limits(workflow.timeouts).kill)
    return math.ceil(longest) + _SPARE_SECONDS
