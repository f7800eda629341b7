"""The life of the operator's process, from its settings to its end.

    health server ─► login ─► Secrets ─► store, its probe ─► Lease (standby) ─► watches, workers
    SIGTERM: no more events ─► workers stop where they are ─► the Lease is given back ─► exit

Actions that run go on in their sidecars; the next leader finds them there. When a watch or a worker
ends by itself, the process ends too and the kubelet starts it again: half an operator would look
alive and do nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Sequence
from typing import Any, Final

from varflow_operator import credentials, handlers, observing, storing
from varflow_operator.cluster import Cluster
from varflow_operator.leadership import Leadership
from varflow_operator.metrics import Metrics
from varflow_operator.observing import Feed
from varflow_operator.ownership import Ownership
from varflow_operator.parts import Compose, Parts, Supplies, Worker
from varflow_operator.readiness import Readiness
from varflow_operator.settings import OperatorSettings
from varflow_operator.signals import Stopping
from varflow_operator.storing import StoreWatch
from varflow_operator.web.app import create_app, serve

_STOP_SECONDS: Final = 5.0
"""How long what was told to stop is waited for; well within a pod's grace period."""

_logger = logging.getLogger(__name__)


async def run(settings: OperatorSettings, compose: Compose) -> None:
    """Operate until a signal comes.

    Raises:
        InvalidInput: the store's URL names none.
        VarflowError: the cluster or the store cannot be used.
        OSError: the port is taken.
    """
    process = _Process(settings, compose)
    process.stopping.install()
    app = create_app(process.metrics, process.readiness)
    async with serve(app, port=settings.metrics_port) as port:
        _logger.info("answering on port %d", port)
        await _until_first_end([process.operate(), process.stopping.wait()])


class _Process:
    def __init__(self, settings: OperatorSettings, compose: Compose) -> None:
        self.metrics = Metrics()
        self.readiness = Readiness()
        self.stopping = Stopping()
        self._settings = settings
        self._compose = compose

    async def operate(self) -> None:
        """Get everything ready, wait for the Lease, and work until cancelled."""
        async with contextlib.AsyncExitStack() as stack:
            supplies = await self._prepare(stack)
            self.readiness.wait_for("looking for the Lease")
            await stack.enter_async_context(supplies.leadership.hold())
            self.metrics.is_leader.set(1)
            self.readiness.wait_for("beginning to watch")
            parts = await stack.enter_async_context(self._compose(supplies))
            await self._work(supplies, parts)

    async def _prepare(self, stack: contextlib.AsyncExitStack) -> Supplies:
        settings, insist = self._settings, storing.Insisting(self.readiness)
        observe = self.metrics.observe_request
        cluster = await stack.enter_async_context(Cluster.connect(observe=observe))
        # of its own, so that renewals never queue behind the workers' requests
        lease_cluster = await stack.enter_async_context(Cluster.connect(observe=observe))
        found = await insist("Secrets", lambda: credentials.load(cluster, settings))
        leadership = Leadership(
            lease_cluster,
            namespace=settings.namespace,
            pod_name=settings.pod_name,
            seconds=settings.lease_seconds,
            note=self._stand_by,
        )
        guarded = cluster.guarded(lambda: leadership.is_held)
        ownership = Ownership(guarded)
        variables, keys = await insist(
            "store", lambda: storing.open_variables(settings, found, guarded, ownership)
        )
        stack.push_async_callback(variables.close)
        verdict = await storing.Judging(insist, self.readiness, self.metrics).judge(
            variables.store, accepts_unsafe=settings.accepts_unsafe_store
        )
        return Supplies(
            settings=settings,
            cluster=guarded,
            variables=variables,
            verdict=verdict,
            keys=keys,
            ownership=ownership,
            credentials=found,
            leadership=leadership,
            metrics=self.metrics,
        )

    async def _work(self, supplies: Supplies, parts: Parts) -> None:
        feeds = [Feed(subscription, self.metrics) for subscription in parts.subscriptions]
        namespaces = self._settings.watch_namespaces
        await _until_first_end(
            [
                handlers.watch(supplies.cluster, feeds, namespaces, started=self._start),
                observing.resync_forever(feeds, supplies.cluster, namespaces or (None,)),
                StoreWatch(supplies.variables.store, self.metrics).run(),
                *(_endlessly(worker) for worker in parts.workers),
            ]
        )

    def _stand_by(self, trouble: str) -> None:
        if trouble:
            self.readiness.wait_for(f"Lease: {trouble}")
        else:
            self.readiness.set("standby: another replica leads")

    def _start(self) -> None:
        self.stopping.install()  # kopf has just taken the signals
        self.readiness.set("leading")


async def _endlessly(worker: Worker) -> None:
    await worker.run()
    raise RuntimeError(f"{type(worker).__name__} has ended by itself")


async def _until_first_end(endless: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run all until one ends; then cancel the others, and end as it did."""
    tasks = [asyncio.create_task(coroutine) for coroutine in endless]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        _, hanging = await asyncio.wait(tasks, timeout=_STOP_SECONDS)
        for task in hanging:
            _logger.error("%s does not stop", task.get_coro())
    for task in done:
        task.result()
