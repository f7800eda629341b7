"""What each type of state does, and what all have in common."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.engine import END, Driver, make_action, make_workflow, run
from varflow.contract import FileMount, FileType
from varflow.engine.messages import (
    DispatchAction,
    EnterState,
    InstanceStatus,
    Log,
    LogLevel,
    ReadVariables,
    SetTimer,
    VariableRead,
    VariableWrite,
    WriteVariables,
)

Json = Any
NOOP = {"id": "n", "type": "noop"}


# What all states have


def test_without_a_transition_the_instance_completes_with_its_data() -> None:
    driver = run(make_workflow(NOOP), {"a": 1})

    assert driver.end.status is InstanceStatus.COMPLETE
    assert driver.end.output == {"a": 1}
    assert driver.states == ["n"]


@pytest.mark.parametrize(
    ("given", "data"),
    [
        ({"a": [1]}, {"a": [1]}),
        ([1, 2], {"input": [1, 2]}),
        ("", {"input": ""}),
        ("SGk=", {"input": "SGk="}),
        (0, {"input": 0}),
    ],
    ids=["an object", "an array", "nothing", "base64 of other bytes", "a number"],
)
def test_input_that_is_no_object_goes_under_input(given: Json, data: Json) -> None:
    assert run(make_workflow(NOOP), given).end.output == data


def test_the_start_state_is_the_named_one_else_the_first() -> None:
    states = [{"id": "x", "type": "noop", "transition": END}, {"id": "y", "type": "noop"}]

    assert run(make_workflow(*states)).states == ["x"]
    assert run(make_workflow(*states, start={"state": "y"})).states == ["y"]


@pytest.mark.parametrize(
    ("transform", "data"),
    [
        ("jq(.b = .a | del(.a))", {"b": 1}),
        ({"x": 5, "y": "jq(.a)"}, {"x": 5, "y": 1}),
        ("", {"a": 1}),
        (".", {"a": 1}),
    ],
    ids=["a program", "a structure", "empty is none", "the identity is none"],
)
def test_a_transform_replaces_the_data(transform: Json, data: Json) -> None:
    assert run(make_workflow({**NOOP, "transform": transform}), {"a": 1}).end.output == data


@pytest.mark.parametrize("transform", ["jq(.a)", "text", ["jq(.a)"], "jq([.a])"])
def test_a_transform_that_yields_no_object_is_an_error(transform: Json) -> None:
    driver = run(make_workflow({**NOOP, "transform": transform}), {"a": 1})

    assert (driver.end.status, driver.end.code) == ("failed", "direktiv.jq.notObject")


def test_log_comes_before_metadata_logic_transform_and_the_next_state() -> None:
    state = {"log": "jq(.a)", "metadata": {"m": "jq(.a)"}, "transform": "jq(.a = 2)"}
    driver = run(make_workflow({**NOOP, **state}, {"id": "z", "type": "noop"}), {"a": 1})

    kinds = [type(command) for command in driver.commands if not isinstance(command, SetTimer)]
    assert kinds[:3] == [EnterState, Log, EnterState]
    assert driver.find(Log) == [Log(level=LogLevel.INFO, text="1", state="n")]
    assert driver.snapshot.metadata == {"m": 1}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("hello jq(.a)", "hello 1"),
        ({"Name": "jq(.b)", "Constant": 5}, '{\n  "Constant": 5,\n  "Name": "ü"\n}'),
        ("jq([.a])", "[\n  1\n]"),
    ],
    ids=["text raw", "an object indented and sorted", "an array indented"],
)
def test_a_log_value_is_text_or_indented_json(value: Json, text: str) -> None:
    assert run(make_workflow({**NOOP, "log": value}), {"a": 1, "b": "ü"}).logs == [text]


def test_expressions_see_the_input_and_the_results_of_states() -> None:
    driver = run(
        make_workflow(
            {**NOOP, "id": "first", "transform": {"v": "jq(.a + 1)"}},
            {**NOOP, "id": "my-state", "transform": {"v": "jq($steps.first.v + $input.a)"}},
            {**NOOP, "id": "last", "transform": 'jq({r: [$steps.first.v, $steps["my-state"].v]})'},
        ),
        {"a": 1},
    )

    assert driver.end.output == {"r": [2, 3]}


def test_only_what_is_mentioned_is_kept() -> None:
    driver = run(
        make_workflow(
            {**NOOP, "id": "first"},
            {**NOOP, "id": "second"},
            {"id": "d", "type": "delay", "duration": "PT1S", "transform": "jq({r: $steps.second})"},
        ),
        {"a": 1},
    )

    assert driver.snapshot.steps == {"second": {"a": 1}}
    assert driver.snapshot.input is None


# switch


LOOP = make_workflow(
    {"id": "init", "type": "noop", "transform": {"i": 5, "result": []}},
    {
        "id": "check",
        "type": "switch",
        "conditions": [
            {
                "condition": "jq(.i)",
                "transform": "jq(.result += [.i] | .i -= 1)",
                "transition": "check",
            }
        ],
    },
)


def test_a_switch_takes_its_first_true_arm_with_that_arms_transform() -> None:
    assert run(LOOP).end.output == {"i": 0, "result": [5, 4, 3, 2, 1]}


@pytest.mark.parametrize(
    ("value", "is_true"),
    [
        (False, False),
        ("", False),
        (0, False),
        (0.0, False),
        ([], False),
        ({}, False),
        (True, True),
        ("false", True),
        (-1, True),
        ([0], True),
        ({"a": None}, True),
    ],
    ids=repr,
)
def test_a_condition_is_true_unless_it_is_empty(value: Json, is_true: bool) -> None:
    switch = {
        "id": "s",
        "type": "switch",
        "conditions": [{"condition": "jq(.v)", "transform": {"taken": "arm"}}],
        "defaultTransform": {"taken": "default"},
    }

    output = run(make_workflow(switch), {"v": value}).end.output
    assert output == {"taken": "arm" if is_true else "default"}


def test_a_condition_that_is_null_is_an_error_as_everywhere() -> None:
    switch = {"id": "s", "type": "switch", "conditions": [{"condition": "jq(.missing)"}]}

    assert run(make_workflow(switch)).end.code == "direktiv.jq.badCommand"


def test_a_switch_without_a_true_arm_takes_the_default_transition() -> None:
    switch = {
        "id": "s",
        "type": "switch",
        "conditions": [{"condition": "jq(false)", "transition": "s"}],
        "defaultTransition": "n",
    }

    assert run(make_workflow(switch, NOOP)).states == ["s", "n"]


# delay


def test_a_delay_waits_for_its_timer() -> None:
    driver = run(make_workflow({"id": "d", "type": "delay", "duration": "PT50S"}, NOOP))
    assert not driver.is_over
    assert driver.timer("running").at == 1050.0

    driver.fire()
    assert driver.states == ["d", "n"]
    assert driver.end.status is InstanceStatus.COMPLETE


# error


ERROR = {
    "id": "e",
    "type": "error",
    "error": "age.error",
    "message": "too young: %d",
    "args": ["jq(.age)"],
}


def test_an_error_state_ends_the_instance_as_failed_with_its_data() -> None:
    end = run(make_workflow(ERROR), {"age": 12}).end

    assert (end.status, end.code, end.message) == ("failed", "age.error", "too young: 12")
    assert end.output == {"age": 12}


def test_an_error_state_goes_on_to_its_transition_and_the_mark_stays() -> None:
    driver = run(make_workflow({**ERROR, "transform": {"cleaned": True}}, NOOP), {"age": 12})

    assert driver.states == ["e", "n"]
    assert (driver.end.status, driver.end.code) == ("failed", "age.error")
    assert driver.end.output == {"cleaned": True}


def test_a_second_error_state_is_an_error_that_can_be_caught() -> None:
    again = {**ERROR, "id": "again"}
    assert (
        run(make_workflow(ERROR, again), {"age": 1}).end.code == "direktiv.workflow.multipleErrors"
    )

    caught = {**again, "catch": [{"error": "direktiv.workflow.*", "transition": "n"}]}
    driver = run(make_workflow(ERROR, {**caught, "transition": END}, NOOP), {"age": 1})
    assert driver.states == ["e", "again", "n"]
    assert driver.end.code == "age.error"


# getter


GETTER = {
    "id": "g",
    "type": "getter",
    "variables": [
        {"key": "x", "scope": "workflow"},
        {"key": "jq(.name)", "scope": "jq(.where)", "as": "y"},
    ],
}
WHERE = {"name": "k", "where": "namespace"}


def test_a_getter_reads_all_its_variables_at_once() -> None:
    driver = run(make_workflow(GETTER), WHERE)

    assert driver.new(ReadVariables)[0].items == (
        VariableRead(scope="workflow", key="x"),
        VariableRead(scope="namespace", key="k"),
    )


def test_what_a_getter_read_replaces_var_as_a_whole() -> None:
    driver = run(make_workflow(GETTER), {**WHERE, "var": {"old": 1}}).read(None, [1])

    assert driver.end.output == {**WHERE, "var": {"x": None, "y": [1]}}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"name": 5, "where": "workflow"}, "direktiv.jq.notString"),
        ({"name": "", "where": "workflow"}, "direktiv.jq.notString"),
        ({"name": "a/b", "where": "workflow"}, "direktiv.var.invalidKey"),
        ({"name": "k", "where": "thread"}, "direktiv.var.invalidScope"),
        ({"name": "k", "where": 1}, "direktiv.jq.notString"),
        ({"name": "k"}, "direktiv.jq.badCommand"),
    ],
    ids=["key a number", "key empty", "key a path", "scope unknown", "scope a number", "null"],
)
@pytest.mark.parametrize("type_", ["getter", "setter"])
def test_names_that_expressions_give_are_checked(type_: str, data: Json, code: str) -> None:
    variable = {"key": "jq(.name)", "scope": "jq(.where)"}
    value = {"value": 1} if type_ == "setter" else {}
    driver = run(
        make_workflow({"id": "s", "type": type_, "variables": [{**variable, **value}]}), data
    )

    assert (driver.end.status, driver.end.code) == ("failed", code)


def test_a_read_that_failed_is_the_states_error() -> None:
    driver = run(make_workflow(GETTER), WHERE)
    driver.lose(driver.last(ReadVariables).request, code="store_unavailable")

    assert (driver.end.status, driver.end.code) == ("failed", "store_unavailable")


# setter


def make_setter(*variables: dict[str, Json], **state: Json) -> dict[str, Json]:
    filled = [{"key": "x", "scope": "workflow", **variable} for variable in variables]
    return {"id": "s", "type": "setter", "variables": filled, **state}


@pytest.mark.parametrize(
    ("variable", "data"),
    [
        ({"value": "jq(.v)"}, b'{"n":[1,"<"]}'),
        ({"value": "text"}, b'"text"'),
        ({"value": 0}, b"0"),
        ({"value": "text", "mimeType": "text/plain"}, b"text"),
        ({"value": "AAEC", "mimeType": "application/octet-stream"}, b"\0\1\2"),
        ({"value": None}, None),
        ({"value": "jq(.missing)"}, None),
        ({"value": "jq(.missing)", "mimeType": "text/plain"}, None),
    ],
    ids=[
        "JSON",
        "a string as JSON",
        "zero is a value",
        "text",
        "bytes",
        "null written deletes",
        "null yielded deletes",
        "null deletes whatever the type",
    ],
)
def test_a_setter_encodes_a_value_by_its_type(
    variable: dict[str, Json], data: bytes | None
) -> None:
    driver = run(make_workflow(make_setter(variable)), {"v": {"n": [1, "<"]}})

    [item] = driver.new(WriteVariables)[0].items
    assert item.data == data
    assert item.content_type == variable.get("mimeType", "application/json")


def test_a_setter_writes_all_in_one_commit_and_leaves_the_data_alone() -> None:
    driver = run(
        make_workflow(make_setter({"value": 1}, {"key": "y", "value": 2}, {"value": 3})), {"var": 0}
    )

    [command] = driver.new(WriteVariables)
    assert command.items == (
        VariableWrite(scope="workflow", key="x", data=b"3", content_type="application/json"),
        VariableWrite(scope="workflow", key="y", data=b"2", content_type="application/json"),
    )
    assert driver.written().end.output == {"var": 0}


def test_a_value_that_its_type_cannot_encode_is_an_error_that_can_be_caught() -> None:
    setter = make_setter(
        {"value": "no base64!", "mimeType": "application/octet-stream"},
        catch=[{"error": "direktiv.var.invalidValue"}],
    )
    driver = run(make_workflow(setter))

    assert driver.end.status is InstanceStatus.COMPLETE
    assert driver.end.output["error"]["msg"].startswith("variables[0].value: ")


# action


def test_an_action_is_sent_with_all_that_its_function_needs() -> None:
    driver = run(make_workflow(make_action(input={"x": "jq(.a)"}, timeout="PT30S")), {"a": 1})

    [command] = driver.new(DispatchAction)
    assert command == DispatchAction(
        action_id=command.action_id,
        function="fn",
        decision="1.0",
        idempotency_key=f"{driver.snapshot.instance}.1.0",
        deadline=1030.0,
        input={"x": 1},
        files=(),
        iterator=0,
        attempt=0,
    )
    assert len(command.action_id) == 32


@pytest.mark.parametrize("output", [{"a": 1}, [1], "", 5, None], ids=repr)
def test_an_actions_answer_becomes_return(output: Json) -> None:
    driver = run(make_workflow(make_action()), {"a": 1}).finish_action(output)

    assert driver.end.output == {"a": 1, "return": output}


def test_without_an_input_the_function_gets_the_whole_data_and_its_secrets() -> None:
    driver = Driver(make_workflow(make_action(secrets=["token"])), secrets={"token": "s3cret"})
    driver.start({"a": 1})

    assert driver.last(DispatchAction).input == {"a": 1, "secrets": {"token": "s3cret"}}
    assert b"s3cret" not in driver.snapshot.encode()


def test_input_and_files_may_use_secrets_which_never_get_into_the_data() -> None:
    action = make_action(
        secrets=["token"], input="jq(.secrets.token)", files=[{"key": "jq(.secrets.token)"}]
    )
    driver = Driver(make_workflow(action), secrets={"token": "s3cret"}).start()

    command = driver.last(DispatchAction)
    assert (command.input, command.files[0].key) == ("s3cret", "s3cret")
    assert driver.finish_action(1).end.output == {"return": 1}
    assert b"s3cret" not in driver.snapshot.encode()


def test_the_functions_files_come_before_the_actions() -> None:
    function = {
        "id": "fn",
        "type": "container",
        "image": "i",
        "files": [{"key": "a", "as": "x/a", "type": "tar.gz", "permissions": "0755"}],
    }
    action = make_action(files=[{"key": "jq(.k)", "scope": "jq(.s)"}])
    driver = run(make_workflow(action, functions=[function]), {"k": "b", "s": "namespace"})

    assert driver.last(DispatchAction).files == (
        FileMount(key="a", as_name="x/a", type=FileType.TAR_GZ, permissions=0o755),
        FileMount(key="b", scope="namespace"),
    )


@pytest.mark.parametrize(
    ("file", "code", "word"),
    [
        ({"key": "jq(.path)"}, "direktiv.var.invalidKey", "files[1].key"),
        ({"key": "jq(5)"}, "direktiv.jq.notString", "files[1].key"),
        ({"key": "x", "scope": "jq(.v)"}, "direktiv.var.invalidScope", "files[1].scope"),
        ({"key": "x", "type": "jq(.v)"}, "direktiv.var.invalidType", "files[1].type"),
        ({"key": "x", "permissions": "jq(.v)"}, "direktiv.var.perms", "files[1].permissions"),
        ({"key": "x", "permissions": "jq(755)"}, "direktiv.var.perms", "files[1].permissions"),
        ({"key": "x", "as": "a"}, "direktiv.var.invalidKey", "files[1]"),
    ],
    ids=["key", "key no text", "scope", "type", "permissions", "a number", "name used twice"],
)
def test_a_wrong_file_fails_the_action_and_is_named(
    file: dict[str, Json], code: str, word: str
) -> None:
    driver = run(
        make_workflow(make_action(files=[{"key": "a"}, file])), {"v": "odd", "path": "a/b"}
    )

    assert (driver.end.status, driver.end.code) == ("failed", code)
    assert driver.end.message.startswith(word)
    assert not driver.find(DispatchAction)


def test_warnings_of_an_action_go_to_the_log() -> None:
    driver = run(make_workflow(make_action())).finish_action(warnings=("out/workflow/a: too long",))

    assert driver.find(Log) == [
        Log(level=LogLevel.WARNING, text="out/workflow/a: too long", state="a")
    ]
