"""Why a function has no pod that could take an action, in the cluster's own words. PURE.

What the scheduler and the kubelet say is kept: `ImagePullBackOff: Back-off pulling image "x"` is
what a person would look for in `kubectl describe`. Waiting reasons of a start that goes well
(`ContainerCreating`, `PodInitializing`) are none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from varflow_operator.kinds import Object

MAX_LENGTH: Final = 500
"""Longest reason, in characters: it stands in the status and in errors."""

_FINE: Final = frozenset({"ContainerCreating", "PodInitializing", ""})


def trouble(status: Object) -> str:
    """Return why a pod does not become ready, from its status; "" when nothing is wrong yet."""
    found = [
        _of_scheduling(status),
        *(_of_container(it) for it in containers(status)),
        _of_pod(status),
    ]
    return _shortened(next(filter(None, found), ""))


def summary(troubles: Iterable[str]) -> str:
    """Return one reason for all pods of a function: the most frequent, with how many have it."""
    counts: dict[str, int] = {}
    for text in filter(None, troubles):
        counts[text] = counts.get(text, 0) + 1
    if not counts:
        return ""
    text = max(counts, key=lambda it: counts[it])
    return text if counts[text] == 1 else f"{text} ({counts[text]} pods)"


def of_deployment(deployment: Object | None) -> str:
    """Return why a Deployment has no pods at all; "" when it does not know."""
    if deployment is None:
        return "NoDeployment: the function's Deployment is not there (yet)"
    for condition in (deployment.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return _shortened(_said(condition))
    return ""


def containers(status: Object) -> list[Mapping[str, Any]]:
    """Return what a pod's status says of each of its containers."""
    return [
        *(status.get("initContainerStatuses") or ()),
        *(status.get("containerStatuses") or ()),
    ]


def _of_scheduling(status: Object) -> str:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return _said(condition)
    return ""


def _of_container(container: Mapping[str, Any]) -> str:
    state = container.get("state") or {}
    waiting = state.get("waiting") or {}
    last = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
    if waiting.get("reason", "") not in _FINE:
        ended = f" (it ended with {_end(last)})" if last else ""
        return f"{_said(waiting)}{ended}"
    if last and not container.get("ready"):  # between two starts, or in one that may end as well
        return f"Crashed: container {container.get('name')} ended with {_end(last)}"
    return ""


def _of_pod(status: Object) -> str:
    """Return why a pod ended: an eviction, a node that was shut down."""
    return _said(status) if status.get("phase") == "Failed" else ""


def _said(entry: Mapping[str, Any]) -> str:
    reason, message = entry.get("reason") or "", entry.get("message") or ""
    return ": ".join(filter(None, (reason, message)))


def _end(terminated: Mapping[str, Any]) -> str:
    reason = terminated.get("reason") or "an error"
    return f"{reason}, exit code {terminated.get('exitCode')}"


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_LENGTH else text[: MAX_LENGTH - 1] + "…"
