"""What Prometheus is told, in a registry of our own.

Labels have few, fixed values: never a key, an id or a namespace, which are without bound and may be
secret. Label children on the path of every request are looked up once, here.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from varflow.contract import OutcomeStatus

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_REQUEST_BUCKETS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25, 1, 5, 30)
_ACTION_BUCKETS: Final = (0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600)


class Metrics:
    """All of a sidecar's metrics."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self.running = Gauge(
            "varflow_sidecar_actions_running",
            "Actions that were accepted and have not ended, waiting ones included",
            registry=self.registry,
        )
        self.folders_left = Counter(
            "varflow_sidecar_folders_left_total",
            "Temp dirs of actions that could not be removed",
            registry=self.registry,
        )
        self.log_lines_dropped = Counter(
            "varflow_sidecar_log_lines_dropped_total",
            "Lines of instances' logs that were lost while the store was away",
            registry=self.registry,
        )
        durations = Histogram(
            "varflow_sidecar_action_duration_seconds",
            "Time from accepting an action to its outcome",
            ["status"],
            buckets=_ACTION_BUCKETS,
            registry=self.registry,
        )
        self.action_durations = {status: durations.labels(status) for status in OutcomeStatus}
        self._request_durations = Histogram(
            "varflow_sidecar_request_duration_seconds",
            "Time to answer a function's request",
            ["method", "status"],
            buckets=_REQUEST_BUCKETS,
            registry=self.registry,
        )
        self._requests: dict[tuple[str, int], Histogram] = {}

    def request_duration(self, method: str, status: int) -> Histogram:
        """Return where to observe a request of this kind; the router has bounded both values."""
        found = self._requests.get((method, status))
        if found is None:
            found = self._request_durations.labels(method, f"{status // 100}xx")
            self._requests[method, status] = found
        return found

    def render(self) -> bytes:
        """Return all metrics as text."""
        return generate_latest(self.registry)
