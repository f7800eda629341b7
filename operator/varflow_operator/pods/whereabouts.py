"""In which pods of a namespace something may run, also such as nobody uses any more.

    watch events ──► observe ──► those that there are, and when one was lost
                                     │
    look ──► list the API server ────┴──► Sight

A pod is *lost* when its object goes away although nobody has said that its containers had ended:
it was deleted by force, since its node is out of reach, and may go on there. A kubelet that takes a
pod away says first that it has ended. What was lost while no operator ran, or before this one
began, cannot be known: no trace of it is left.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from dataclasses import dataclass

from varflow_operator import names
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import POD, Object
from varflow_operator.observing import DELETED
from varflow_operator.pods import states
from varflow_operator.pods.states import Address, FunctionKey, PodState

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """A pod in which something may run."""

    key: FunctionKey
    state: PodState


@dataclass(frozen=True, slots=True)
class Sight:
    """The pods of a namespace in which something may run, as the API server has them."""

    pods: tuple[Seen, ...]
    is_any_missing: bool
    """One that the watch still shows is not there; what became of it will be known soon."""


class Whereabouts:
    """Where something may run."""

    def __init__(self, *, address: Address) -> None:
        self._address = address
        self._there: defaultdict[str, set[str]] = defaultdict(set)
        """UIDs of pods in which something may run, by namespace."""
        self._lost_at: dict[str, float] = {}
        """When a pod was lost last, by namespace."""

    def observe(self, event_type: str | None, pod: Object, state: PodState) -> None:
        """Take note of a watch event about a function pod."""
        namespace = pod["metadata"]["namespace"]
        there = self._there[namespace]
        if event_type == DELETED and state.may_run and state.uid in there:
            _logger.info("pod %s/%s went away without having ended", namespace, state.name)
            self._lost_at[namespace] = time.monotonic()
        if event_type != DELETED and state.may_run:
            there.add(state.uid)
        else:
            there.discard(state.uid)
        if not there:
            del self._there[namespace]

    def seconds_since_loss(self, namespace: str) -> float:
        """Return how long ago a pod of a namespace was lost, as far as that was seen."""
        lost_at = self._lost_at.get(namespace)
        return float("inf") if lost_at is None else time.monotonic() - lost_at

    async def look(self, cluster: Cluster, namespace: str) -> Sight:
        """Ask the API server for the pods in which something may run.

        Raises:
            ClusterError: it could not say.
        """
        before = set(self._there.get(namespace, ()))
        labels = names.selector({names.LABEL_MANAGER: names.MANAGER})
        pods = [pod async for pod in cluster.list(POD, namespace, labels=labels)]
        listed = {pod["metadata"]["uid"] for pod in pods}
        still = self._there.get(namespace, set())
        return Sight(
            pods=tuple(seen for pod in pods if (seen := self._see(pod)) and seen.state.may_run),
            is_any_missing=bool((before & still) - listed),
        )

    def _see(self, pod: Object) -> Seen | None:
        key = states.key_of(pod)
        return None if key is None else Seen(key, states.read(pod, address=self._address))
