"""The operator's store: opened however long that takes, probed, and looked at from time to time.

An embedded S3 server starts at the same time as the operator, and one elsewhere can be away when
the operator starts again. Neither is a reason to end. Nor is a store that the probe has found to
lie: the operator stays not ready and says why, and probes again, since servers are mended and
replaced; unless whoever has installed it accepts what is lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from varflow.errors import ClusterError, StoreError, StoreUnavailable
from varflow.variables import layouts
from varflow.variables.encryption import wrapping
from varflow.variables.encryption.policies import Policy
from varflow.variables.probe import probing
from varflow.variables.probe.promises import Verdict
from varflow.variables.stores import opening
from varflow.variables.stores.base import ObjectStore
from varflow.variables.variables import Variables
from varflow_operator.cluster import Cluster
from varflow_operator.credentials import OperatorCredentials
from varflow_operator.encryption.keeping import NamespaceKeys
from varflow_operator.metrics import Metrics
from varflow_operator.ownership import Ownership
from varflow_operator.readiness import Readiness
from varflow_operator.settings import OperatorSettings

T = TypeVar("T")

_FIRST_PAUSE_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 3.0
_LOOK_SECONDS: Final = 30.0
_PROBE_SECONDS: Final = 60.0
"""From one probe of a store that lies to the next."""
_ACCEPT: Final = "VARFLOW_ACCEPT_UNSAFE_STORE=true (store.acceptUnsafe of the chart)"

_logger = logging.getLogger(__name__)


class Insisting:
    """Asks again for as long as the cluster or the store is in the way, and says what it is."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness

    async def __call__(self, what: str, call: Callable[[], Awaitable[T]]) -> T:
        """Return what the call returns in the end."""
        pause = _FIRST_PAUSE_SECONDS
        said = ""
        while True:
            try:
                return await call()
            except (ClusterError, StoreUnavailable) as error:
                self._readiness.wait_for(f"{what}: {error}")
                if str(error) != said:
                    said = str(error)
                    _logger.warning("not ready yet: %s: %s", what, error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


async def open_variables(
    settings: OperatorSettings,
    credentials: OperatorCredentials,
    cluster: Cluster,
    ownership: Ownership,
) -> tuple[Variables, NamespaceKeys]:
    """Open the store, and return who has its keys, which are in the cluster.

    Raises:
        InvalidInput: its URL names none.
        StoreUnavailable: it is away; opening it again can help.
        StoreError: it cannot be used.
    """
    store = opening.open_store(settings.store, credentials=credentials.store)
    policy = Policy(settings.encryption)
    keys = NamespaceKeys(
        cluster, store, ownership, policy=policy, namespaces=settings.watch_namespaces
    )
    store = wrapping.wrap(store, keys, policy)
    variables = Variables(store, writer="operator", history=opening.find_history(settings.store))
    try:
        await variables.open()
    except StoreError:
        await variables.close()
        raise
    return variables, keys


class Judging:
    """Finds out which promises hold over the store."""

    def __init__(
        self,
        insist: Insisting,
        readiness: Readiness,
        metrics: Metrics,
        *,
        again_seconds: float = _PROBE_SECONDS,
    ) -> None:
        self._insist = insist
        self._readiness = readiness
        self._metrics = metrics
        self._again_seconds = again_seconds

    async def judge(self, store: ObjectStore, *, accepts_unsafe: bool) -> Verdict:
        """Return the verdict once it is a good one, or one that is accepted.

        Raises:
            StoreError: the store cannot be used.
        """
        while True:
            report = await self._insist("probe of the store", lambda: probing.probe_at_start(store))
            verdict = report.verdict
            self._metrics.found_promises(verdict)
            if verdict:
                return verdict
            complaint = probing.complain(report, store.url)
            if accepts_unsafe:
                _logger.warning("%s; this is accepted by %s", complaint, _ACCEPT)
                self._readiness.remark(f"the store does not keep: {probing.describe(verdict)}")
                return verdict
            _logger.error("%s; use another store, or accept that by %s", complaint, _ACCEPT)
            self._readiness.wait_for(f"{complaint}; {_ACCEPT} would accept that")
            await asyncio.sleep(self._again_seconds)


class StoreWatch:
    """Tells whether the store answers."""

    def __init__(self, store: ObjectStore, metrics: Metrics) -> None:
        self._store = store
        self._up = metrics.store_up

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await layouts.check(self._store)
                self._up.set(1)
            except StoreError as error:
                _logger.warning("the store cannot be used: %s", error)
                self._up.set(0)
            await asyncio.sleep(_LOOK_SECONDS)
