"""Tidying up after the writers of a namespace that is there: what expired, what nobody names.

Every record is read for it, so it is done a few times a day. When it was is in the store, with what
was found (`varflow.variables.sweep.marks`): neither a restart nor another leader begins anew.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import Final

from varflow.errors import StoreError
from varflow.variables import paths
from varflow.variables.scopes import Owners
from varflow.variables.sweep import marks
from varflow.variables.sweep.findings import DAY_SECONDS, TITLES, Ages
from varflow.variables.sweep.sweeps import Sweep
from varflow_operator.instances.ground import Ground
from varflow_operator.instances.instances import Instances
from varflow_operator.sweeping import deadlines

EVERY_SECONDS: Final = DAY_SECONDS / 4

_logger = logging.getLogger(__name__)


class Upkeep:
    """Keeps namespaces tidy."""

    def __init__(self, ground: Ground, instances: Instances) -> None:
        self._ground = ground
        self._instances = instances
        self._next: dict[str, float] = {}

    async def keep_up(self, owners: Owners, name: str) -> None:
        """Tidy the namespace up, unless that was done a short while ago.

        Raises:
            StoreError: the store failed; the next time goes on.
            ClusterError: the cluster could not say which instances there are.
        """
        prefix, now = paths.namespace_prefix(owners), self._ground.clock()
        if now < self._next.get(prefix, 0.0):
            return
        swept_at = (await marks.load(self._ground.variables.store, prefix)).swept_at
        if now >= swept_at + EVERY_SECONDS:
            longest = await deadlines.longest_in(self._ground, self._instances, name)
            await self._tidy(prefix, name, ages=Ages(unused=longest + DAY_SECONDS))
            swept_at = now
        self._next[prefix] = swept_at + EVERY_SECONDS

    async def _tidy(self, prefix: str, name: str, *, ages: Ages) -> None:
        sweep = Sweep(
            self._ground.variables.store, clock=self._ground.clock, ages=ages, is_repairing=True
        )
        repaired: Counter[str] = Counter()
        async for swept in sweep.namespace(prefix):
            title = TITLES[swept.finding.kind]
            repaired[title] += swept.is_repaired
            if swept.finding.is_wrong and not swept.is_repaired:
                _logger.warning(
                    "%s in %s: %s %s", title, name, swept.finding.path, swept.finding.detail
                )
        try:
            async for swept in sweep.unfinished(prefix):
                repaired[TITLES[swept.finding.kind]] += swept.is_repaired
        except StoreError as error:
            _logger.info("unfinished uploads are left to the bucket's rules: %s", error.message)
        for title, count in repaired.items():
            if count:
                _logger.info("%d %s in %s removed", count, title, name)
