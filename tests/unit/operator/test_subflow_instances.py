"""The instances that subflows run as: their names, what they say, and what they mean."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

from tests.support.definitions import CALL, workflow_object
from varflow.engine.messages import InstanceStatus, StartSubflow
from varflow.errors import ObjectExists
from varflow_operator import names
from varflow_operator.instances import offspring, records, stopping
from varflow_operator.instances.records import Identity
from varflow_operator.instances.sightings import Sightings
from varflow_operator.observing import DELETED
from varflow_operator.workflows import reading

PARENT = Identity(namespace="ns", name="orders-x7k2p", uid="u-1")


def command(**fields: Any) -> StartSubflow:
    given = {"action_id": "a" * 32, "workflow": "child", "input": {"n": 1}, "depth": 3}
    return StartSubflow(**{**given, **fields})


def made(**fields: Any) -> dict[str, Any]:
    body = offspring.make(
        PARENT, command(**fields), workflow="child", workflow_uid="w-1", input_ref=""
    )
    return {**body, "metadata": {**body["metadata"], "uid": "c-1", "resourceVersion": "1"}}


def ended(**status: Any) -> dict[str, Any]:
    conditions = [{"type": "Completed", "status": "True"}]
    return {**made(), "status": {"phase": "Complete", "conditions": conditions, **status}}


def test_a_name_follows_from_the_parent_and_the_call_alone() -> None:
    name = offspring.name_of(PARENT, "a" * 32)

    assert name == offspring.name_of(PARENT, "a" * 32)
    assert name.startswith("orders-x7k2p-")
    others = [
        offspring.name_of(PARENT, "b" * 32),
        offspring.name_of(Identity(namespace="ns", name=PARENT.name, uid="u-2"), "a" * 32),
    ]
    assert name not in others


def test_names_within_names_stay_short() -> None:
    name = "a-long-name-of-an-instance"
    for _ in range(10):
        name = names.child_instance(name, uid="u", action_id="a")
        assert len(name) <= 63


@pytest.mark.parametrize(
    ("is_detached", "owner"),
    [(False, ("WorkflowInstance", "u-1")), (True, ("Workflow", "w-1"))],
    ids=["waited for", "not waited for"],
)
def test_a_subflow_has_one_owner(*, is_detached: bool, owner: tuple[str, str]) -> None:
    body = made(is_detached=is_detached)

    assert [(it["kind"], it["uid"]) for it in body["metadata"]["ownerReferences"]] == [owner]


def test_a_subflow_says_who_has_called_it_and_how_deep_it_is() -> None:
    record = records.read(made())

    assert record.parent == records.Parent(uid="u-1", depth=3, input_ref="")
    assert record.input == {"n": 1}
    assert record.has_owner("w-1")


def test_a_subflow_runs_on_behalf_of_the_same_user() -> None:
    parent = dataclasses.replace(PARENT, user="alice")

    body = offspring.make(parent, command(), workflow="child", workflow_uid="", input_ref="")

    assert body["spec"]["trigger"] == {"type": "subflow", "user": "alice"}


def test_an_instance_of_another_parent_is_not_adopted() -> None:
    other = Identity(namespace="ns", name="other", uid="u-2")

    assert offspring.check(made(), PARENT)
    with pytest.raises(ObjectExists, match="is no subflow of other"):
        offspring.check(made(), other)


def test_a_child_that_failed_tells_its_error() -> None:
    child = ended(phase="Failed", error={"code": "my.error", "message": "no"})

    event = offspring.ended("a", child, output=None, at=1.0)

    assert event.status is InstanceStatus.FAILED
    assert (event.code, event.message) == ("my.error", "no")


def test_who_has_cancelled_an_instance_is_in_its_error() -> None:
    by_user = {**made(), "spec": {"cancel": True}}
    annotations = {names.ANNOTATION_CANCELLED_BY: "orders-x7k2p"}
    by_parent = {**by_user, "metadata": {**by_user["metadata"], "annotations": annotations}}

    assert stopping.wish(made()) is None
    assert stopping.wish(by_user) is stopping.CANCELLED
    assert stopping.wish(by_parent) is stopping.BY_PARENT


async def test_who_waits_is_told_of_the_end_and_of_nothing_before() -> None:
    sightings = Sightings()
    child = ended()
    name = child["metadata"]["name"]
    with sightings.of("ns", name, until=offspring.is_over) as sighting:
        waiting = asyncio.ensure_future(sighting.wait())
        sightings.observe("MODIFIED", made())
        await asyncio.sleep(0)
        assert not waiting.done()

        sightings.observe("MODIFIED", child)
        sightings.observe(DELETED, child)

        assert await waiting is child


async def test_who_waits_is_told_that_there_is_nothing_to_wait_for() -> None:
    sightings = Sightings()
    with sightings.of("ns", made()["metadata"]["name"], until=offspring.is_over) as sighting:
        sightings.observe(DELETED, made())

        assert await sighting.wait() is None


def test_every_state_but_those_about_events_is_accepted() -> None:
    action = {"function": "f"}
    functions = [
        {"id": "f", "image": "example.org/f:1"},
        {"id": "child", "type": "subflow", "workflow": "other"},
    ]
    states = [
        {"id": "many", "type": "foreach", "array": [1], "action": {"function": "child"}},
        {"id": "some", "type": "parallel", "actions": [action], "mode": "or"},
        {"id": "check", "type": "validate", "schema": {"type": "object"}},
        CALL | {"async": True},
    ]

    found = reading.read(workflow_object(functions=functions, states=states), is_compiled=True)

    assert len(found.states) == 4
