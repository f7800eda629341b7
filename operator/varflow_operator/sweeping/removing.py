"""Removes what gone instances have left: all of it once nothing of them runs.

    note ──► those noted meanwhile, by namespace ──► `asking` ──► remove
                                                                    │ not confirmed
                                                                    └─► but not the decisions

Beside the sweep and not within it, since functions take seconds to stop and a pod that is out of
reach takes longer: neither other namespaces nor the next sweep wait for that. All that is noted
while pods are being asked is asked for at once. Who could not be confirmed is found, and noted,
again by the next sweep, until the fence is over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from varflow.variables.scopes import Owners
from varflow_operator.instances.ground import Ground
from varflow_operator.sweeping.asking import Asking
from varflow_operator.sweeping.attempts import attempt
from varflow_operator.sweeping.censuses import Leftovers
from varflow_operator.sweeping.deadlines import FENCE_SECONDS

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Place:
    """A namespace: where its data is, and how it is called."""

    owners: Owners
    name: str


class Removing:
    """Removes gone instances' data. Use it from one event loop."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._asking = Asking(ground)
        self._noted: dict[_Place, dict[str, Leftovers]] = {}
        self._is_noted = asyncio.Event()

    def note(self, owners: Owners, namespace: str, gone: Mapping[str, Leftovers]) -> None:
        """Have what instances have left removed soon; the API server does not have them."""
        if gone:
            place = _Place(replace(owners, workflow="", instance=""), namespace)
            self._noted.setdefault(place, {}).update(gone)
            self._is_noted.set()

    async def run(self) -> None:
        """Remove what is noted until cancelled."""
        while True:
            await self._is_noted.wait()
            self._is_noted.clear()
            noted, self._noted = self._noted, {}
            await asyncio.gather(*(self._remove_guarded(*it) for it in noted.items()))

    async def _remove_guarded(self, place: _Place, gone: Mapping[str, Leftovers]) -> None:
        try:
            await self._remove(place, gone)
        except Exception:
            _logger.exception("gone instances of %s were not removed", place.name)

    async def _remove(self, place: _Place, gone: Mapping[str, Leftovers]) -> None:
        over = await self._asking.confirm(place.name, frozenset(gone))
        fenced_since = self._ground.clock() - FENCE_SECONDS
        for uid, leftovers in gone.items():
            if uid not in over and leftovers.is_fence(until=fenced_since):
                continue
            _logger.info("instance %s is gone; its data is removed", uid)
            keep_until = None if uid in over else _fenced_until(leftovers)
            await attempt(
                self._ground.variables.remove_instance(
                    replace(place.owners, instance=uid), keep_until=keep_until
                )
            )


def _fenced_until(leftovers: Leftovers) -> float | None:
    decided_at = leftovers.decided_at
    return None if decided_at is None else decided_at + FENCE_SECONDS
