"""Direktiv's own workflows give the results that Direktiv's tests and documents expect.

The cases lie beside a developer's checkout and are absent elsewhere; how many ran is printed at the
end of the test run, and fewer than before is a failure.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support import conformance

CASES = conformance.load_cases()
if not CASES:
    pytest.skip("no conformance cases beside this checkout", allow_module_level=True)

SUPPORTED = [case for case in CASES if conformance.is_supported(case)]
GROUPS = conformance.groups(
    [case for case in SUPPORTED if case["id"] not in conformance.DECIDED_OTHERWISE]
)
RAN_BEFORE = 55
"""Cases that the last release ran; raise it with every state that is added."""


def test_no_fewer_cases_run_than_before() -> None:
    assert sum(map(len, GROUPS.values())) >= RAN_BEFORE


def test_every_case_that_is_left_out_is_one_of_the_supported_ones() -> None:
    assert {case["id"] for case in SUPPORTED} >= set(conformance.DECIDED_OTHERWISE)


@pytest.mark.parametrize("cases", GROUPS.values(), ids=GROUPS.keys())
def test_the_cases_of_a_group_end_as_expected(cases: list[dict[str, Any]], tmp_path: Path) -> None:
    session = conformance.Session(tmp_path)
    for case in cases:
        conformance.check(case, session.run(case))
        conformance.check_variables(case, session)
