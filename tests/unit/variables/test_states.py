"""Names of states: which runs share one, and that nobody can reach another's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.variables import OWNERS
from varflow.variables import keys, paths
from varflow.variables.scopes import StateAddress
from varflow.variables.states import States, Trigger


def name_of(
    function: str = "f", type: str = "", name: str = "", user: str = "", *, per_user: bool = False
) -> str:
    trigger = Trigger(type=type, name=name, user=user)
    return States(trigger=trigger, is_per_user=per_user).name_of(function)


@pytest.mark.parametrize("type", ["", "manual", "cli", "webhook", "subflow"])
def test_all_runs_that_somebody_starts_share_one(type: str) -> None:
    assert name_of(type=type, name="whatever", user="alice") == "f/manual"


@pytest.mark.parametrize(
    ("type", "name", "expected"),
    [
        ("schedule", "nightly", "f/schedule:nightly"),
        ("schedule", "hourly", "f/schedule:hourly"),
        ("schedule", "", "f/schedule"),
        ("event", "uploads", "f/event:uploads"),
        ("event", "", "f/event"),
    ],
)
def test_each_schedule_and_event_has_its_own(type: str, name: str, expected: str) -> None:
    """ST-03."""
    assert name_of(type=type, name=name) == expected


@pytest.mark.parametrize(
    ("type", "user", "expected"),
    [
        pytest.param("cli", "alice", "f/manual/alice", id="ST-04 alice"),
        pytest.param("webhook", "bob", "f/manual/bob", id="ST-04 bob"),
        pytest.param("manual", "", "f/manual/unknown", id="nobody said"),
        pytest.param("manual", "oidc:https://x#me", "f/manual/oidc:https:%2F%2Fx#me", id="odd"),
        pytest.param("schedule", "alice", "f/schedule:n", id="a schedule is nobody's"),
    ],
)
def test_users_are_kept_apart_where_the_workflow_says_so(
    type: str, user: str, expected: str
) -> None:
    name = "n" if type == "schedule" else ""

    assert name_of(type=type, name=name, user=user, per_user=True) == expected


def test_each_function_has_its_own() -> None:
    """ST-05."""
    assert name_of("poll") != name_of("notify")


texts = st.text(min_size=1, max_size=300) | st.sampled_from(
    ["..", ".", "a/b", "a%2Fb", "%", "%%", "manual", "x" * 254, "x" * 255, "\n", "\ud800"]
)


@given(first=texts, second=texts)
def test_no_two_functions_share_one_whatever_they_are_called(first: str, second: str) -> None:
    assert (name_of(first) == name_of(second)) == (first == second)


@given(name=texts, user=texts)
def test_every_segment_can_stand_in_a_path(name: str, user: str) -> None:
    for made in (name_of(type="schedule", name=name), name_of(user=user, per_user=True)):
        assert all(keys.find_fault(segment) is None for segment in made.split("/"))
        assert len(made.split("/")) <= 3


def test_a_state_lies_below_its_workflow() -> None:
    path = paths.variable(StateAddress(OWNERS, "f/manual"))

    assert path == "v1/cluster/namespace/s/workflow/f/manual"
    place = paths.parse(path)
    assert place is not None
    assert (place.folder, place.owner) == ("s", "workflow")
