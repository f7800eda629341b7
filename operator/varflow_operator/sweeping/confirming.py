"""Of which gone instances nothing runs any more, as the pods' answers tell. PURE."""

from __future__ import annotations

from collections.abc import Iterable

Answer = frozenset[str] | None
"""The instances of which something still runs in a pod; None when the pod has not said."""


def confirmed(gone: frozenset[str], answers: Iterable[Answer]) -> frozenset[str]:
    """Return the instances of which every pod says that nothing runs; without pods, all of them."""
    left = gone
    for answer in answers:
        left = frozenset() if answer is None else left - answer
    return left
