"""What a Pod object says about a function pod. PURE.

Only what choosing a pod and explaining its absence need is kept: of a pod's JSON, some ten
kilobytes, a few hundred bytes stay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from varflow.contract import ACTION_PORT
from varflow_operator import names
from varflow_operator.kinds import Object
from varflow_operator.pods import reasons

_ENDED: Final = frozenset({"Succeeded", "Failed"})
"""Phases of a pod that runs no more, although its object is still there (an eviction)."""

_COLLECTED: Final = "DeletionByPodGC"
"""Reason of a pod that was declared ended because its node was not there."""


@dataclass(frozen=True, slots=True)
class FunctionKey:
    """Which function's pods: the labels that only they have."""

    workflow_uid: str
    function: str
    """As a label's value."""
    spec: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PodState:
    """One pod."""

    uid: str
    name: str
    url: str
    """Where its sidecar takes actions; empty while it has no address."""
    is_ready: bool
    is_leaving: bool
    """It is being deleted: it ends what it has and takes no more."""
    is_over: bool
    """Nothing of it runs any more."""
    may_run: bool
    """A container of it may run, or may have been left running where nobody sees it."""
    trouble: str
    """Why it does not start, as the kubelet or the scheduler says; empty when it may yet."""


Address = Callable[[Object], str]
"""Tells the URL of a pod's sidecar from the Pod object, or "" while there is none."""


def action_url(pod: Object) -> str:
    """Return where a pod's sidecar takes actions."""
    ip = (pod.get("status") or {}).get("podIP") or ""
    if not ip:
        return ""
    return f"http://[{ip}]:{ACTION_PORT}" if ":" in ip else f"http://{ip}:{ACTION_PORT}"


def key_of(pod: Object) -> FunctionKey | None:
    """Return which function a pod belongs to; None for a pod of somebody else."""
    labels = pod["metadata"].get("labels") or {}
    if labels.get(names.LABEL_MANAGER) != names.MANAGER or names.LABEL_SPEC not in labels:
        return None
    return FunctionKey(
        workflow_uid=labels.get(names.LABEL_WORKFLOW_UID, ""),
        function=labels.get(names.LABEL_FUNCTION, ""),
        spec=labels[names.LABEL_SPEC],
    )


def read(pod: Object, *, address: Address) -> PodState:
    """Return what is kept of a pod."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    is_leaving = bool(metadata.get("deletionTimestamp"))
    is_over = status.get("phase") in _ENDED
    url = address(pod)
    return PodState(
        uid=metadata["uid"],
        name=metadata["name"],
        url=url,
        is_ready=bool(url) and not is_leaving and not is_over and _is_ready(status),
        is_leaving=is_leaving,
        is_over=is_over,
        may_run=_may_run(pod, url),
        trouble=reasons.trouble(status),
    )


def _may_run(pod: Object, url: str) -> bool:
    """Tell whether something may run in a pod; in one of which nothing is said, too."""
    status = pod.get("status")
    if status is None:
        return True
    if status.get("phase") in _ENDED:
        return any(map(_is_given_up, status.get("conditions") or ()))
    return bool(url) or any(map(_has_begun, reasons.containers(status)))


def _is_given_up(condition: Object) -> bool:
    """Tell whether others than its kubelet have declared a pod ended."""
    return condition.get("type") == "DisruptionTarget" and condition.get("reason") == _COLLECTED


def _has_begun(container: Mapping[str, Any]) -> bool:
    """Tell whether a container has run, now or before."""
    return any(
        "running" in state or "terminated" in state
        for state in (container.get("state") or {}, container.get("lastState") or {})
    )


def _is_ready(status: Object) -> bool:
    return any(
        condition.get("type") == "Ready" and condition.get("status") == "True"
        for condition in status.get("conditions") or ()
    )
