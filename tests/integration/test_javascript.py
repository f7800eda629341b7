"""`js(...)`: what programs in JavaScript see and give, and what becomes of those that go wrong."""

from __future__ import annotations

import asyncio
import math
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from varflow.errors import ExpressionError, InvalidWorkflowFile
from varflow.language import expressions, javascript, loading
from varflow.language.evaluating import Evaluator
from varflow.language.expressions import Dialect, Language, Program, Template
from varflow.language.syntax import Limits

DATA = {"x": 1, "name": "n", "none": None, "list": [1, 2], "big": 2**53 + 1, "secret": "hunter2"}
SHAPE = "{x: number, name: string, none: null, list: [number, …], big: number, secret: string}"
MEBIBYTE = 1024**2


def wrapped(value: Any) -> Template:
    return expressions.parse(value, Dialect.WRAPPED)


def js(source: str) -> Template:
    return Program(Language.JS, source)


async def failure(evaluator: Evaluator, source: str, data: Any = DATA) -> str:
    """Return why a program fails."""
    with pytest.raises(ExpressionError) as caught:
        await evaluator.evaluate(js(source), data)

    assert caught.value.code == "direktiv.jq.badCommand"
    message = str(caught.value)
    assert "hunter2" not in message
    return message


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("js(return data.x + 1)", 2, id="a program keeps its type"),
        pytest.param("js(return data)", DATA, id="the whole data"),
        pytest.param("n=js(return 2), l=js(return data.list)!", "n=2, l=[1,2]!", id="a text"),
        pytest.param("jq(.x + 1) js(return 3) jq(.list)", "2 3 [1,2]", id="beside jq"),
        pytest.param(
            {"a": ["js(return data.x)", {"b": "jq(.list | length)"}], "c": "js(return 'c')"},
            {"a": [1, {"b": 2}], "c": "c"},
            id="a structure",
        ),
        pytest.param("js(return [data.name + ')', '(('])", ["n)", "(("], id="quoted brackets"),
        pytest.param("js(return data.list.length // )\n)", 2, id="a comment at the end"),
        pytest.param("  js(\n const a = 1\n return a\n)  ", 1, id="several lines"),
        pytest.param("js(return ' ' + data.name)", " n", id="results are not trimmed"),
        pytest.param("js(return $input.i + $steps.a.n)", 12, id="input and steps"),
        pytest.param("js(return [false, 0, ''])", [False, 0, ""], id="falsy values"),
        pytest.param("js(return false)", False, id="false is a result"),
        pytest.param("js(for (i of data.list) item = i; return item)", 2, id="undeclared names"),
        pytest.param("js(data.x = 5; return data)", DATA | {"x": 5}, id="its own data"),
        pytest.param("js(return data.list.at(-1) ?? 0)", 2, id="a present edition"),
        pytest.param("js(return atob(btoa('hi')))", "hi", id="base64"),
        pytest.param("js(return new Date(0))", "1970-01-01T00:00:00.000Z", id="a date is a text"),
        pytest.param(
            "js(return [undefined, NaN, () => 1, {a: undefined}])",
            [None, None, None, {}],
            id="what JSON does not have, inside",
        ),
        pytest.param("js(return '\\ud800 \\\\ud800')", "\ufffd \\ud800", id="half a character"),
    ],
)  # fmt: skip
async def test_programs_give_values(evaluator: Evaluator, value: Any, expected: Any) -> None:
    variables = {"input": {"i": 10}, "steps": {"a": {"n": 2}}}

    assert await evaluator.evaluate(wrapped(value), DATA, variables) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("return data.big", 2**53 + 1, id="only moved"),
        pytest.param("return data.big + 1n", 2**53 + 2, id="computed"),
        pytest.param("return `id-${data.big}`", "id-9007199254740993", id="in a text"),
        pytest.param("return [typeof data.big, typeof data.x]", ["bigint", "number"], id="types"),
        pytest.param("return Number(data.big) - 1", 2**53 - 1, id="as a number"),
        pytest.param("return 2n ** 64n - 1n", 2**64 - 1, id="of up to 64 bits"),
    ],
)
async def test_integers_beyond_2_to_the_53_are_bigints(
    evaluator: Evaluator, source: str, expected: Any
) -> None:
    assert await evaluator.evaluate(js(source), DATA) == expected


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        pytest.param("5", "it gives no result; `return` gives one", id="no return"),
        pytest.param("return data.missing", "it gives no result; `return` gives one",
                     id="undefined"),
        pytest.param("return () => 1", "it gives no result; `return` gives one", id="a function"),
        pytest.param("return data.none", "it gives null; `??` gives a default", id="null"),
        pytest.param("return NaN", "it gives null; `??` gives a default", id="not a number"),
        pytest.param("return data.missing.y",
                     "TypeError: cannot read property 'y' of undefined (column 8 of the program)",
                     id="a path through nothing"),
        pytest.param("return\nnope", "it gives no result; `return` gives one",
                     id="a return that ends with its line"),
        pytest.param("let a = 1;\n return nope",
                     "ReferenceError: nope is not defined (line 2, column 9 of the program)",
                     id="an unknown name"),
        pytest.param("throw new Error('bad ' + data.secret)",
                     "Error: bad … (column 26 of the program)", id="an error"),
        pytest.param("throw data.secret", "…", id="a secret thrown"),
        pytest.param("return JSON.parse(data.secret)", None, id="a secret parsed"),
        pytest.param("return data.big + 1",
                     "TypeError: cannot convert BigInt to number (column 19 of the program)",
                     id="mixed integers"),
        pytest.param("return 2n ** 70n", "RangeError: a BigInt has more than … bits",
                     id="an integer that is too large"),
        pytest.param("return (async () => 1)()", "TypeError: a promise is no result",
                     id="a promise"),
        pytest.param("const a = {}; a.a = a; return a", "TypeError: circular reference",
                     id="a ring"),
        pytest.param("return {", "JavaScript cannot compile this: it ends too early",
                     id="half a program"),
        pytest.param("const f = () => f(); return f()",
                     "RangeError: Maximum call stack size exceeded (column 17 of the program)",
                     id="a deep recursion"),
        pytest.param("let a = []; for (let i = 0; i < 2000; i++) a = [a]; return a",
                     "its result is nested too deeply, or holds a number that is too large",
                     id="a result that is nested too deeply"),
    ],
)  # fmt: skip
async def test_a_program_without_a_usable_result_says_why(
    evaluator: Evaluator, source: str, reason: str | None
) -> None:
    message = await failure(evaluator, source)

    if reason is not None:
        shown = " ".join(source.split())
        assert message == f"js({shown}) failed: {reason}; its input is {SHAPE}"


