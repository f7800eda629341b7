"""What the application carries for its handlers."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from varflow_operator.metrics import Metrics
from varflow_operator.readiness import Readiness

METRICS: Final = web.AppKey("metrics", Metrics)
READINESS: Final = web.AppKey("readiness", Readiness)
