"""Comparing: what the API server only writes in another way is not a difference."""

from __future__ import annotations

from typing import Any

import pytest

from varflow_operator.resources import comparing

CPU = {"resources": {"limits": {"cpu": "0.5"}}}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": {"b": [1]}}, {"a": {"b": [1], "c": 3}}),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}),
        ({"a": ""}, {}),
        ({"a": []}, {}),
        ({"a": {}}, {}),
        ({"a": None}, {}),
        (CPU, {"resources": {"limits": {"cpu": "500m"}}}),
        ({"resources": {"memory": "1024Mi"}}, {"resources": {"memory": "1Gi"}}),
        ({"resources": {"memory": "1e3"}}, {"resources": {"memory": "1k"}}),
        ({"resources": {"cpu": "1000m"}}, {"resources": {"cpu": "1"}}),
    ],
    ids=str,
)
def test_it_is_as_wanted(wanted: Any, found: Any) -> None:
    assert comparing.holds(wanted, found)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {}),
        ({"a": 1}, None),
        ({"a": False}, {}),
        ({"a": 0}, {}),
        ({"a": [1]}, {"a": [1, 2]}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": {"b": 1}}, {"a": [1]}),
        ({"a": "1"}, {"a": "1.0"}),
        (CPU, {"resources": {"limits": {"cpu": "501m"}}}),
        ({"resources": {"cpu": "x"}}, {"resources": {"cpu": "y"}}),
        ({"resources": {"cpu": "1.2.3"}}, {"resources": {"cpu": "."}}),
    ],
    ids=str,
)
def test_it_differs(wanted: Any, found: Any) -> None:
    assert not comparing.holds(wanted, found)
