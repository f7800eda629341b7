"""Files that are right: what becomes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from varflow.language import describing, expressions, loading
from varflow.language.expressions import Dialect, Language, Literal, Mapping, Program
from varflow.language.functions import ContainerFunction, LocalSpec, Scale
from varflow.language.workflow import (
    ActionState,
    DelayState,
    ErrorState,
    GetterState,
    SetterState,
    SwitchState,
    Workflow,
)

SEED_OLDER = """\
id: counter
states:
- id: a
  type: getter
  variables:
  - key: x
    scope: workflow
  transform: '.var.x += 1'
  transition: b
- id: b
  type: setter
  variables:
  - key: x
    scope: workflow
    value: '.var.x'
"""
SEED_NEWER = """\
direktiv_api: workflow/v1
states:
- id: a
  type: getter
  variables:
  - key: x
    scope: workflow
  transform: 'jq(.var.x += 1)'
  transition: b
- id: b
  type: setter
  variables:
  - key: x
    scope: workflow
    value: 'jq(.var.x)'
"""
MANIFEST = """\
apiVersion: varflow.dev/v1alpha1
kind: Workflow
metadata:
  name: whole
  namespace: team
  labels: {any: thing}
spec:
  description: Everything that this version runs
  timeouts: {interrupt: PT1M, kill: PT2M}
  start: {state: call}
  functions:
  - id: f
    image: example.org/f:1
    command: [run]
    args: [--fast]
    env: [{name: A, value: b}, {name: C, valueFrom: {secretKeyRef: {name: s, key: k}}}]
    size: large
    scale: {min: 0, max: 3, idleSeconds: 60}
    concurrency: 2
    files:
    - {key: model, scope: namespace, as: models/m, type: tar.gz, permissions: "0755"}
    local: {command: python f.py, dir: functions, port: 8080}
  states:
  - id: call
    type: action
    log: 'calling for jq(.name)'
    metadata: {step: 1}
    timeout: PT30S
    action:
      function: f
      input: {name: jq(.name), all: jq($steps)}
      secrets: [token]
      retries: {max_attempts: 3, delay: PT1S, multiplier: 2, codes: ["com.*"]}
      files: [{key: jq(.key)}]
    catch: [{error: "*", transition: bad}]
    transition: choose
  - id: choose
    type: switch
    conditions:
    - {condition: 'jq(.return > 1)', transform: {big: true}, transition: wait}
    - condition: jq(.x)
    defaultTransform: jq(.return)
    defaultTransition: bad
  - {id: wait, type: delay, duration: PT0.5S}
  - {id: bad, type: error, error: my.code, message: 'no %s', args: [jq(.name)]}
