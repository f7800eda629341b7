"""Which deletions of a pod leave open whether something of it runs on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.definitions import pods_of
from varflow_operator.observing import DELETED
from varflow_operator.pods import states
from varflow_operator.pods.whereabouts import Whereabouts

RUNS: dict[str, Any] = {"phase": "Running", "podIP": "10.0.0.1"}
ENDED: dict[str, Any] = {"phase": "Succeeded", "podIP": "10.0.0.1"}
WAITS: dict[str, Any] = {"phase": "Pending"}
UNSEEN = None
"""Of a deletion that the watch has missed nothing is there but the name."""


def note(
    whereabouts: Whereabouts, event_type: str | None, status: dict[str, Any] | None, uid: str = "u"
) -> None:
    metadata = {"namespace": "here", "name": "p", "uid": uid, "labels": pods_of().labels}
    pod = {"metadata": metadata, **({} if status is None else {"status": status})}
    whereabouts.observe(event_type, pod, states.read(pod, address=states.action_url))


@pytest.mark.parametrize(
    ("before", "last", "is_lost"),
    [
        pytest.param(RUNS, RUNS, True, id="by force"),
        pytest.param(RUNS, UNSEEN, True, id="while nobody watched"),
        pytest.param(RUNS, ENDED, False, id="after it had ended"),
        pytest.param(ENDED, ENDED, False, id="long after it had ended"),
        pytest.param(ENDED, UNSEEN, False, id="while nobody watched, after it had ended"),
        pytest.param(WAITS, WAITS, False, id="before it had a node"),
        pytest.param(WAITS, UNSEEN, False, id="while nobody watched, before it had a node"),
    ],
)
def test_a_pod_is_lost_when_its_end_was_not_seen(
    before: dict[str, Any], last: dict[str, Any] | None, is_lost: bool
) -> None:
    whereabouts = Whereabouts(address=states.action_url)
    note(whereabouts, None, before)
    note(whereabouts, DELETED, last)

    assert (whereabouts.seconds_since_loss("here") < 60) is is_lost
    assert whereabouts.seconds_since_loss("elsewhere") == float("inf")


def test_a_pod_that_stays_is_not_lost_with_another() -> None:
    whereabouts = Whereabouts(address=states.action_url)
    note(whereabouts, None, RUNS)
    note(whereabouts, None, RUNS, uid="v")
    note(whereabouts, "MODIFIED", ENDED, uid="v")
    note(whereabouts, DELETED, ENDED, uid="v")

    assert whereabouts.seconds_since_loss("here") == float("inf")
