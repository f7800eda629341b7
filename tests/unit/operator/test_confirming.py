"""Which gone instances may lose their decisions, as the pods' answers tell."""

from __future__ import annotations

import pytest

from varflow_operator.sweeping.confirming import Answer, confirmed

NOTHING: frozenset[str] = frozenset()
SILENT = None


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param([], {"a", "b"}, id="there is no pod"),
        pytest.param([NOTHING], {"a", "b"}, id="the only pod runs nothing of theirs"),
        pytest.param([NOTHING, NOTHING], {"a", "b"}, id="no pod runs anything of theirs"),
        pytest.param([frozenset({"a"}), NOTHING], {"b"}, id="one pod still runs something of one"),
        pytest.param([frozenset({"a"}), frozenset({"b"})], set(), id="each runs in another pod"),
        pytest.param([frozenset({"c"})], {"a", "b"}, id="a pod names one that nobody asked for"),
        pytest.param([SILENT], set(), id="the only pod does not answer"),
        pytest.param([NOTHING, SILENT, NOTHING], set(), id="one pod does not answer"),
        pytest.param([frozenset({"a"}), SILENT], set(), id="one runs something, one is silent"),
    ],
)
def test_an_instance_is_confirmed_by_all_pods_or_not_at_all(
    answers: list[Answer], expected: set[str]
) -> None:
    assert confirmed(frozenset({"a", "b"}), answers) == expected
