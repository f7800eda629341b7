"""Events say what conditions say, when those change."""

from __future__ import annotations

from typing import Any

import pytest

from varflow_operator import announcing
from varflow_operator.announcing import MAX_NOTE_BYTES, NOTHING, Said, Weight


def instance(*conditions: tuple[str, str, str, str]) -> dict[str, Any]:
    fields = ("type", "status", "reason", "message")
    return {
        "apiVersion": "varflow.dev/v1alpha1",
        "kind": "WorkflowInstance",
        "metadata": {"namespace": "here", "name": "one", "uid": "u", "resourceVersion": "7"},
        "status": {"conditions": [dict(zip(fields, it, strict=True)) for it in conditions]},
    }


def test_an_instance_is_told_by_its_condition_succeeded() -> None:
    obj = instance(
        ("Completed", "True", "Failed", "x"), ("Succeeded", "False", "Failed", "my.code: broken")
    )
    assert announcing.read(obj) == Said("False", "Failed", "my.code: broken")


@pytest.mark.parametrize("status", [{}, {"conditions": []}, {"conditions": None}])
def test_an_object_without_conditions_says_nothing(status: dict[str, Any]) -> None:
    assert announcing.read(instance() | {"status": status}) == NOTHING


@pytest.mark.parametrize(
    ("said", "is_told", "weight"),
    [
        (NOTHING, False, Weight.WARNING),
        (Said("Unknown", "Started", ""), False, Weight.WARNING),
        (Said("Unknown", "Started", "ImagePullBackOff: no such image"), True, Weight.WARNING),
        (Said("Unknown", "Pending", ""), False, Weight.WARNING),
        (Said("Unknown", "WorkflowNotFound", ""), True, Weight.WARNING),
        (Said("True", "Succeeded", ""), True, Weight.NORMAL),
        (Said("False", "Failed", "my.code: broken"), True, Weight.WARNING),
        (Said("False", "Cancelled", "it was cancelled"), True, Weight.NORMAL),
        (Said("True", "Accepted", ""), True, Weight.NORMAL),
        (Said("False", "InvalidSpec", "spec.states: empty"), True, Weight.WARNING),
    ],
)
def test_what_is_worth_an_event_and_of_which_type(said: Said, is_told: bool, weight: str) -> None:
    assert (said.is_told, said.weight) == (is_told, weight)


def test_a_note_is_as_long_as_the_api_server_takes_and_breaks_no_character() -> None:
    said = Said("False", "Failed", "ä" * MAX_NOTE_BYTES)

    event = announcing.make_event(instance(), said, reporter="operator-0", now=0.0)

    note = event["note"]
    assert len(note.encode()) <= MAX_NOTE_BYTES
    assert set(note) == {"ä", "…"}


def test_an_event_without_a_message_repeats_the_reason() -> None:
    said = Said("True", "Succeeded", "")

    event = announcing.make_event(instance(), said, reporter="operator-0", now=1.5)

    assert event["note"] == event["reason"] == "Succeeded"
    assert event["eventTime"] == "1970-01-01T00:00:01.500000+00:00"
