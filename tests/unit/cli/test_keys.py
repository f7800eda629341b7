"""When a namespace's keys are as everybody has seen them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from varflow_cli.cluster import keys
from varflow_cli.console.failures import Failure

CHANGED = "2026-05-01T12:00:00Z"
AT = datetime(2026, 5, 1, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({"creationTimestamp": CHANGED}, id="made"),
        pytest.param(
            {
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "managedFields": [{"time": CHANGED}, {"time": "2026-03-01T00:00:00Z"}, {}],
            },
            id="changed",
        ),
    ],
)
def test_keys_are_settled_some_minutes_after_their_last_change(
    metadata: dict[str, object],
) -> None:
    with pytest.raises(Failure, match="try again in 80 s"):
        keys.check_settled({"metadata": metadata}, now=AT + 100)
    keys.check_settled({"metadata": metadata}, now=AT + 181)
