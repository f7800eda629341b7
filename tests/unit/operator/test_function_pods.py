"""Which pod gets an action, how many there should be, and why one does not start."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.definitions import pods_of
from varflow_operator import names
from varflow_operator.pods import choosing, reasons, scaling, states
from varflow_operator.pods.choosing import Candidate
from varflow_operator.pods.functions import Function, FunctionSettings
from varflow_operator.pods.states import FunctionKey, PodState
from varflow_operator.resources.plans import Scale


def candidate(name: str, running: int = 0, *, is_usable: bool = True) -> Candidate:
    return Candidate(uid=f"uid-{name}", name=name, running=running, is_usable=is_usable)


@pytest.mark.parametrize(
    ("candidates", "chosen"),
    [
        pytest.param([], None, id="there is none"),
        pytest.param([candidate("a", is_usable=False)], None, id="none is ready"),
        pytest.param([candidate("a", 2), candidate("b", 2)], None, id="all are full"),
        pytest.param([candidate("a", 1), candidate("b", 0)], "b", id="the least busy"),
        pytest.param([candidate("b", 1), candidate("a", 1)], "a", id="of equals the first"),
        pytest.param([candidate("a", is_usable=False), candidate("b", 1)], "b", id="a ready one"),
    ],
)
def test_the_least_busy_ready_pod_gets_the_action(
    candidates: list[Candidate], chosen: str | None
) -> None:
    found = choosing.choose(candidates, concurrency=2)

    assert (found and found.name) == chosen


@pytest.mark.parametrize(
    ("present", "in_flight", "idle", "wanted"),
    [
        pytest.param(0, 0, 1000, 0, id="nothing to do, no pod"),
        pytest.param(0, 1, 0, 1, id="the first action wakes one"),
        pytest.param(1, 10, 0, 1, id="a pod takes ten"),
        pytest.param(1, 11, 0, 2, id="the eleventh needs another"),
        pytest.param(3, 100, 0, 5, id="never more than the maximum"),
        pytest.param(4, 1, 0, 4, id="none goes while something runs"),
        pytest.param(4, 0, 299, 4, id="none goes before its time"),
        pytest.param(4, 0, 300, 0, id="all go when idle"),
    ],
)
def test_pods_follow_the_actions(present: int, in_flight: int, idle: float, wanted: int) -> None:
    scale = Scale(min=0, max=5, idle_seconds=300)

    found = scaling.wanted(scale, present=present, in_flight=in_flight, concurrency=10, idle=idle)

    assert found == wanted


@pytest.mark.parametrize(
    ("present", "in_flight", "idle", "wanted"),
    [
        pytest.param(0, 0, 0, 2, id="the minimum is there without an action"),
        pytest.param(5, 0, 1000, 2, id="and stays when idle"),
        pytest.param(2, 30, 0, 3, id="and is added to"),
    ],
)
def test_a_minimum_of_pods_is_kept(present: int, in_flight: int, idle: float, wanted: int) -> None:
    scale = Scale(min=2, max=5, idle_seconds=300)

    found = scaling.wanted(scale, present=present, in_flight=in_flight, concurrency=10, idle=idle)

    assert found == wanted


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, "message": message}}, **more}


UNSCHEDULABLE = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/1 nodes are available",
}


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        pytest.param({}, "", id="nothing is known"),
        pytest.param(
            {"containerStatuses": [waiting("ContainerCreating")]}, "", id="it is starting"
        ),
        pytest.param(
            {"conditions": [UNSCHEDULABLE]},
            "Unschedulable: 0/1 nodes are available",
            id="no node has room",
        ),
        pytest.param(
            {"containerStatuses": [waiting("ImagePullBackOff", "no such image")]},
            "ImagePullBackOff: no such image",
            id="the image is not there",
        ),
        pytest.param(
            {
                "initContainerStatuses": [waiting("CreateContainerConfigError", "no secret")],
                "containerStatuses": [waiting("PodInitializing")],
            },
            "CreateContainerConfigError: no secret",
            id="the sidecar does not start",
        ),
        pytest.param(
            {
                "containerStatuses": [
                    waiting(
                        "CrashLoopBackOff",
                        "back-off 10s",
                        lastState={"terminated": {"reason": "OOMKilled", "exitCode": 137}},
                    )
                ]
            },
            "CrashLoopBackOff: back-off 10s (it ended with OOMKilled, exit code 137)",
            id="the function dies",
        ),
        pytest.param(
            {
                "containerStatuses": [
                    {
                        "name": "function",
                        "ready": False,
                        "state": {"terminated": {"reason": "Error", "exitCode": 1}},
                    }
                ]
            },
            "Crashed: container function ended with Error, exit code 1",
            id="the function is dead between two starts",
        ),
        pytest.param(
            {
                "containerStatuses": [
                    {
                        "name": "function",
                        "ready": True,
                        "state": {"running": {}},
                        "lastState": {"terminated": {"reason": "Error", "exitCode": 1}},
                    }
                ]
            },
            "",
            id="the function has recovered",
        ),
        pytest.param(
            {"phase": "Failed", "reason": "Evicted", "message": "low on memory"},
            "Evicted: low on memory",
            id="the pod was evicted",
        ),
    ],
)
def test_trouble_is_told_in_the_clusters_own_words(status: dict[str, Any], trouble: str) -> None:
    assert reasons.trouble(status) == trouble


def test_trouble_of_many_pods_is_the_most_frequent() -> None:
    assert reasons.summary(["", "a: x", "b: y", "b: y"]) == "b: y (2 pods)"
    assert reasons.summary(["", ""]) == ""


def test_a_deployment_without_pods_says_why() -> None:
    failure = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": "exceeded quota",
    }
    assert reasons.of_deployment({"status": {"conditions": [failure]}}) == (
        "FailedCreate: exceeded quota"
    )
    assert reasons.of_deployment({"status": {}}) == ""
    assert reasons.of_deployment(None).startswith("NoDeployment")


def pod_object(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p", "uid": "u", "labels": pods_of().labels}, "status": status}


READY = {"conditions": [{"type": "Ready", "status": "True"}], "podIP": "10.0.0.1"}


def test_a_ready_pod_can_be_reached() -> None:
    state = states.read(pod_object(**READY), address=states.action_url)

    assert state.is_ready
    assert state.url == "http://10.0.0.1:8890"


def test_an_address_of_ipv6_stands_in_brackets() -> None:
    assert states.action_url(pod_object(podIP="fd00::1")) == "http://[fd00::1]:8890"


@pytest.mark.parametrize(
    ("changes", "metadata"),
    [
        pytest.param({"podIP": ""}, {}, id="no address"),
        pytest.param({"conditions": []}, {}, id="not ready"),
        pytest.param({"phase": "Failed"}, {}, id="evicted"),
        pytest.param({}, {"deletionTimestamp": "2026-01-01T00:00:00Z"}, id="leaving"),
    ],
)
def test_other_pods_are_not_used(changes: dict[str, Any], metadata: dict[str, Any]) -> None:
    pod = pod_object(**{**READY, **changes})
    pod["metadata"] |= metadata

    assert not states.read(pod, address=states.action_url).is_ready


def test_a_pod_belongs_to_the_function_whose_labels_it_has() -> None:
    key = states.key_of(pod_object())

    assert key == FunctionSettings.of(pods_of()).key
    assert states.key_of({"metadata": {"labels": {names.LABEL_SPEC: "x"}}}) is None


RUNNING = {"state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
COLLECTED = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC"}


@pytest.mark.parametrize(
    ("status", "may_run"),
    [
        pytest.param({"phase": "Running", **READY}, True, id="it runs"),
        pytest.param({"phase": "Running", "podIP": "10.0.0.1"}, True, id="it is not ready"),
        pytest.param({"phase": "Pending"}, False, id="no node has it yet"),
        pytest.param(
            {"phase": "Pending", "containerStatuses": [waiting("ContainerCreating")]},
            False,
            id="it starts",
        ),
        pytest.param(
            {"phase": "Pending", "initContainerStatuses": [RUNNING]},
            True,
            id="its sidecar has started, and it has no address",
        ),
        pytest.param(
            {
                "phase": "Running",
                "initContainerStatuses": [
                    waiting("CrashLoopBackOff", lastState={"terminated": {"exitCode": 1}})
                ],
            },
            True,
            id="its sidecar starts again, and it has no address",
        ),
        pytest.param({"phase": "Succeeded", **READY}, False, id="it has ended"),
        pytest.param({"phase": "Failed", **READY}, False, id="it has failed"),
        pytest.param(
            {"phase": "Failed", "podIP": "10.0.0.1", "conditions": [COLLECTED]},
            True,
            id="it was declared to have failed, since its node was not there",
        ),
    ],
)
def test_in_a_pod_something_may_run_until_its_end_is_known(
    status: dict[str, Any], may_run: bool
) -> None:
    assert states.read(pod_object(**status), address=states.action_url).may_run is may_run


def test_in_a_pod_of_which_only_the_name_is_known_something_may_run() -> None:
    pod = pod_object()
    del pod["status"]

    assert states.read(pod, address=states.action_url).may_run


# The queue before the pods


def make_function(*, concurrency: int = 1) -> Function:
    settings = FunctionSettings.of(pods_of(concurrency=concurrency))
    function = Function(settings.key, on_change=lambda _: None)
    function.settings = settings
    return function


def ready(uid: str = "p", *, is_ready: bool = True, **fields: Any) -> PodState:
    given: dict[str, Any] = {
        "uid": uid,
        "name": uid,
        "url": f"http://{uid}",
        "is_ready": is_ready,
        "is_leaving": False,
        "is_over": False,
        "may_run": True,
        "trouble": "",
    }
    return PodState(**{**given, **fields})


async def turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_places_are_handed_out_in_the_order_of_asking() -> None:
    function = make_function()
    order: list[int] = []

    async def use(number: int) -> None:
        place = await function.take()
        order.append(number)
        place.release()

    tasks = [asyncio.create_task(use(number)) for number in range(3)]
    await turn()
    assert function.in_flight == 3
    function.observe(ready())
    await asyncio.gather(*tasks)

    assert order == [0, 1, 2]
    assert function.in_flight == 0


async def test_who_stops_waiting_leaves_the_place_to_the_next() -> None:
    function = make_function()
    first, second = (asyncio.create_task(function.take()) for _ in range(2))
    await turn()
    function.observe(ready())
    first.cancel()  # in the same moment as it gets the place
    await turn()

    assert (await second).pod.state.uid == "p"
    assert function.in_flight == 1


async def test_a_pod_that_refused_is_left_alone() -> None:
    function = make_function()
    function.observe(ready("a"))
    function.observe(ready("b"))
    place = await function.take()
    assert place.pod.state.uid == "a"
    place.release(is_refused=True)

    assert (await function.take()).pod.state.uid == "b"


async def test_nothing_is_handed_out_while_pods_are_being_taken_away() -> None:
    function = make_function()
    function.observe(ready())
    function.begin_lowering()
    waiting_ = asyncio.create_task(function.take())
    await turn()
    function.present = 0
    function.end_lowering()
    await turn()
    assert not waiting_.done()  # the pod looks ready, but it is the one that goes

    function.forget(ready())
    function.observe(ready("new"))

    assert (await waiting_).pod.state.uid == "new"


async def test_who_uses_a_pod_hears_that_it_is_gone() -> None:
    function = make_function()
    function.observe(ready())
    place = await function.take()

    function.forget(ready())

    assert place.pod.gone.is_set()
    place.release()
    assert function.in_flight == 0


def test_keys_of_different_workflows_differ() -> None:
    assert FunctionKey("a", "f", "s") != FunctionKey("b", "f", "s")
