"""Files that are wrong: every problem, with its line, its field and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from varflow.errors import InvalidWorkflowFile
from varflow.language import loading

FIELDS = [
    pytest.param(
        "states:\n- id: a\n  type: noop\n  transfrom: x\n",
        ["4: states[0].transfrom: unknown field (did you mean 'transform'?)"],
        id="a misspelt field",
    ),
    pytest.param(
        "sates: []\nstates: [{id: a, type: noop}]",
        ["1: sates: unknown field (did you mean 'states'?)"],
        id="a misspelt field at the top",
    ),
    pytest.param(
        "states:\n- id: a\n  type: noop\n  transition: stpe\n- {id: step, type: noop}\n",
        ["4: states[0].transition: there is no state 'stpe' (did you mean 'step'?)"],
        id="a transition to nowhere",
    ),
    pytest.param(
        "start: {state: z}\nstates:\n- id: a\n  type: switch\n  conditions:\n"
        "  - {condition: true, transition: y}\n  defaultTransition: x\n"
        "  catch: [{error: '*', transition: w}]\n",
        [
            "1: start.state: there is no state 'z'",
            "6: states[0].conditions[0].transition: there is no state 'y'",
            "7: states[0].defaultTransition: there is no state 'x'",
            "8: states[0].catch[0].transition: there is no state 'w'",
        ],
        id="every other transition to nowhere",
    ),
    pytest.param(
        "states:\n- {id: a, type: noop}\n- {id: a, type: noop}\n",
        ["3: states[1].id: the id 'a' is already that of states[0].id"],
        id="a state's id twice",
    ),
    pytest.param(
        "functions:\n- {id: f, image: x}\n- {id: f, image: y}\nstates: [{id: a, type: noop}]",
        ["3: functions[1].id: the id 'f' is already that of functions[0].id"],
        id="a function's id twice",
    ),
    pytest.param(
        "functions: [{id: func, image: x}]\n"
        "states:\n- id: a\n  type: action\n  action: {function: fnc}\n",
        ["5: states[0].action.function: there is no function 'fnc' (did you mean 'func'?)"],
        id="an unknown function",
    ),
    pytest.param(
        "states:\n- id: a\n  type: getter\n  variables:\n  - key: x\n",
        ["5: states[0].variables[0].scope: is missing; write instance, workflow or namespace"],
        id="a getter without scope",
    ),
    pytest.param(
        "states:\n- id: a\n  type: setter\n  variables:\n  - {key: x, value: 1}\n",
        ["5: states[0].variables[0].scope: is missing; write instance, workflow or namespace"],
        id="a setter without scope",
    ),
    pytest.param(
        "states:\n- id: a\n  type: setter\n  variables:\n  - {key: x, scope: workflow}\n",
        ["5: states[0].variables[0].value: is missing; an empty `value:` deletes the variable"],
        id="a setter without value",
    ),
    pytest.param(
        "states:\n- id: a\n  type: getter\n  variables:\n  - {key: a/b, scope: system}\n",
        [
            ("5: states[0].variables[0].key: the key 'a/b' contains '/'; a name is not a path"),
            (
                "5: states[0].variables[0].scope: "
                "unknown scope 'system'; a scope is one of instance, workflow, namespace"
            ),
        ],
        id="a bad key and a bad scope",
    ),
    pytest.param(
        "states:\n- id: a\n  type: getter\n  variables:\n  - {key: x, scope: workflow}\n"
        "  - {key: y, scope: workflow, as: x}\n",
        [
            (
                "6: states[0].variables[1].as: "
                "the name 'x' is already that of states[0].variables[0].key"
            )
        ],
        id="two values of one name",
    ),
    pytest.param(
        "states: [{id: a, type: eventsAnd}, {id: b, type: forech}, {id: c}, {id: d, type: [x]}]",
        [
            "1: states[0].type: state type 'eventsAnd' is not supported yet",
            "1: states[1].type: unknown state type 'forech' (did you mean 'foreach'?)",
            (
                "1: states[2].type: is missing; "
                "a state is one of action, parallel, foreach, getter, setter, noop, error, "
                "delay, switch, validate"
            ),
            "1: states[3].type: must be a string, not a list",
        ],
        id="state types of later versions, misspelt, missing and wrong",
    ),
    pytest.param(
        "start: {type: event, event: {type: x}}\nstates: [{id: a, type: noop}]",
        ["1: start.type: start type 'event' is not supported yet"],
        id="a start of later versions",
    ),
    pytest.param(
        "functions:\n- {id: s, type: subflow}\n"
        "- {id: t, type: subflow, workflow: x, files: [{key: a}]}\n"
        "- {id: u, type: subflow, workflow: ''}\n- {id: v, type: subflow, workflow: x}\n"
        "states:\n- id: a\n  type: action\n"
        "  action: {function: v, files: [{key: a}]}\n- id: b\n  type: parallel\n"
        "  actions:\n  - {function: v, files: [{key: a}]}\n",
        [
            "2: functions[0].workflow: is missing",
            "3: functions[1].files: unknown field",
            "4: functions[2].workflow: is empty",
            "9: states[0].action.files: is not for a subflow; it shares variables by their scope",
            (
                "13: states[1].actions[0].files: "
                "is not for a subflow; it shares variables by their scope"
            ),
        ],
        id="subflows",
    ),
    pytest.param(
        "functions: [{id: f, image: x}]\nstates:\n- id: a\n  type: parallel\n  mode: xor\n"
        "  actions: []\n- id: b\n  type: parallel\n  actions:\n  - {function: g}\n"
        "  - {function: f, input: 'jq(.a |)'}\n- id: c\n  type: parallel\n"
        "  action: {function: f}\n",
        [
            "5: states[0].mode: must be 'and' or 'or', not 'xor' (did you mean 'or'?)",
            "6: states[0].actions: is empty; at least one is needed",
            "10: states[1].actions[0].function: there is no function 'g'",
            "11: states[1].actions[1].input: jq cannot compile this: it ends too early",
            "12: states[2].actions: is missing",
            "14: states[2].action: unknown field (did you mean 'actions'?)",
        ],
        id="parallel states",
    ),
    pytest.param(
        "functions: [{id: f, image: x}]\nstates:\n- id: a\n  type: foreach\n  array: jq(.a\n"
        "  action: {function: g}\n- {id: b, type: foreach}\n"
        "- {id: c, type: foreach, array: [], action: []}\n",
        [
            "5: states[0].array: 'jq(' at character 1 is never closed",
            "6: states[0].action.function: there is no function 'g'",
            "7: states[1].array: is missing",
            "7: states[1].action: is missing",
            "8: states[2].action: must be a mapping, not a list",
        ],
        id="foreach states",
    ),
    pytest.param(
        "retry: {}\ninput: {shema: {}}\nfunctions: [{id: f, image: x}]\nstates:\n- id: a\n"
        "  type: foreach\n  array: [1]\n  action: {function: f}\n  parallelism: 101\n"
        "  skipFailures: 1\n  stopIf: jq(\n",
        [
            "1: retry: is empty; give constant, exponential or both",
            "2: input.schema: is missing",
            "2: input.shema: unknown field (did you mean 'schema'?)",
            "9: states[0].parallelism: is 101; at most 100 is allowed",
            "10: states[0].skipFailures: must be true or false, not a number",
            "11: states[0].stopIf: 'jq(' at character 1 is never closed",
        ],
        id="bounds of runs",
    ),
    pytest.param(
        "retry:\n  constant: {attempts: 0, delay: 5s}\n"
        "  exponential: {attempts: 1.5, multiplier: -1, maxDelay: 1}\n"
        "states: [{id: a, type: noop}]\n",
        [
            "2: retry.constant.attempts: is 0; at least 1 is needed",
            "2: retry.constant.delay: '5s' is not an ISO 8601 duration such as PT5S or P1DT12H",
            "3: retry.exponential.attempts: must be a whole number, not a fraction",
            "3: retry.exponential.maxDelay: must be an ISO 8601 duration such as PT5S, not 1",
            "3: retry.exponential.multiplier: is -1; at least 0.0 is needed",
        ],
        id="a default retry",
    ),
    pytest.param(
        "states:\n- id: a\n  type: validate\n  schema: {type: strin}\n"
        "- id: b\n  type: validate\n  schema:\n    $ref: 'https://example.com/schema.json'\n"
        "- id: c\n  type: validate\n  schema: text\n- {id: d, type: validate}\n"
        "- id: e\n  type: validate\n  schema: {$ref: 'file:///etc/hostname'}\n"
        "- id: f\n  type: validate\n  schema: {$ref: '#/no/such/place'}\n"
        "- id: g\n  type: validate\n  schema: {pattern: '['}\n",
        [
            (
                "4: states[0].schema: is no JSON Schema at type: "
                "\"strin\" is not valid under any of the schemas listed in the 'anyOf' keyword"
            ),
            "7: states[1].schema: is no JSON Schema: it refers to something outside, 'https://example.com/schema.json'",
            "11: states[2].schema: is no JSON Schema: that is a mapping, or true or false",
            "12: states[3].schema: is missing",
            "15: states[4].schema: is no JSON Schema: it refers to something outside, 'file:///etc/hostname'",
            "18: states[5].schema: is no JSON Schema: Pointer '/no/such/place' does not exist",
            '21: states[6].schema: is no JSON Schema at pattern: "[" is not a "regex"',
        ],
        id="schemas that are none",
    ),
    pytest.param(
        "functions:\n- {id: f, type: knativ-workflow, image: x}\n- {id: g, type: reusable}\n"
        "- {id: h, image: ''}\n- {id: i, image: x, cmd: \"a 'b\"}\n- 5\n"
        "states: [{id: a, type: noop}]",
        [
            (
                "2: functions[0].type: unknown function type 'knativ-workflow' "
                "(did you mean 'knative-workflow'?)"
            ),
            "3: functions[1].image: is missing",
            "4: functions[2].image: is empty",
            "5: functions[3].cmd: is no command line: no closing quotation",
            "6: functions[4]: must be a mapping, not a number",
        ],
        id="functions that are none",
    ),
    pytest.param(
        "functions:\n- id: f\n  image: x\n  concurrency: '5'\n  size: big\n  scale: {min: -1}\n"
        "  env: [{name: A, value: 1}]\n  local: {command: [a, 1], port: 0}\n"
        "states: [{id: a, type: noop}]",
        [
            "4: functions[0].concurrency: must be a whole number, not a string",
            "5: functions[0].size: must be 'small', 'medium' or 'large', not 'big'",
            "6: functions[0].scale.min: is -1; at least 0 is needed",
            "7: functions[0].env[0].value: must be a string, not a number; put it in quotes",
            "8: functions[0].local.command[1]: must be a string, not a number; put it in quotes",
            "8: functions[0].local.port: is 0; at least 1 is needed",
        ],
        id="fields of a function",
    ),
    pytest.param(
        "functions:\n- id: f\n  image: x\n  files: [{key: a, scope: workflow}]\n"
        "states:\n- id: a\n  type: action\n  action:\n    function: f\n    files:\n"
        "    - {key: b, as: a}\n    - {key: c, as: ../../x}\n    - {key: d, as: /abs}\n"
        "    - {key: e, as: out/x}\n    - {key: g, type: zip}\n    - {key: h, permissions: '9'}\n",
        [
            (
                "11: states[0].action.files[0].as: "
                "the file name 'a' is already that of functions[0].files[0].key"
            ),
            (
                "12: states[0].action.files[1].as: '../../x' is no safe place in the temp dir: "
                "the part '..' is a name that folders use; choose another"
            ),
            (
                "13: states[0].action.files[2].as: "
                "'/abs' is absolute; it is a place in the function's temp dir"
            ),
            "14: states[0].action.files[3].as: 'out/x' is in out/, which is for results",
            (
                "15: states[0].action.files[4].type: "
                "unknown type 'zip'; a file is one of plain, base64, tar, tar.gz"
            ),
            (
                "16: states[0].action.files[5].permissions: "
                "'9' is not a file mode in octal digits, such as '0644'"
            ),
        ],
        id="files",
    ),
    pytest.param(
        "functions: [{id: f, image: x}]\nstates:\n- id: a\n  type: action\n  timeout: 15\n"
        "  async: true\n  action:\n    function: f\n    retries:\n"
        "      max_attempts: 1.5\n      delay: 5s\n      codes: ['']\n  catch: [{error: ' '}]\n",
        [
            "5: states[0].timeout: must be an ISO 8601 duration such as PT5S, not 15",
            "10: states[0].action.retries.max_attempts: must be a whole number, not a fraction",
            (
                "11: states[0].action.retries.delay: "
                "'5s' is not an ISO 8601 duration such as PT5S or P1DT12H"
            ),
            "12: states[0].action.retries.codes[0]: is empty; name an error code, or '*' for all",
            "13: states[0].catch[0].error: is empty; name an error code, or '*' for all",
        ],
        id="an action's numbers",
    ),
    pytest.param(
        "states: [{id: a, type: error, error: x}, {id: b, type: delay}]",
        ["1: states[0].message: is missing", "1: states[1].duration: is missing"],
        id="fields that a state cannot do without",
    ),
    pytest.param(
        "states:\n- id: a\n  type: switch\n  conditions: []\n  transition: a\n",
        [
            "4: states[0].conditions: is empty; at least one is needed",
            (
                "5: states[0].transition: "
                "a switch has no transition beside its conditions; use defaultTransition"
            ),
        ],
        id="a switch with a transition of its own",
    ),
    pytest.param(
        "states: [{id: 5, type: noop}, {type: noop}, {id: a b, type: noop}, x]",
        [
            "1: states[0].id: must be a string, not a number; put it in quotes",
            "1: states[1].id: is missing",
            (
                "1: states[2].id: "
                "'a b' is no id: 1 to 100 letters, digits and inner '-', '_' and '.' are one"
            ),
            "1: states[3]: must be a mapping, not a string",
        ],
        id="states without a proper id",
    ),
    pytest.param("states:\n", ["1: states: must be a list, not null"], id="no list of states"),
    pytest.param("states: []", ["1: states: is empty; at least one is needed"], id="no states"),
    pytest.param(
        "timeouts: {interupt: PT1S, kill: soon}\nstates: [{id: a, type: noop}]",
        [
            "1: timeouts.interupt: unknown field (did you mean 'interrupt'?)",
            "1: timeouts.kill: 'soon' is not an ISO 8601 duration such as PT5S or P1DT12H",
        ],
        id="timeouts",
    ),
    pytest.param(
        "states:\n- id: a\n  type: noop\n  transform:\n    x:\n    - 'js(return 1)'\n"
        "    - 'jq(.x'\n",
        [
            (
                "6: states[0].transform.x[0]: "
                "js( needs the extra [js], which is not available yet; use jq("
            ),
            "7: states[0].transform.x[1]: 'jq(' at character 1 is never closed",
        ],
        id="strings that are no programs",
    ),
    pytest.param(
        "states:\n- id: a\n  type: noop\n  log: jq(.a |)\n  transform:\n    x: 'jq(.a b)'\n"
        "    y: |\n      jq(\n        .a +\n        foo\n      )\n"
        "  metadata: jq($nope)\n  oops: 1\n",
        [
            "4: states[0].log: jq cannot compile this: it ends too early",
            (
                "6: states[0].transform.x: jq cannot compile this: syntax error, unexpected IDENT, "
                "expecting '|' or ',' or ')' (column 4 of the program)"
            ),
            (
                "7: states[0].transform.y: jq cannot compile this: "
                "foo/0 is not defined (line 2, column 3 of the program)"
            ),
            (
                "12: states[0].metadata: jq cannot compile this: "
                "$nope is not defined (column 1 of the program)"
            ),
            "13: states[0].oops: unknown field",
        ],
        id="programs that jq refuses, beside other problems",
    ),
    pytest.param(
        "id: old\nstates: [{id: a, type: noop, transform: '.x)', log: hello world}]",
        [
            "2: states[0].transform: ')' at character 3 closes nothing",
            (
                "2: states[0].log: jq cannot compile this: syntax error, unexpected IDENT, "
                "expecting '|' or ',' or ')' (column 7 of the program)"
            ),
        ],
        id="bare strings that are no programs",
    ),
]
DOCUMENTS = [
    pytest.param("# nothing\n", [" holds no document"], id="an empty file"),
    pytest.param("- a\n", ["1:1: a document is a mapping, not a list"], id="a list"),
    pytest.param(
        "a: 1\n",
        [
            (
                "1:1: neither a manifest (`kind: Workflow`) nor a Direktiv workflow "
                "(`states:` at the top)"
            )
        ],
        id="something else",
    ),
    pytest.param(
        "a: [\n",
        ["2:1: did not find expected node content, while parsing a flow node"],
        id="no YAML",
    ),
    pytest.param(
        "kind: Workfow\n",
        [
            (
                "1: kind: 'Workfow' is none of the kinds that files hold: Workflow, Variable "
                "(did you mean 'Workflow'?)"
            )
        ],
        id="a misspelt kind",
    ),
    pytest.param(
        "apiVersion: v1\nkind: Workflow\nmeta: x\nspec:\n  expressions: jq\n"
        "  states: [{id: a, type: noop, transition: b}]\n  schedules: []\n",
        [
            "1: apiVersion: is not supported; write varflow.dev/v1alpha1",
            "1: metadata.name: is missing",
            "3: meta: unknown field (did you mean 'metadata'?)",
            "5: spec.expressions: must be wrapped or bare",
            "6: spec.states[0].transition: there is no state 'b'",
            "7: spec.schedules: schedules are not supported yet",
        ],
        id="a manifest",
    ),
    pytest.param(
        "apiVersion: varflow.dev/v1alpha1\nkind: Workflow\nmetadata: {name: x}\n"
        "spec:\n  name: y\n  dialect: bare\n  states: [{id: a, type: noop}]\n",
        ["5: spec.name: unknown field", "6: spec.dialect: unknown field"],
        id="a name in the wrong place",
    ),
    pytest.param(
        "apiVersion: varflow.dev/v1alpha1\nkind: Workflow\nmetadata: {name: x}\n",
        ["1: spec: is missing"],
        id="a manifest without spec",
    ),
    pytest.param(
        "direktiv_api: service/v1\nimage: x\n",
        ["1: direktiv_api: 'service/v1' is not supported; only workflow/v1 is"],
        id="another file of Direktiv's",
    ),
    pytest.param(
        "states: [{id: a, type: noop}]\n---\nstates: [{id: a, type: noop}]\n",
        ["3:1: the workflow 'f' is already defined in f.yaml:1"],
        id="two workflows of one name",
    ),
    pytest.param(
        "\n---\n".join(
            [
                (
                    "{apiVersion: varflow.dev/v1alpha1, kind: Variable, metadata: {name: x}, "
                    "spec: {scope: namespace, value: 1}}"
                )
            ]
            * 2
        ),
        ["3:1: the variable 'x' is already declared for its scope"],
        id="a variable twice",
    ),
    pytest.param(
        "apiVersion: varflow.dev/v1alpha1\nkind: Variable\nmetadata: {name: x}\n"
        "spec:\n  scope: workflow\n  value: 1\n  text: a\n",
        [
            "4: spec.workflowRef: is missing; scope workflow needs it",
            "7: spec.text: exactly one of value, text and base64 is needed, not value and text",
        ],
        id="a variable with two values and no workflow",
    ),
    pytest.param(
        "apiVersion: varflow.dev/v1alpha1\nkind: Variable\nmetadata: {name: a/b}\n"
        "spec:\n  scope: instance\n  base64: '!'\n  valueFrom: {}\n  ttlSeconds: 5\n",
        [
            "3: metadata.name: the name 'a/b' contains '/'; a name is not a path",
            "4: spec.key: the key 'a/b' contains '/'; a name is not a path",
            "5: spec.scope: must be 'namespace' or 'workflow', not 'instance'",
            "6: spec.base64: is not base64",
            (
                "7: spec.valueFrom: takes the value from a Secret or ConfigMap, "
                "which only a cluster has; write value, text or base64 here"
            ),
            "8: spec.ttlSeconds: ttlSeconds is not supported yet",
        ],
        id="a variable with everything wrong",
    ),
]


@pytest.mark.parametrize(("text", "expected"), [*FIELDS, *DOCUMENTS])
def test_all_problems_are_reported_with_their_places(text: str, expected: list[str]) -> None:
    with pytest.raises(InvalidWorkflowFile) as caught:
        loading.load_text(text, source="f.yaml")

    assert sorted(map(str, caught.value.problems)) == sorted(f"f.yaml:{it}" for it in expected)
    assert caught.value.code == "invalid_workflow"


def test_problems_come_in_the_order_of_lines() -> None:
    text = "states:\n- {id: a, type: noop, transition: x}\n- {id: a, type: bad}\n"

    with pytest.raises(InvalidWorkflowFile) as caught:
        loading.load_text(text, source="f.yaml")

    assert str(caught.value).splitlines() == [
        "f.yaml:2: states[0].transition: there is no state 'x'",
        "f.yaml:3: states[1].id: the id 'a' is already that of states[0].id",
        "f.yaml:3: states[1].type: unknown state type 'bad'",
    ]


def test_the_problems_of_all_files_are_reported_at_once(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("states: []")

    with pytest.raises(InvalidWorkflowFile) as caught:
        loading.load_files([tmp_path / "none.yaml", bad, tmp_path])

    assert [str(it).removeprefix(f"{tmp_path}") for it in caught.value.problems] == [
        "/none.yaml: cannot be read: No such file or directory",
        ": cannot be read: Is a directory",
        "/bad.yaml:1: states: is empty; at least one is needed",
    ]


def test_a_thousand_problems_are_found_quickly() -> None:
    lines = (f"- {{id: s{i}, type: noop, transition: t{i}, x{i}: 1}}" for i in range(1000))
    text = "\n".join(["states:", *lines])

    with pytest.raises(InvalidWorkflowFile) as caught:
        loading.load_text(text, source="f.yaml")

    assert len(caught.value.problems) >= 1000


def test_a_complaint_about_a_long_program_is_short() -> None:
    text = f"id: x\nstates:\n- id: a\n  type: noop\n  transform: {'j' * 60_000}\n"

    with pytest.raises(InvalidWorkflowFile, match="jq cannot compile this: jjj") as caught:
        loading.load_text(text, source="f.yaml")

    assert len(str(caught.value)) < 400


def test_a_file_without_an_end_is_refused() -> None:
    with pytest.raises(InvalidWorkflowFile, match="/dev/zero:1:1: the file is larger than 2 MiB"):
        loading.load_files(["/dev/zero"])
