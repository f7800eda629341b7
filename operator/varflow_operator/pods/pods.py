"""All function pods of the cluster, as the control plane uses them.

    watch events ──► observe ──► Function (places, queue) ◄── take ── an instance's action
                                     │ how many are in flight
                                     ▼
                              scaling.wanted ──► PATCH Deployment spec.replicas

The API server is asked for nothing while all goes well: pods come by watch, and the number of
replicas is ours alone to write, so it is read once. Everything is kept in memory and made again
from the watch and the Deployments after a restart.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Final

from varflow.errors import ClusterError, ObjectNotFound
from varflow_operator import names
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import DEPLOYMENT, POD, Object
from varflow_operator.observing import DELETED
from varflow_operator.pods import reasons, scaling, states
from varflow_operator.pods.functions import Function, FunctionSettings, Place, Pod
from varflow_operator.pods.states import Address, FunctionKey
from varflow_operator.pods.whereabouts import Whereabouts
from varflow_operator.resources.plans import FunctionPods

_RETRY_SECONDS: Final = 1.0
"""Until scaling is tried again: the Deployment may be about to be made."""

_logger = logging.getLogger(__name__)


class Pods:
    """The registry. Use it from one event loop."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        namespaces: Sequence[str | None] = (None,),
        address: Address = states.action_url,
    ) -> None:
        """Take the cluster whose Deployments are scaled.

        Args:
            cluster: where they are.
            namespaces: which to look at; None means all.
            address: tells where a pod's sidecar answers.
        """
        self._cluster = cluster
        self._namespaces = namespaces
        self._address = address
        self._is_loaded = False
        self._functions: dict[FunctionKey, Function] = {}
        self._scaling: dict[FunctionKey, asyncio.Task[None]] = {}
        self._timers: dict[FunctionKey, asyncio.TimerHandle] = {}
        self.whereabouts = Whereabouts(address=address)
        """Where something may run, whoever has sent it."""

    # What there is

    def observe(self, event_type: str | None, obj: Object) -> None:
        """Take note of a watch event about a pod."""
        key = states.key_of(obj)
        if key is None:
            return
        function, state = self._function(key), states.read(obj, address=self._address)
        self.whereabouts.observe(event_type, obj, state)
        if event_type == DELETED:
            function.forget(state)
        else:
            function.observe(state)

    def note_functions(self, functions: Iterable[FunctionPods]) -> None:
        """Take note of functions that have a Deployment: their minimum is kept from now on."""
        for pods in functions:
            settings = FunctionSettings.of(pods)
            if self._is_loaded and settings.scale.min == 0 and settings.key not in self._functions:
                continue  # it has no pods, and needs none before its first action
            function = self._function(settings.key)
            function.settings = settings
            self._reconsider(function)

    async def load(self) -> None:
        """Learn which pods there are, before anybody asks for one.

        And how many each function should have, to let go of those that nobody uses any more.

        Raises:
            ClusterError: the API server could not say.
        """
        labels = names.selector({names.LABEL_MANAGER: names.MANAGER})
        for namespace in self._namespaces:
            async for pod in self._cluster.list(POD, namespace, labels=labels):
                self.observe(None, pod)
            async for deployment in self._cluster.list(DEPLOYMENT, namespace, labels=labels):
                self._note_deployment(deployment)
        self._is_loaded = True
        for function in list(self._functions.values()):
            self._drop_if_unused(function)

    async def close(self) -> None:
        """Stop scaling."""
        for timer in self._timers.values():
            timer.cancel()
        tasks = list(self._scaling.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Using them

    async def take(self, settings: FunctionSettings) -> Place:
        """Wait for a place in one of a function's pods; have pods started if it needs more."""
        function = self._function(settings.key)
        function.settings = settings
        return await function.take()

    def attach(self, settings: FunctionSettings, pod: Pod) -> Place:
        """Take a place in a pod that has the action already, whether one is free or not."""
        function = self._function(settings.key)
        function.settings = settings
        place = Place(pod, function)
        self._reconsider(function)
        return place

    def is_any_ready(self, key: FunctionKey) -> bool:
        """Tell whether a pod of the function could take an action if it had a place."""
        return any(pod.state.is_ready for pod in self.pods_of(key))

    def pods_of(self, key: FunctionKey) -> list[Pod]:
        """Return the function's pods that can be asked, those that are leaving too."""
        function = self._functions.get(key)
        found = function.pods.values() if function else ()
        return [pod for pod in found if pod.state.url and not pod.gone.is_set()]

    def all_of(self, workflow_uid: str) -> list[Pod]:
        """Return the pods of all functions of a workflow that can be asked."""
        keys = [key for key in self._functions if key.workflow_uid == workflow_uid]
        return [pod for key in keys for pod in self.pods_of(key)]

    def trouble(self, key: FunctionKey) -> str:
        """Return why a function's pods do not start, as far as the pods tell."""
        function = self._functions.get(key)
        return function.trouble if function else ""

    async def explain(self, settings: FunctionSettings) -> str:
        """Return why a function has no pod; asks for its Deployment when no pod tells."""
        if trouble := self.trouble(settings.key):
            return trouble
        try:
            found = await self._cluster.find(DEPLOYMENT, settings.namespace, settings.deployment)
        except ClusterError as error:
            return error.message
        return reasons.of_deployment(found)

    # Scaling

    def _note_deployment(self, deployment: Object) -> None:
        key = states.key_of(deployment)
        if key is not None and (replicas := _replicas(deployment)):
            function = self._function(key)
            function.present = replicas
            self._reconsider(function)

    def _function(self, key: FunctionKey) -> Function:
        found = self._functions.get(key)
        if found is None:
            found = self._functions[key] = Function(key, on_change=self._reconsider)
        return found

    def _reconsider(self, function: Function) -> None:
        """See whether another number of pods is wanted now, and when to look again."""
        if self._drop_if_unused(function) or function.settings is None:
            return
        if function.key not in self._scaling and self._is_off(function):
            self._scaling[function.key] = asyncio.ensure_future(self._scale(function))
        self._look_again_when_idle(function, function.settings)

    def _look_again_when_idle(self, function: Function, settings: FunctionSettings) -> None:
        timer = self._timers.pop(function.key, None)
        if timer is not None:
            timer.cancel()
        if function.in_flight == 0 and (function.present or 0) > settings.scale.min:
            delay = max(0.0, settings.scale.idle_seconds - function.idle_seconds)
            loop = asyncio.get_running_loop()
            self._timers[function.key] = loop.call_later(delay, self._reconsider, function)

    def _is_off(self, function: Function) -> bool:
        """Tell whether the Deployment has to be looked at; a new one without use has not."""
        wanted = self._wanted(function)
        return wanted > 0 if function.present is None else wanted != function.present

    def _wanted(self, function: Function) -> int:
        """Return how many pods a function should have; what it has when it asks for none."""
        settings = function.settings
        assert settings is not None
        return scaling.wanted(
            settings.scale,
            present=function.present or 0,
            in_flight=function.in_flight,
            concurrency=settings.concurrency,
            idle=function.idle_seconds,
        )

    async def _scale(self, function: Function) -> None:
        """Bring the Deployment to what is wanted, also when that changes meanwhile."""
        try:
            while await self._scale_once(function):
                pass
        finally:
            del self._scaling[function.key]
        if function.settings is not None:
            self._look_again_when_idle(function, function.settings)

    async def _scale_once(self, function: Function) -> bool:
        """Say whether there may be more to do."""
        settings = function.settings
        assert settings is not None
        try:
            await self._read_present(function, settings)
            wanted = self._wanted(function)
            if wanted == function.present:
                return False
            await self._write_replicas(function, settings, wanted)
        except ObjectNotFound:
            if function.in_flight == 0:
                self._drop(function)
                return False
            await asyncio.sleep(_RETRY_SECONDS)
        except ClusterError as error:
            _logger.warning("cannot scale %s: %s", settings.deployment, error)
            await asyncio.sleep(_RETRY_SECONDS)
        return True

    async def _read_present(self, function: Function, settings: FunctionSettings) -> None:
        if function.present is None:
            found = await self._cluster.get(DEPLOYMENT, settings.namespace, settings.deployment)
            function.present = _replicas(found)

    async def _write_replicas(
        self, function: Function, settings: FunctionSettings, wanted: int
    ) -> None:
        is_lowering = wanted < (function.present or 0)
        if is_lowering:
            function.begin_lowering()
        try:
            body = {"spec": {"replicas": wanted}}
            await self._cluster.patch(DEPLOYMENT, settings.namespace, settings.deployment, body)
            function.present = wanted
        finally:
            if is_lowering:
                function.end_lowering()

    def _drop_if_unused(self, function: Function) -> bool:
        """Forget a function of which nothing is there and nothing is wanted."""
        settings = function.settings
        is_wanted = not self._is_loaded or (settings is not None and settings.scale.min > 0)
        is_used = bool(function.pods or function.in_flight or function.present)
        if is_wanted or is_used or function.key in self._scaling:
            return False
        self._drop(function)
        return True

    def _drop(self, function: Function) -> None:
        timer = self._timers.pop(function.key, None)
        if timer is not None:
            timer.cancel()
        if not function.pods:
            self._functions.pop(function.key, None)


def _replicas(deployment: Object) -> int:
    replicas = deployment["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)
