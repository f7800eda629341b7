"""What the command line decides about a cluster without asking one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click
import pytest
from click.testing import CliRunner

from varflow.engine.messages import InstanceStatus
from varflow.errors import ClusterUnavailable, ObjectConflict, ObjectNotFound, PreconditionFailed
from varflow_cli.cluster import instances, readiness, services, stores, summaries
from varflow_cli.cluster.services import ServiceAddress
from varflow_cli.cluster.stores import Settings
from varflow_cli.cluster.views import InstanceView
from varflow_cli.commands import instances as instances_command
from varflow_cli.console import failures, options
from varflow_cli.console.failures import Mistake
from varflow_operator.instances.statuses import Phase

# Readiness


def obj(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"generation": 2}, "status": {"conditions": list(conditions)}}


def condition(kind: str, status: str, *, generation: int = 2, message: str = "") -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "observedGeneration": generation,
        "reason": "Because",
        "message": message,
    }


@pytest.mark.parametrize(
    ("conditions", "is_ready", "is_refused", "message"),
    [
        ([], False, False, ""),
        ([condition("Ready", "True")], True, False, ""),
        ([condition("Ready", "True", generation=1)], False, False, ""),
        ([condition("Ready", "False", message="soon")], False, False, "soon"),
        (
            [condition("Ready", "False"), condition("Stalled", "True", message="wrong")],
            False,
            True,
            "wrong",
        ),
        ([condition("Stalled", "True")], False, True, "Because"),
        ([condition("Stalled", "True", generation=1)], False, False, ""),
    ],
    ids=["new", "ready", "an older one was", "soon", "never", "no words", "an older one never"],
)
def test_readiness_is_that_of_the_present_generation(
    conditions: list[dict[str, Any]], is_ready: bool, is_refused: bool, message: str
) -> None:
    found = readiness.judge(obj(*conditions))

    assert (found.is_ready, found.is_refused, found.message) == (is_ready, is_refused, message)


def test_an_object_without_a_status_is_not_ready() -> None:
    assert not readiness.judge({"metadata": {"generation": 1}}).is_ready


# Instances


@pytest.mark.parametrize(
    ("workflow", "prefix"),
    [("flow", "flow-"), ("a" * 57 + ".b", "a" * 57 + "-"), ("a" * 56 + "-b", "a" * 56 + "-")],
    ids=["short", "long", "cut at a dash"],
)
def test_an_instances_name_begins_with_its_workflows_and_can_be_a_host_name(
    workflow: str, prefix: str
) -> None:
    found = instances.make(
        {"metadata": {"name": workflow, "namespace": "n", "uid": "u"}}, input=None
    )

    assert found["metadata"]["generateName"] == prefix
    assert len(prefix) <= 58
    assert found["spec"] == {"workflow": workflow, "input": None, "trigger": {"type": "cli"}}


def view(**status: Any) -> InstanceView:
    metadata = {"name": "i", "namespace": "n", "uid": "u"}
    return InstanceView.of(
        {"metadata": metadata, "spec": {"workflow": "w", "cancel": True}, "status": status}
    )


@pytest.mark.parametrize("phase", Phase)
def test_a_phase_is_the_end_or_not(phase: Phase) -> None:
    assert view(phase=phase).has_ended is (phase not in {Phase.PENDING, Phase.RUNNING})
    assert view(phase=phase).is_complete is (phase == Phase.COMPLETE)


def test_every_end_has_its_status() -> None:
    ends = {phase.lower() for phase in Phase} - {"pending", "running"}

    assert ends == set(InstanceStatus)


def test_the_phases_to_choose_from_are_those_there_are() -> None:
    assert list(Phase) == instances_command.PHASES


def test_an_instance_that_says_nothing_yet_is_pending() -> None:
    text = summaries.as_text(view(), None)

    assert "phase     Pending (to be cancelled)\n" in text
    assert "output" not in text


def test_control_characters_of_a_message_do_not_reach_the_terminal() -> None:
    text = summaries.as_text(view(phase="Failed", error={"code": "c", "message": "a\x1b[2J\nb"}), 1)

    assert "error     c: a\\x1b[2J\\x0ab\n" in text


# The store


def settings(namespace: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": "varflow-settings"}, "data": data}


def test_the_only_installation_is_the_one() -> None:
    found = stores.choose_settings([settings("v", store="s3://b", storeSecret="s")], where=None)

    assert found == Settings(namespace="v", url="s3://b", secret="s")


def test_of_several_installations_one_must_be_chosen() -> None:
    with pytest.raises(Mistake, match="in a, b: choose with --system-namespace"):
        stores.choose_settings([settings("b"), settings("a")], where=None)


def test_no_installation_is_not_found() -> None:
    with pytest.raises(ObjectNotFound, match="not installed in namespace v"):
        stores.choose_settings([], where="v")


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("s3.v.svc", ServiceAddress("v", "s3", 7070)),
        ("s3.v.svc.cluster.local", ServiceAddress("v", "s3", 7070)),
        ("s3.eu-west-1.amazonaws.com", None),
        ("127.0.0.1", None),
        ("s3.v", None),
        ("", None),
    ],
    ids=["short", "long", "aws", "address", "too short", "none"],
)
def test_a_host_of_the_clusters_dns_is_a_service(host: str, found: ServiceAddress | None) -> None:
    assert ServiceAddress.parse(host, 7070) == found


@pytest.mark.parametrize(
    ("metadata", "status", "is_ready"),
    [
        ({}, {"conditions": [{"type": "Ready", "status": "True"}]}, True),
        ({}, {"conditions": [{"type": "Ready", "status": "False"}]}, False),
        (
            {"deletionTimestamp": "now"},
            {"conditions": [{"type": "Ready", "status": "True"}]},
            False,
        ),
        ({}, {}, False),
    ],
    ids=["ready", "not ready", "going", "new"],
)
def test_a_pod_that_is_going_takes_no_connections(
    metadata: dict[str, Any], status: dict[str, Any], is_ready: bool
) -> None:
    assert services.is_ready({"metadata": metadata, "status": status}) is is_ready


# Options and exit codes


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90", timedelta(seconds=90)),
        ("0.5s", timedelta(seconds=0.5)),
        ("1h30m", timedelta(minutes=90)),
        ("2d", timedelta(days=2)),
    ],
)
def test_a_length_of_time_is_written_as_people_do(text: str, length: timedelta) -> None:
    assert options.parse_duration(click.Context(click.Command("x")), OPTION, text) == length


@pytest.mark.parametrize("text", ["", "soon", "1h30", "-1s", "1y", "1" * 20])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="no length of time"):
        options.parse_duration(click.Context(click.Command("x")), OPTION, text)


OPTION = click.Option(["--since"])


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (ObjectNotFound("x"), 3),
        (ObjectConflict("x"), 5),
        (PreconditionFailed("x"), 5),
        (ClusterUnavailable("x"), 6),
    ],
    ids=["not found", "conflict", "precondition", "unreachable"],
)
def test_exit_codes_say_what_to_do_about_it(error: Exception, exit_code: int) -> None:
    assert failures.translate(error).exit_code == exit_code


def test_completion_without_a_cluster_offers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    found = CliRunner().invoke(
        instances_command.command,
        env={"_VARFLOW_COMPLETE": "bash_complete", "COMP_WORDS": "varflow get ", "COMP_CWORD": "2"},
        prog_name="varflow",
    )

    assert (found.exit_code, found.output.strip()) == (0, "")