"""


def load_one(text: str, source: str = "some/file.yaml", dialect: Dialect | None = None) -> Workflow:
    (workflow,) = loading.load_text(text, source=source, dialect=dialect).workflows.values()
    return workflow


def jq(source: str) -> Program:
    return Program(Language.JQ, source)


def test_the_older_seed_is_bare() -> None:
    workflow = load_one(SEED_OLDER)
    getter, setter = workflow.states

    assert (workflow.name, workflow.dialect) == ("counter", Dialect.BARE)
    assert isinstance(getter, GetterState)
    assert isinstance(setter, SetterState)
    assert getter.transform == jq(".var.x += 1")
    assert getter.transition == "b"
    assert getter.variables[0].key == Literal("x")
    assert getter.variables[0].scope == Literal("workflow")
    assert setter.variables[0].value == jq(".var.x")


def test_the_newer_seed_is_wrapped_and_named_by_its_file() -> None:
    workflow = load_one(SEED_NEWER, source="flows/count.up.yaml")

    assert (workflow.name, workflow.dialect) == ("count.up", Dialect.WRAPPED)
    assert workflow.states[0].transform == jq(".var.x += 1")


def test_an_empty_value_of_a_setter_is_null_and_an_empty_transform_is_none() -> None:
    workflow = load_one(
        "states:\n- id: a\n  type: setter\n  transform:\n"
        "  variables:\n  - key: MyVar\n    scope: namespace\n    value:\n"
    )
    (setter,) = workflow.states

    assert isinstance(setter, SetterState)
    assert setter.variables[0].value == Literal(None)
    assert setter.variables[0].mimeType == Literal("application/json")
    assert setter.transform is None


def test_a_manifest_with_everything() -> None:
    workflow = load_one(MANIFEST)
    function = workflow.functions[0]
    call, choose, wait, bad = workflow.states

    assert (workflow.name, workflow.namespace, workflow.start.state) == ("whole", "team", "call")
    assert (workflow.timeouts.interrupt, workflow.timeouts.kill) == (60, 120)
    assert isinstance(function, ContainerFunction)
    assert function.local == LocalSpec(command="python f.py", dir="functions", port=8080)
    assert function.scale == Scale(min=0, max=3, idleSeconds=60)
    assert function.files[0].as_ == Literal("models/m")
    assert isinstance(call, ActionState)
    assert call.action.input == Mapping((("name", jq(".name")), ("all", jq("$steps"))))
    assert call.action.retries is not None
    assert (call.action.retries.delay, call.action.retries.multiplier) == (1, 2)
    assert call.action.files[0].key == jq(".key")
    assert call.action.files[0].type == Literal("plain")
    assert isinstance(choose, SwitchState)
    assert choose.conditions[1].transition is None
    assert isinstance(wait, DelayState)
    assert wait.duration == 0.5
    assert isinstance(bad, ErrorState)
    assert bad.args == (jq(".name"),)


@pytest.mark.parametrize(
    ("head", "body", "dialect", "reason"),
    [
        pytest.param("", ".x", "wrapped", "the default", id="nothing is said"),
        pytest.param(
            "direktiv_api: workflow/v1\n", ".x", "wrapped", "`direktiv_api` is given", id="newer"
        ),
        pytest.param("id: w\n", ".x", "bare", "an `id` at the top, and no jq( or js(", id="older"),
        pytest.param("id: w\n", "jq(.x)", "wrapped", "it holds jq( or js(", id="between them"),
        pytest.param(
            "direktiv_api: workflow/v1\nid: w\n",
            ".x",
            "wrapped",
            "`direktiv_api` is given",
            id="an id in the newer edition",
        ),
        pytest.param(
            "id: w\nexpressions: wrapped\n", ".x", "wrapped", "`expressions` says so", id="said"
        ),
        pytest.param("expressions: bare\n", ".x", "bare", "`expressions` says so", id="said bare"),
    ],
)
def test_the_dialect_is_chosen_and_the_choice_explained(
    head: str, body: str, dialect: str, reason: str
) -> None:
    text = f"{head}states: [{{id: a, type: noop, transform: '{body}'}}]"

    definitions = loading.load_text(text, source="w.yaml")

    assert definitions.workflows["w"].dialect == dialect
    assert definitions.origins["w"].reason == reason
    assert list(describing.describe(definitions)) == [
        f"w.yaml:1: workflow w: 1 state, 0 functions; expressions: {dialect} ({reason})"
    ]


def test_an_override_wins_over_what_the_file_says() -> None:
    assert load_one(SEED_OLDER, dialect=Dialect.WRAPPED).states[0].transform == Literal(
        ".var.x += 1"
    )


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        pytest.param(
            "{id: f, type: knative-workflow, image: i, cmd: \"run 'a b'\", scale: 2, size: medium,"
            " envs: [{name: A, value: b}]}",
            ContainerFunction(
                id="f",
                image="i",
                command=("run", "a b"),
                env=({"name": "A", "value": "b"},),
                size="medium",
                scale=Scale(min=2),
            ),
            id="knative-workflow",
        ),
        pytest.param(
            "{id: f, type: reusable, image: i, cmd: ''}",
            ContainerFunction(id="f", image="i"),
            id="reusable",
        ),
        pytest.param(
            "{id: f, type: isolated, image: i}", ContainerFunction(id="f", image="i"), id="isolated"
        ),
        pytest.param("{id: f, image: i}", ContainerFunction(id="f", image="i"), id="untyped"),
        pytest.param(
            "{id: f, image: i, scale: 1}",
            ContainerFunction(id="f", image="i", scale=Scale(min=1)),
            id="untyped with the older scale",
        ),
        pytest.param(
            "{id: f, type: knative-namespace, service: /a/b.yaml}",
            ContainerFunction(id="f", image="/a/b.yaml"),
            id="knative-namespace",
        ),
        pytest.param(
            "{id: f, type: knative-global, service: s}",
            ContainerFunction(id="f", image="s"),
            id="knative-global",
        ),
        pytest.param(
            "{id: f, type: knative-system, path: p}",
            ContainerFunction(id="f", image="p"),
            id="knative-system by path",
        ),
        pytest.param(
            "{id: f, type: knative-system, service: p, local: {command: [a, b]}}",
            ContainerFunction(id="f", image="p", local=LocalSpec(command=("a", "b"))),
            id="knative-system by service, with our own local",
        ),
    ],
)
def test_direktivs_functions_become_containers(function: str, expected: ContainerFunction) -> None:
    workflow = load_one(f"functions: [{function}]\nstates: [{{id: a, type: noop}}]")

    assert workflow.functions == (expected,)


def test_a_message_is_plain_text_in_the_older_edition_too() -> None:
    workflow = load_one(
        "id: w\nstates: [{id: a, type: error, error: e, message: 'no %s here', args: ['.x']}]"
    )
    (state,) = workflow.states

    assert isinstance(state, ErrorState)
    assert state.message == Literal("no %s here")
    assert state.args == (jq(".x"),)


VARIABLES = """\
apiVersion: varflow.dev/v1alpha1
kind: Variable
metadata: {name: limit}
spec: {scope: namespace, value: null}
---
apiVersion: varflow.dev/v1alpha1
kind: Variable
metadata: {name: v2, namespace: team}
spec: {key: Größe, scope: workflow, workflowRef: {name: w}, text: é}
---
apiVersion: varflow.dev/v1alpha1
kind: Variable
metadata: {name: v3}
spec: {scope: namespace, base64: AAE=, contentType: image/x}
"""


def test_declared_variables() -> None:
    definitions = loading.load_text(VARIABLES, source="v.yaml")

    assert [
        (it.key, it.scope, it.workflow, it.namespace, it.data, it.content_type)
        for it in definitions.variables
    ] == [
        ("limit", "namespace", None, None, b"null", "application/json"),
        ("Größe", "workflow", "w", "team", "é".encode(), "text/plain; charset=utf-8"),
        ("v3", "namespace", None, None, b"\x00\x01", "image/x"),
    ]
    assert list(describing.describe(definitions))[1] == (
        "variable Größe: scope workflow of w, text/plain; charset=utf-8"
    )


def test_files_are_loaded_in_order_and_know_where_they_come_from(tmp_path: Path) -> None:
    second, first = tmp_path / "b.yaml", tmp_path / "a.yaml"
    first.write_text(SEED_NEWER)
    second.write_text(f"---\n{SEED_OLDER}---\n{MANIFEST}")

    definitions = loading.load_files([second, first])

    assert list(definitions.workflows) == ["counter", "whole", "a"]
    assert definitions.origins["counter"].file == str(second)
    assert definitions.origins["whole"].line == len(SEED_OLDER.splitlines()) + 3


def test_aliases_and_merge_keys_work_in_workflows() -> None:
    workflow = load_one(
        "states:\n- &base {id: a, type: noop, transform: {x: 1}, transition: b}\n"
        "- <<: *base\n  id: b\n  transition: a\n"
    )

    assert workflow.states[1].transform == expressions.parse({"x": 1}, Dialect.WRAPPED)