async def test_null_is_a_value_where_the_caller_says_so_and_undefined_is_not(
    evaluator: Evaluator,
) -> None:
    assert await evaluator.evaluate(js("return data.none"), DATA, allow_null=True) is None
    with pytest.raises(ExpressionError, match="it gives no result"):
        await evaluator.evaluate(js("data.none"), DATA, allow_null=True)


@pytest.mark.parametrize(
    "name",
    ["require", "process", "std", "os", "print", "console", "fetch", "setTimeout", "scriptArgs"],
)
async def test_there_is_nothing_to_reach_out_with(evaluator: Evaluator, name: str) -> None:
    assert await evaluator.evaluate(js(f"return typeof {name}"), DATA) == "undefined"


async def test_no_module_can_be_loaded(evaluator: Evaluator, tmp_path: Path) -> None:
    (tmp_path / "m.js").write_text("export default 'TOP SECRET'")

    await failure(evaluator, f"return import('{tmp_path}/m.js')")
    await failure(evaluator, f"import m from '{tmp_path}/m.js'; return m")


async def test_dates_are_in_utc(evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")

    assert await evaluator.evaluate(js("return new Date(0).getHours()"), DATA) == 0


async def test_what_a_program_leaves_behind_reaches_no_other() -> None:
    async with Evaluator(workers=1) as evaluator:
        await evaluator.evaluate(
            js(
                "left = data.secret; Array.prototype.map = () => left;"
                "Object.prototype.toJSON = () => 5; JSON.stringify = () => '1],[2'; return 1"
            ),
            DATA,
        )

        assert await evaluator.evaluate(js("return typeof left"), DATA) == "undefined"
        assert await evaluator.evaluate(js("return [1].map(i => i + 1)"), DATA) == [2]


async def test_of_several_programs_the_failing_one_is_named(evaluator: Evaluator) -> None:
    with pytest.raises(ExpressionError, match=r"^js\(return a\) failed"):
        await evaluator.evaluate(wrapped(["js(return 1)", "js(return a)", "jq(.x + 1)"]), DATA)


TOO_LONG = "it takes longer than 0.5 s"
TOO_MUCH = "it needs more than 128 MiB of memory"
BOMBS = [
    pytest.param("while (true) {}", 0.5, TOO_LONG, id="a loop without end"),
    pytest.param("try { while (true) {} } finally { while (true) {} }", 0.5, TOO_LONG, id="twice"),
    pytest.param("/^(a|a)+$/.test('a'.repeat(40) + '!')", 0.5, TOO_LONG, id="a slow pattern"),
    pytest.param(
        "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)", 0.5, None, id="a wait"
    ),
    pytest.param("while (true) try { while (true) x.push(0) } catch { x = [] }", 0.5, TOO_LONG,
                 id="memory again and again"),
    pytest.param("const a = []; while (true) a.push(new Array(1e5).fill(1))", 60, TOO_MUCH,
                 id="a long array"),
    pytest.param("let a = 'x'; while (true) a += a + '!'", 60, None, id="a long string"),
    pytest.param("return new ArrayBuffer(1e9)", 60, TOO_MUCH, id="a large buffer"),
    pytest.param("return 'x'.repeat(2e6)", 60, "its result is too large (2000004 bytes)",
                 id="a long result"),
    pytest.param("throw new Error('x'.repeat(2e7))", 60, "Error: …", id="a long message"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "seconds", "reason"), BOMBS)
async def test_a_bomb_ends_with_an_error_and_harms_nobody(
    source: str, seconds: float, reason: str | None
) -> None:
    limits = Limits(seconds=seconds, memory_bytes=128 * MEBIBYTE, result_bytes=MEBIBYTE)
    async with Evaluator(workers=1, limits=limits) as evaluator:
        bomb = asyncio.create_task(failure(evaluator, source))
        await asyncio.sleep(0)
        behind = await evaluator.evaluate(js("return data.x + 1"), DATA)

        message = await bomb
        assert reason is None or reason in message
        assert behind == 2


async def test_a_worker_of_one_language_does_not_wait_for_the_other() -> None:
    async with Evaluator(workers=1, limits=Limits(seconds=60)) as evaluator:
        loop = asyncio.create_task(evaluator.evaluate(js("while (true) {}"), DATA))
        await asyncio.sleep(0)

        assert await evaluator.evaluate(wrapped("jq(.x + 1)"), DATA) == 2
        assert not loop.done()
        loop.cancel()


async def test_large_data_goes_through_whole(evaluator: Evaluator) -> None:
    data = {"rows": [{"i": i, "text": "é" * 100} for i in range(20_000)]}

    assert await evaluator.evaluate(js("return data.rows"), data) == data["rows"]


async def test_data_that_is_nested_as_deeply_as_json_may_be_goes_through(
    evaluator: Evaluator,
) -> None:
    data: Any = 1
    for _ in range(120):
        data = {"a": [data]}

    assert await evaluator.evaluate(js("return data"), data) == data


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.dictionaries(st.text(max_size=3) | st.sampled_from(["__proto__", "toJSON", "1"]), inner)
        | st.lists(inner)
    ),
    max_leaves=10,
)


