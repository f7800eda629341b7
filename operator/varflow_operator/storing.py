"""The operator's store: opened however long that takes, and looked at from time to time.

An embedded S3 server starts at the same time as the operator, and one elsewhere can be away when
the operator starts again. Neither is a reason to end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from varflow.errors import ClusterError, StoreError, StoreUnavailable
from varflow.variables import layouts
from varflow.variables.stores import opening
from varflow.variables.stores.base import ObjectStore
from varflow.variables.variables import Variables
from varflow_operator.credentials import OperatorCredentials
from varflow_operator.metrics import Metrics
from varflow_operator.readiness import Readiness
from varflow_operator.settings import OperatorSettings

T = TypeVar("T")

_FIRST_PAUSE_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 3.0
_LOOK_SECONDS: Final = 30.0

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


async def open_variables(settings: OperatorSettings, credentials: OperatorCredentials) -> Variables:
    """Open the store.

    Raises:
        InvalidInput: its URL names none.
        StoreUnavailable: it is away; opening it again can help.
        StoreError: it cannot be used.
    """
    store = opening.open_store(settings.store, credentials=credentials.store)
    variables = Variables(store, writer="operator", history=opening.find_history(settings.store))
    try:
        await variables.open()
    except StoreError:
        await variables.close()
        raise
    return variables


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
