"""What Prometheus is told, in a registry of our own; docs/metrics.md explains each of them.

Labels have few, fixed values: never a name, an id or the text of an error, which are without bound
and may be secret. Label children are looked up once.
"""

from __future__ import annotations

import functools
from http import HTTPStatus
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

import varflow
from varflow.variables.probe.promises import Promise, Verdict
from varflow_operator.kinds import INSTANCE, Kind

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_PREFIX: Final = "varflow_operator"
_REQUEST_BUCKETS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30)
_DISPATCH_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5, 30)
_RECONCILE_BUCKETS: Final = (0.005, 0.025, 0.1, 0.5, 1, 5, 30)
_INSTANCE_BUCKETS: Final = (0.05, 0.25, 1, 5, 15, 60, 300, 900, 3600, 14400, 86400)


class Metrics:
    """All of an operator's metrics."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        Info("varflow_operator_build", "The version that runs", registry=self.registry).info(
            {"version": varflow.__version__}
        )
        self._make_process()
        self._make_cluster()
        self._make_definitions()
        self._make_instances()

    def observe_request(self, verb: str, kind: Kind, status: int, seconds: float) -> None:
        """Count a request to the API server; fits `Cluster.connect(observe=...)`."""
        self._request(verb, kind.name, str(status or "none")).inc()
        self._request_duration(verb).observe(seconds)
        if verb == "update" and kind is INSTANCE and status == HTTPStatus.OK:
            self._checkpoints.inc()

    def saw_event(self, kind: Kind) -> None:
        """Note that a watch of this kind has just said something."""
        self._last_event(kind.name).set_to_current_time()

    def missed_deletion(self, kind: Kind) -> None:
        """Count an object that was found to be gone."""
        self._missed.labels(kind.name).inc()

    def reconciled(self, kind: Kind, result: str, seconds: float) -> None:
        """Count one look at a Workflow or Variable; `result` as `queues` has it."""
        self._reconciles.labels(kind.name, result).inc()
        self._reconcile_durations.labels(kind.name).observe(seconds)

    def instance_ended(self, phase: str, seconds: float) -> None:
        """Count an instance that came to its end in a phase, so long after it began."""
        self._instances_ended.labels(phase).inc()
        self._instance_durations.labels(phase).observe(seconds)

    def action_ended(self, result: str) -> None:
        """Count an action; `result` is the status of its outcome."""
        self._actions.labels(result).inc()

    def found_promises(self, verdict: Verdict) -> None:
        """Note what a probe of the store has found."""
        for promise in Promise:
            self._store_promises.labels(promise).set(verdict.keeps(promise))

    def render(self) -> bytes:
        """Return all metrics as text."""
        return generate_latest(self.registry)

    def _make_process(self) -> None:
        self.is_leader = Gauge(
            f"{_PREFIX}_is_leader",
            "1 while this process holds the Lease",
            registry=self.registry,
        )
        self.store_up = Gauge(
            f"{_PREFIX}_store_up",
            "1 while the store answers",
            registry=self.registry,
        )
        self._store_promises = Gauge(
            f"{_PREFIX}_store_promises_kept",
            "1 for a promise that holds over the store, 0 for one that does not",
            ["promise"],
            registry=self.registry,
        )
        self.log_lines_dropped = Counter(
            f"{_PREFIX}_log_lines_dropped_total",
            "Lines of instances' logs that were lost while the store was away",
            registry=self.registry,
        )

    def _make_cluster(self) -> None:
        requests = Counter(
            f"{_PREFIX}_k8s_requests_total",
            "Requests to the API server, without those of watches",
            ["verb", "kind", "code"],
            registry=self.registry,
        )
        self._request = functools.cache(requests.labels)
        durations = Histogram(
            f"{_PREFIX}_k8s_request_duration_seconds",
            "Time until the API server had answered",
            ["verb"],
            buckets=_REQUEST_BUCKETS,
            registry=self.registry,
        )
        self._request_duration = functools.cache(durations.labels)
        events = Gauge(
            f"{_PREFIX}_watch_last_event_timestamp_seconds",
            "When a watch last said something, in seconds since 1970",
            ["kind"],
            registry=self.registry,
        )
        self._last_event = functools.cache(events.labels)
        self._missed = Counter(
            f"{_PREFIX}_watch_missed_deletions_total",
            "Objects that were gone without the watch having said so",
            ["kind"],
            registry=self.registry,
        )

    def _make_definitions(self) -> None:
        self._reconciles = Counter(
            f"{_PREFIX}_reconciles_total",
            "Looks at Workflows and Variables",
            ["kind", "result"],
            registry=self.registry,
        )
        self._reconcile_durations = Histogram(
            f"{_PREFIX}_reconcile_duration_seconds",
            "Time of one look",
            ["kind"],
            buckets=_RECONCILE_BUCKETS,
            registry=self.registry,
        )

    def _make_instances(self) -> None:
        self.instances = Gauge(
            f"{_PREFIX}_instances",
            "Instances that have not ended",
            ["phase"],
            registry=self.registry,
        )
        self._instances_ended = Counter(
            f"{_PREFIX}_instances_ended_total",
            "Instances that have ended",
            ["result"],
            registry=self.registry,
        )
        self._instance_durations = Histogram(
            f"{_PREFIX}_instance_duration_seconds",
            "Time from an instance's start to its end",
            ["result"],
            buckets=_INSTANCE_BUCKETS,
            registry=self.registry,
        )
        self._actions = Counter(
            f"{_PREFIX}_actions_total",
            "Actions that have ended",
            ["result"],
            registry=self.registry,
        )
        self.dispatch_durations = Histogram(
            f"{_PREFIX}_dispatch_duration_seconds",
            "Time that an action waited for a place in a pod",
            buckets=_DISPATCH_BUCKETS,
            registry=self.registry,
        )
        self._checkpoints = Counter(
            f"{_PREFIX}_checkpoints_total",
            "Writes of instances' states",
            registry=self.registry,
        )
