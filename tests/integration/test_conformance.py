"""Direktiv's own workflows give the results that Direktiv's tests and documents expect.

The cases lie beside a developer's checkout and are absent elsewhere; how many ran is printed at the
end of the test run, and fewer than before is a failure.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support import conformance, scenarios
from tests.support.cluster.kubectl import Kubectl
from tests.support.runs import Caller
from varflow.errors import ExpressionError
from varflow.language.expressions import InvalidTemplateError

CASES = conformance.load_cases()
if not CASES:
    pytest.skip("no conformance cases beside this checkout", allow_module_level=True)

SUPPORTED = [case for case in CASES if conformance.is_supported(case)]
RUN = [case for case in SUPPORTED if case["id"] not in conformance.DECIDED_OTHERWISE]
GROUPS = conformance.groups([case for case in RUN if case["kind"] == "run"])
SCENARIOS = [case for case in RUN if case["kind"] == "scenario"]
EXPRESSIONS = [case for case in RUN if case["kind"] == "jx"]
RAN_BEFORE = 62
"""Cases that the last release ran; raise it with every state that is added."""


def test_no_fewer_cases_run_than_before() -> None:
    assert sum(map(len, [*GROUPS.values(), SCENARIOS, EXPRESSIONS])) >= RAN_BEFORE


def test_scripts_do_only_what_can_be_done_here() -> None:
    assert set().union(*map(conformance.verbs, SCENARIOS)) <= scenarios.VERBS


def test_every_case_that_is_left_out_is_one_of_the_supported_ones() -> None:
    assert {case["id"] for case in SUPPORTED} >= set(conformance.DECIDED_OTHERWISE)


@pytest.mark.parametrize("cases", GROUPS.values(), ids=GROUPS.keys())
def test_the_cases_of_a_group_end_as_expected(cases: list[dict[str, Any]], tmp_path: Path) -> None:
    session = conformance.Session(tmp_path)
    for case in cases:
        conformance.check(case, session.run(case))
        conformance.check_variables(case, session)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("case", SCENARIOS, ids=[case["id"] for case in SCENARIOS])
async def test_the_script_of_a_case_finds_what_it_expects(
    case: dict[str, Any], operated: Caller, kubectl: Kubectl, namespace: str
) -> None:
    scenario = scenarios.Scenario(case, operated, kubectl.in_namespace(namespace))
    await asyncio.to_thread(scenario.play)


@pytest.mark.parametrize("case", EXPRESSIONS, ids=[case["id"] for case in EXPRESSIONS])
async def test_an_expression_has_the_value_that_is_expected(case: dict[str, Any]) -> None:
    if case["expected_status"] == "failed":
        # In words of our own, so its log is not compared.
        with pytest.raises((ExpressionError, InvalidTemplateError)):
            await conformance.evaluate(case)
        return

    assert await conformance.evaluate(case) == case["expected_output"]
