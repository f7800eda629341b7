"""One thing of many that a sweep does: what stands in its way does not keep the others."""

from __future__ import annotations

import logging
from collections.abc import Awaitable

from varflow.errors import ClusterError, StoreError

_logger = logging.getLogger(__name__)


async def attempt(work: Awaitable[object]) -> None:
    """Do it; a fault of the store or the cluster leaves it to the next sweep."""
    try:
        await work
    except (StoreError, ClusterError) as error:
        _logger.warning("left to the next sweep: %s", error.message)