def test_a_value_that_a_program_only_moves_stays_the_same() -> None:
    async def compare() -> None:
        async with Evaluator(workers=1) as evaluator:
            for value in examples:
                moved = await evaluator.evaluate(js("return [data]"), value)
                assert _exact(moved) == _exact([value])

    examples: list[Any] = []

    @settings(max_examples=300)
    @given(JSON)
    def collect(value: Any) -> None:
        examples.append(value)

    collect()
    asyncio.run(compare())


def _exact(value: Any) -> Any:
    """Return a value in which a whole number is the same with and without a point."""
    if isinstance(value, dict):
        return {key: _exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_exact(item) for item in value]
    if isinstance(value, float) and value.is_integer() and math.fabs(value) < 2**64:
        return int(value)
    return value


WORKFLOW = "states:\n- id: a\n  type: noop\n  transform:\n    x:\n    - '{program}'\n"


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        pytest.param("js(return 1)", None, id="fine"),
        pytest.param("js(return $input.a + $steps.b.c)", None, id="variables"),
        pytest.param("js(while (true) {})", None, id="nothing is run"),
        pytest.param("js(return 1 +)", "JavaScript cannot compile this: it ends too early",
                     id="half"),
        pytest.param("js(let x = ;)", "JavaScript cannot compile this: unexpected token in"
                     " expression: ';' (column 9 of the program)", id="wrong"),
        pytest.param("js(await 1)", "JavaScript cannot compile this: expecting ';'"
                     " (column 7 of the program)", id="waiting"),
        pytest.param("jq(.a) js(await 1)", "JavaScript cannot compile this: expecting ';'"
                     " (column 7 of the program)", id="within a text"),
        pytest.param("js(return 1})", "'}' at character 12 closes nothing;"
                     " 'js(' at character 1 is open", id="brackets"),
    ],
)  # fmt: skip
def test_a_program_that_does_not_compile_is_found_when_its_file_is_loaded(
    program: str, problem: str | None
) -> None:
    text = WORKFLOW.format(program=program)
    if problem is None:
        assert loading.load_text(text, source="f.yaml").workflows
        return

    with pytest.raises(InvalidWorkflowFile) as caught:
        loading.load_text(text, source="f.yaml")

    assert caught.value.code == "invalid_workflow"
    assert [it.code for it in caught.value.problems] == ["invalid_expression"]
    assert str(caught.value) == f"f.yaml:6: states[0].transform.x[0]: {problem}"


def test_without_the_extra_a_file_is_refused_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "_quickjs", None)

    with pytest.raises(InvalidWorkflowFile) as caught:
        loading.load_text(WORKFLOW.format(program="js(return 1)"), source="f.yaml")

    assert [it.code for it in caught.value.problems] == ["not_supported"]
    assert str(caught.value) == (
        "f.yaml:6: states[0].transform.x[0]: js( needs the extra [js]: pip install 'varflow[js]'"
    )


async def test_without_the_extra_a_program_fails_and_jq_goes_on(
    evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "_quickjs", None)

    assert javascript.MISSING in await failure(evaluator, "return 1")
    assert await evaluator.evaluate(wrapped("jq(.x + 1)"), DATA) == 2
