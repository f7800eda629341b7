"""Asks the sidecars of a namespace to stop what runs for gone instances, and whether that is over.

    gone instances ─► list the pods ─► ask each that may run something ─► `confirming`

An attempt that runs on unseen finds in its instance's decisions that it must not commit
(`endings`). They can go as soon as no attempt is left, and that is so when every pod has said so.
Why none comes to be afterwards:

- *This operator* runs no actor for the instance: it is asked only for those that it does not know
  and that the API server does not have. An actor that yet begins, with an event that came late,
  writes its first checkpoint before it does anything, and ends on that.
- *An operator before this one*: what it had sent and comes late is refused for its epoch, of which
  a sidecar takes note as it is asked. What this one had sent is refused for its instance.
- *A pod that starts after the list* has nothing that was sent before, and neither has one that was
  listed before it had begun: who led before has ended (`leadership`), and never knew its address.
- *A sidecar's container that starts anew* has lost what ran in it. While it is away its pod does
  not answer, and so has not confirmed.
- *A pod that ended*, as its kubelet says, runs nothing.
- *A pod that is not reached, or that was lost* (`whereabouts`), may run on: nothing is confirmed in
  that namespace, and the decisions stay for `FENCE_SECONDS`.

One case is left: a pod that was deleted by force while no operator ran. Nothing tells of it. If it
runs on out of reach of the cluster, and yet reaches the store, what it left may be committed to the
variables of its workflow and namespace; not after the action's deadline, which every sidecar keeps.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from varflow.errors import ClusterError, VarflowError
from varflow_operator.instances.ending import TAIL_SECONDS
from varflow_operator.instances.ground import Ground
from varflow_operator.pods.whereabouts import Seen
from varflow_operator.sweeping import confirming
from varflow_operator.sweeping.confirming import Answer
from varflow_operator.sweeping.deadlines import FENCE_SECONDS

_PODS_AT_ONCE: Final = 50

_logger = logging.getLogger(__name__)


class Asking:
    """Asks the sidecars."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._places = asyncio.Semaphore(_PODS_AT_ONCE)

    async def confirm(self, namespace: str, gone: frozenset[str]) -> frozenset[str]:
        """Stop what runs for instances that are gone; return those of which nothing is left."""
        try:
            sight = await self._ground.pods.whereabouts.look(self._ground.cluster, namespace)
        except ClusterError as error:
            _logger.info("the pods of %s cannot be asked: %s", namespace, error.message)
            return frozenset()
        answers = await asyncio.gather(*(self._ask(pod, gone) for pod in sight.pods))
        is_any_hidden = sight.is_any_missing or self._is_any_lost(namespace)
        return confirming.confirmed(gone, [*answers, None] if is_any_hidden else answers)

    async def _ask(self, pod: Seen, gone: frozenset[str]) -> Answer:
        if not pod.state.url:
            return None
        token = self._ground.token_of(pod.key.workflow_uid)
        async with self._places:
            try:
                return await self._ground.sidecars.end_instances(
                    pod.state.url, gone, token=token, wait=TAIL_SECONDS
                )
            except VarflowError as error:  # whatever it is, the pod has not said so
                _logger.info("pod %s: %s", pod.state.name, error.message)
                return None

    def _is_any_lost(self, namespace: str) -> bool:
        return self._ground.pods.whereabouts.seconds_since_loss(namespace) < FENCE_SECONDS
