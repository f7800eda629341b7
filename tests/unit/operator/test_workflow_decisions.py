"""What is decided about a workflow: what is written, what goes, and what is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.definitions import CALL, OWNER, PLATFORM, TOKEN, workflow_object, workflow_of
from varflow.errors import InvalidWorkflowFile, NotRunYet, ObjectRefused, Problem
from varflow_operator import conditions, names
from varflow_operator.kinds import CONTROLLER_REVISION, DEPLOYMENT, SECRET, Object
from varflow_operator.resources import objects
from varflow_operator.workflows import deciding, reading
from varflow_operator.workflows.deciding import Plan
from varflow_operator.workflows.situations import Situation

NOW = 1_800_000_000.0
OBJECT = workflow_object()
NEW = Situation(
    obj=OBJECT,
    revision=reading.revision_of(OBJECT),
    defined=workflow_of(OBJECT),
    live={},
    secret=None,
    deployments=(),
    revisions=(),
)


def decide(situation: Situation) -> Plan:
    return deciding.decide(situation, platform=PLATFORM, token=TOKEN, now=NOW)


def bodies(plan: Plan, kind: Any) -> list[Object]:
    return [body for its, body in plan.apply if its is kind]


def settled(**spec: Any) -> Situation:
    """Return a situation in which all has been done."""
    plan = decide(NEW)
    (deployment,), (revision,) = bodies(plan, DEPLOYMENT), bodies(plan, CONTROLLER_REVISION)
    deployment = {
        **deployment,
        "metadata": {**deployment["metadata"], "resourceVersion": "7", "uid": "d"},
        "spec": {**deployment["spec"], "replicas": 3, **spec},
    }
    return replace(
        NEW,
        obj={**OBJECT, "status": plan.status},
        secret=bodies(plan, SECRET)[0],
        deployments=(deployment,),
        revisions=(revision,),
    )


def kept(number: int) -> Object:
    """Return an older ControllerRevision."""
    revision = objects.revision(OWNER, f"{number:010}", {}, number=number)
    return {**revision, "metadata": {**revision["metadata"], "uid": str(number)}}


def test_what_is_new_is_written_before_the_status_says_so() -> None:
    plan = decide(NEW)

    assert [kind for kind, _ in plan.apply] == [SECRET, CONTROLLER_REVISION, DEPLOYMENT]
    assert plan.delete == ()
    assert plan.status["conditions"][0]["reason"] == "Accepted"


def test_when_all_is_done_nothing_is() -> None:
    situation = settled()
    plan = decide(situation)

    assert (plan.apply, plan.delete) == ((), ())
    assert plan.status == situation.status
    assert plan.again == deciding.RESYNC_SECONDS


def test_a_changed_deployment_keeps_its_pods_unless_the_scaler_is_quicker() -> None:
    (deployment,) = bodies(decide(settled(template={})), DEPLOYMENT)

    assert deployment["spec"]["replicas"] == 3
    assert deployment["metadata"]["resourceVersion"] == "7"


@pytest.mark.parametrize(
    ("live", "is_deleted"),
    [({}, True), (None, False), ({"old": workflow_of(OBJECT)}, False)],
    ids=["nobody", "unknown", "an instance"],
)
def test_pods_go_when_nobody_needs_them(live: Any, is_deleted: bool) -> None:
    other = workflow_object(functions=[{"id": "f", "image": "example.org/f:2"}])
    situation = replace(settled(), obj=other, defined=workflow_of(other), live=live)
    deleted = [kind for kind, _ in decide(situation).delete]

    assert (DEPLOYMENT in deleted) is is_deleted


def test_old_revisions_go_but_for_the_newest_and_those_in_use() -> None:
    revisions = [kept(number) for number in range(1, 15)]
    live = {"0000000002": workflow_of(OBJECT)}
    plan = decide(replace(settled(), revisions=(*revisions, *settled().revisions), live=live))

    assert {body["revision"] for _, body in plan.delete} == {1, 3, 4, 5}


def test_a_wrong_spec_touches_nothing() -> None:
    wrong = InvalidWorkflowFile([Problem("f", "is missing", field="spec.states", hint="state")])
    situation = replace(settled(), defined=wrong)
    plan = decide(situation)

    assert (plan.apply, plan.delete, plan.again) == ((), (), None)
    assert plan.status["revision"] == situation.status["revision"]
    assert [it["type"] for it in plan.status["conditions"]] == ["Ready", "Stalled"]
    assert plan.status["conditions"][0]["message"] == (
        "spec.states: is missing (did you mean 'state'?)"
    )


def test_a_hundred_problems_are_one_message_of_bounded_length() -> None:
    problems = [Problem("f", "x" * 100, field=f"spec.states[{it}]") for it in range(100)]
    plan = decide(replace(NEW, defined=InvalidWorkflowFile(problems)))
    message = plan.status["conditions"][0]["message"]

    assert len(message) <= conditions.MAX_MESSAGE
    assert message.endswith("more")


def test_a_secret_that_is_not_ours_stops_everything() -> None:
    foreign = {"metadata": {"name": names.sidecar_secret(OWNER.name)}}
    plan = decide(replace(NEW, secret=foreign))

    assert (plan.apply, plan.again) == ((), deciding.RETRY_SECONDS)
    assert plan.status["conditions"][0]["reason"] == "NameTaken"


def test_a_refusal_is_said_and_tried_again() -> None:
    plan = deciding.refuse(NEW, ObjectRefused("apply Deployment: no"), now=NOW)

    assert plan.status["conditions"][0]["message"] == "apply Deployment: no"
    assert plan.again == deciding.RETRY_SECONDS
    assert "revision" not in plan.status


WAIT = {"id": "wait", "type": "consumeEvent", "event": {"type": "paid"}}


def test_what_is_not_run_yet_is_said_with_its_place_and_nothing_is_made() -> None:
    obj = workflow_object(states=[CALL, WAIT], start={"type": "event", "event": {"type": "x"}})
    with pytest.raises(NotRunYet) as caught:
        reading.read(obj, is_compiled=True)

    plan = decide(replace(NEW, obj=obj, defined=caught.value))

    ready, stalled = plan.status["conditions"]
    assert (ready["status"], ready["reason"]) == ("False", "NotSupported")
    assert [line.partition(",")[0] for line in ready["message"].splitlines()] == [
        "spec.start.type: a start of type event is accepted",
        "spec.states[1].type: a state of type consumeEvent is accepted",
    ]
    assert (stalled["type"], stalled["status"]) == ("Stalled", "True")
    assert (plan.apply, plan.delete) == ((), ())


def test_a_workflow_that_a_clock_starts_is_ready_for_those_who_start_it() -> None:
    obj = workflow_object(start={"type": "scheduled", "cron": "@daily"})

    plan = decide(replace(NEW, obj=obj, defined=reading.read(obj, is_compiled=True)))

    (ready,) = plan.status["conditions"]
    assert (ready["status"], ready["reason"]) == ("True", "Accepted")
    assert ready["message"].startswith(
        "spec.start.type: a start of type scheduled is accepted, and not run yet"
    )
