"""How many pods a function should have. PURE.

    busy   as many as the actions that run or wait need, never fewer than there are
    idle   after `idleSeconds` the minimum

Pods are added with the first action that needs them and taken away only all at once, when nothing
runs or waits: Kubernetes chooses itself which pods go, and it does not know which are at work.
"""

from __future__ import annotations

import math

from varflow_operator.resources.plans import Scale


def wanted(scale: Scale, *, present: int, in_flight: int, concurrency: int, idle: float) -> int:
    """Return how many pods there should be.

    Args:
        scale: the function's bounds.
        present: how many were asked for before.
        in_flight: actions that run or wait.
        concurrency: how many a pod takes at a time.
        idle: seconds since the last one ended.
    """
    if in_flight == 0:
        return scale.min if idle >= scale.idle_seconds else max(present, scale.min)
    needed = math.ceil(in_flight / concurrency)
    return max(present, min(max(needed, scale.min), scale.max))
