"""The metrics of operator and sidecar: named as Prometheus wants it, bounded, and documented."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from varflow_operator import metrics as operator_metrics
from varflow_sidecar import metrics as sidecar_metrics

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"

LABELS = {"code", "kind", "method", "phase", "promise", "result", "status", "verb", "version"}
"""All have few values. Names, ids, keys and messages are without bound and never labels."""

UNITS = ("_seconds", "_bytes", "_ratio", "_info", "_total")
NO_UNIT = {
    "varflow_operator_is_leader",
    "varflow_operator_store_promises_kept",
    "varflow_operator_store_up",
    "varflow_operator_instances",
    "varflow_sidecar_actions_running",
}
"""Gauges that count things, or are 0 or 1."""

ROW = re.compile(r"^\| `(varflow_\w+)` \| (\w+) \|([^|]*)\| (.+) \|$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric, as documented or as exposed."""

    name: str
    type: str
    labels: frozenset[str]


def exposed(render: bytes) -> set[Metric]:
    """Return what stands in an exposition."""
    found = set()
    for family in text_string_to_metric_families(render.decode()):
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if not name.endswith("_created"):
            found.add(Metric(name, family.type, frozenset(labels)))
    return found


def with_children(registry: CollectorRegistry) -> None:
    """Give every metric with labels a child, so that it shows them."""
    for collector in list(registry._collector_to_names):
        if isinstance(collector, MetricWrapperBase) and collector._labelnames:
            collector.labels(*("x" for _ in collector._labelnames))


def names_of(metrics: operator_metrics.Metrics | sidecar_metrics.Metrics) -> set[str]:
    return {metric.name for metric in exposed(metrics.render())}


def read_operator() -> set[Metric]:
    metrics = operator_metrics.Metrics()
    with_children(metrics.registry)
    return exposed(metrics.render())


def read_sidecar() -> set[Metric]:
    metrics = sidecar_metrics.Metrics()
    with_children(metrics.registry)
    return exposed(metrics.render())


METRICS = sorted(read_operator() | read_sidecar(), key=lambda metric: metric.name)
each = pytest.mark.parametrize("metric", [pytest.param(one, id=one.name) for one in METRICS])


def test_page_lists_exactly_what_is_exposed() -> None:
    documented = {
        Metric(name, kind, frozenset(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels, _ in ROW.findall(PAGE.read_text())
    }

    assert documented == set(METRICS)


@each
def test_name_has_prefix_and_unit(metric: Metric) -> None:
    assert re.fullmatch(r"varflow_(operator|sidecar)_[a-z0-9_]+", metric.name)
    assert metric.name.endswith(UNITS) or metric.name in NO_UNIT
    assert metric.name.endswith("_total") is (metric.type == "counter")
    assert not re.search(r"_(count|sum|bucket|ms|milliseconds|minutes)$", metric.name)


@each
def test_type_is_one_that_can_be_added_up(metric: Metric) -> None:
    assert metric.type in {"counter", "gauge", "histogram"}


@each
def test_labels_are_of_the_closed_list(metric: Metric) -> None:
    assert metric.labels <= LABELS


@pytest.mark.parametrize("metrics", [operator_metrics.Metrics, sidecar_metrics.Metrics])
def test_two_in_one_process_do_not_share_anything(
    metrics: type[operator_metrics.Metrics | sidecar_metrics.Metrics],
) -> None:
    first, second = metrics(), metrics()

    first.log_lines_dropped.inc()

    name = next(name for name in names_of(first) if name.endswith("log_lines_dropped_total"))
    values = [one.registry.get_sample_value(name) for one in (first, second)]
    assert values == [1.0, 0.0]


def test_an_idle_operator_has_few_series() -> None:
    lines = operator_metrics.Metrics().render().decode().splitlines()

    assert sum(not line.startswith("#") for line in lines) < 100
