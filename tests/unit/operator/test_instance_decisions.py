"""What is decided about an instance: who may write it, what it shows, how long it waits."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import sidecars
from varflow.contract import CODE_TIMEOUT
from varflow.engine.messages import EnterState, Finish, InstanceStatus
from varflow.variables import paths
from varflow_operator.instances import conflicts, definitions, records, statuses
from varflow_operator.instances.conflicts import Verdict
from varflow_operator.instances.definitions import Chosen, NotYet
from varflow_operator.instances.errands import CODE_NOT_STARTED, Errand
from varflow_operator.instances.records import Mark, Record
from varflow_operator.instances.statuses import Checkpoint, Phase, View
from varflow_operator.instances.waiting import QUIET_SECONDS, Patience
from varflow_operator.kinds import Object
from varflow_operator.names import Reason
from varflow_operator.pods.functions import FunctionSettings
from varflow_operator.pods.states import FunctionKey
from varflow_operator.resources.plans import Scale
from varflow_operator.sweeping.censuses import Census


def instance(*, uid: str = "u", spec: Any = None, **status: Any) -> Object:
    return {
        "metadata": {
            "namespace": "ns",
            "name": "one",
            "uid": uid,
            "resourceVersion": "7",
            "generation": 2,
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"workflow": "hello", **(spec or {})},
        "status": status,
    }


def marked(epoch: int, seq: int, **status: Any) -> Record:
    return records.read(instance(checkpoint={"epoch": epoch, "seq": seq}, **status))


def errand(*, attempt: int = 0, is_resumed: bool = False, was_sent: bool = False) -> Errand:
    settings = FunctionSettings(
        key=FunctionKey(workflow_uid="w", function="f", spec="s"),
        namespace="ns",
        deployment="d",
        workflow_uid="w",
        concurrency=1,
        scale=Scale(min=0, max=1, idle_seconds=60.0),
    )
    dispatch = sidecars.make_dispatch(attempt=attempt)
    return Errand(dispatch=dispatch, settings=settings, is_resumed=is_resumed, was_sent=was_sent)


@pytest.mark.parametrize(
    ("errand", "is_first"),
    [
        pytest.param(errand(), True, id="new"),
        pytest.param(errand(attempt=1), False, id="another attempt"),
        pytest.param(errand(is_resumed=True), False, id="perhaps sent before a restart"),
        pytest.param(errand(was_sent=True), False, id="sent, and not answered"),
    ],
)
def test_a_sidecar_is_told_when_nobody_else_can_have_the_action(
    errand: Errand, is_first: bool
) -> None:
    assert errand.message().is_first is is_first


OVER = {"conditions": [{"type": "Completed", "status": "True"}]}


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        pytest.param(marked(3, 5), Verdict.LANDED, id="our write, whose answer was lost"),
        pytest.param(marked(2, 4), Verdict.AGAIN, id="what we began with"),
        pytest.param(marked(3, 4), Verdict.AGAIN, id="an earlier write of ours"),
        pytest.param(marked(4, 5), Verdict.DEPOSED, id="a newer control plane's"),
        pytest.param(marked(2, 5), Verdict.OVERTAKEN, id="one of the control plane before us"),
        pytest.param(marked(2, 5, **OVER), Verdict.DEPOSED, id="the end, by the one before us"),
        pytest.param(marked(3, 4, **OVER), Verdict.DEPOSED, id="the end"),
        pytest.param(None, Verdict.GONE, id="no object"),
        pytest.param(records.read(instance(uid="v")), Verdict.GONE, id="another object"),
    ],
)
def test_what_a_conflict_means(found: Record | None, verdict: Verdict) -> None:
    assert conflicts.judge(found, uid="u", base=Mark(2, 4), wanted=Mark(3, 5)) is verdict


def workflow(
    *,
    generation: int = 2,
    observed: int = 2,
    ready: str = "True",
    reason: str = "InvalidSpec",
    **more: str,
) -> Object:
    conditions = [
        {"type": "Ready", "status": ready, "reason": reason, "message": "functions[0]: wrong"},
        *({"type": name, "status": status} for name, status in more.items()),
    ]
    status = {"observedGeneration": observed, "revision": "r2", "conditions": conditions}
    metadata = {"namespace": "ns", "name": "hello", "uid": "w", "generation": generation}
    return {"metadata": metadata, "status": status}


@pytest.mark.parametrize(
    ("found", "wanted", "choice"),
    [
        pytest.param(workflow(), "", Chosen("w", "r2"), id="the accepted revision"),
        pytest.param(workflow(), "r1", Chosen("w", "r1"), id="the one that is asked for"),
        pytest.param(
            workflow(generation=3),
            "",
            NotYet(Reason.PENDING, "the Workflow 'hello' is not ready yet"),
            id="a change that is not accepted yet",
        ),
        pytest.param(
            workflow(ready="False", Stalled="True"),
            "",
            NotYet(Reason.INVALID_SPEC, "the Workflow 'hello' is not valid: functions[0]: wrong"),
            id="a spec that is wrong",
        ),
        pytest.param(
            workflow(ready="False", reason="NotSupported", Stalled="True"),
            "",
            NotYet(
                Reason.NOT_SUPPORTED,
                "the Workflow 'hello' cannot run yet: functions[0]: wrong",
            ),
            id="a spec for a later version",
        ),
        pytest.param(
            None,
            "r1",
            NotYet(Reason.WORKFLOW_NOT_FOUND, "there is no Workflow 'hello' in this namespace"),
            id="no workflow",
        ),
    ],
)
def test_which_revision_an_instance_gets(
    found: Object | None, wanted: str, choice: definitions.Choice
) -> None:
    definition = None if found is None else definitions.read(found)

    assert definitions.choose(definition, name="hello", wanted=wanted) == choice


def render(view: View, **given: Any) -> dict[str, Any]:
    checkpoint = given.pop("checkpoint", Checkpoint(mark=Mark(1, 2), snapshot="{}"))
    return statuses.render(view, checkpoint, previous={}, generation=2, now=0.0, **given)


def conditions_of(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {it["type"]: (it["status"], it["reason"]) for it in status["conditions"]}


def test_a_running_instance_shows_where_it_is() -> None:
    view = View(workflow_uid="w", revision="r", started_at=0.0)
    for step in range(1, 31):
        view = view.entering(EnterState(state=f"s{step}", step=step), at=float(step))

    status = render(view)

    assert status["phase"] == "Running"
    assert (status["state"], status["step"]) == ("s30", 30)
    assert len(status["recentSteps"]) == statuses.RECENT_STEPS
    assert status["recentSteps"][-1]["startTime"] == "1970-01-01T00:00:30Z"
    assert status["checkpoint"] == {"epoch": 1, "seq": 2, "snapshot": "{}"}
    assert conditions_of(status) == {
        "Succeeded": ("Unknown", "Started"),
        "Completed": ("False", "Started"),
    }


@pytest.mark.parametrize(
    ("ended", "phase", "succeeded"),
    [
        pytest.param(InstanceStatus.COMPLETE, Phase.COMPLETE, "True", id="complete"),
        pytest.param(InstanceStatus.FAILED, Phase.FAILED, "False", id="failed"),
        pytest.param(InstanceStatus.CRASHED, Phase.CRASHED, "False", id="crashed"),
        pytest.param(InstanceStatus.CANCELLED, Phase.CANCELLED, "False", id="cancelled"),
    ],
)
def test_any_end_completes(ended: InstanceStatus, phase: Phase, succeeded: str) -> None:
    finish = Finish(status=ended, output={"a": None}, code="c", message="m")

    status = render(View(started_at=0.0, completed_at=1.0, finish=finish))

    assert status["phase"] == phase
    assert {it["type"]: it["status"] for it in status["conditions"]} == {
        "Succeeded": succeeded,
        "Completed": "True",
    }
    assert status["output"] == {"a": None}
    assert status["error"] == {"code": "c", "message": "m"}


def test_what_a_status_shows_is_read_back() -> None:
    view = View(workflow_uid="w", revision="r", started_at=5.0, reason="why")
    view = view.entering(EnterState(state="s", step=1), at=6.0)

    assert statuses.view_of(records.read(instance(**render(view)))) == view


def test_a_large_output_is_only_named() -> None:
    finish = Finish(status=InstanceStatus.COMPLETE, output={"a": 1})

    status = render(View(started_at=0.0, finish=finish, output_ref="output-1"))

    assert status["outputRef"] == "output-1"
    assert "output" not in status


# Waiting for a pod


def test_an_action_waits_for_a_pod_as_long_as_the_pending_timeout() -> None:
    patience = Patience(now=0.0, deadline=100.0, pending_seconds=30.0)

    assert not patience.find_end(29.0)
    assert patience.find_end(30.0) == CODE_NOT_STARTED


def test_an_action_waits_for_busy_pods_until_its_deadline() -> None:
    patience = Patience(now=0.0, deadline=100.0, pending_seconds=30.0)
    patience.note_ready(90.0)

    assert not patience.find_end(99.0)
    assert patience.find_end(100.0) == CODE_TIMEOUT


def test_trouble_is_told_at_once_and_a_usual_start_not() -> None:
    patience = Patience(now=0.0, deadline=100.0, pending_seconds=30.0)

    assert patience.describe("f", "", now=1.0, said="") == ""
    assert patience.describe("f", "ErrImagePull", now=1.0, said="") == "ErrImagePull"
    assert "pod of function 'f'" in patience.describe("f", "", now=QUIET_SECONDS, said="")
    assert "pod of function 'f'" in patience.describe("f", "", now=1.0, said="ErrImagePull")


# Sweeping


def test_a_census_tells_who_has_what() -> None:
    census = Census()
    for number, path in enumerate(
        [
            "v1/c/ns/owner.json",
            "v1/c/ns/n/k",
            "v1/c/ns/w/w1/a",
            "v1/c/ns/bodies/b",
            "v1/c/ns/i/i1/vars/a",
            "v1/c/ns/i/i1/decisions/1.0",
            "v1/c/ns/i/i2/data/output-1",
            "v1/c/ns/i/i2/log/1",
            "v1/c/other/n/k",
        ]
    ):
        place = paths.parse(path)
        assert place is not None
        census.note(place, modified=float(number))

    assert set(census.namespaces) == {"ns", "other"}
    holdings = census.namespaces["ns"]
    assert holdings.has_note
    assert holdings.workflows == {"w1"}
    assert holdings.instances["i1"].decided_at == 5.0
    assert holdings.instances["i1"].is_anything_ending
    assert not holdings.instances["i2"].is_anything_ending


@pytest.mark.parametrize("path", ["varflow.json", "v2/c/ns/n/k", ".varflow-probe/x", "v1/c"])
def test_other_objects_are_nobodys(path: str) -> None:
    assert paths.parse(path) is None
