"""Names in a cluster: the API server takes them, and no two owners share one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varflow_operator import names

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?")
UID = "00000000-0000-4000-8000-000000000001"

object_names = st.from_regex(
    r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,60}[a-z0-9])?){0,3}",
    fullmatch=True,
) | st.sampled_from(["a" * 253, "a" * 246, "a." * 126 + "a", "x-varflow", "0"])
function_ids = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,98}[A-Za-z0-9])?", fullmatch=True)
anything = st.text(max_size=300)


def is_object_name(name: str) -> bool:
    parts = name.split(".")
    return len(name) <= 253 and all(LABEL.fullmatch(part) for part in parts)


def deployment(workflow: str, function: str = "f", *, uid: str = UID, spec: str = "s") -> str:
    return names.deployment(workflow, uid=uid, function=function, spec=spec)


@given(workflow=object_names | anything, function=function_ids | anything, spec=anything)
def test_a_deployments_name_leaves_room_for_its_pods_host_names(
    workflow: str, function: str, spec: str
) -> None:
    name = deployment(workflow, function, spec=spec)

    assert LABEL.fullmatch(name)
    assert len(name) <= 52


@given(text=anything | object_names | function_ids)
def test_any_text_has_a_label_value(text: str) -> None:
    value = names.label_value(text)

    assert LABEL_VALUE.fullmatch(value)
    assert len(value) <= 63


@given(name=object_names, revision=st.from_regex(r"[0-9a-f]{10}", fullmatch=True))
def test_the_objects_of_a_workflow_have_valid_names(name: str, revision: str) -> None:
    assert is_object_name(names.sidecar_secret(name))
    assert is_object_name(names.revision(name, revision))


@given(st.lists(st.tuples(object_names, function_ids), unique=True, min_size=2, max_size=20))
def test_no_two_functions_share_a_deployment(pairs: list[tuple[str, str]]) -> None:
    uids = {workflow: str(place) for place, (workflow, _) in enumerate(pairs)}
    found = {deployment(workflow, function, uid=uids[workflow]) for workflow, function in pairs}

    assert len(found) == len(pairs)


@given(st.lists(object_names, unique=True, min_size=2, max_size=20))
def test_no_two_workflows_share_a_secret_or_a_revision(workflows: list[str]) -> None:
    assert len({names.sidecar_secret(name) for name in workflows}) == len(workflows)
    assert len({names.revision(name, "0123456789") for name in workflows}) == len(workflows)


@given(st.lists(anything, unique=True, min_size=2, max_size=20))
def test_no_two_texts_share_a_label_value(texts: list[str]) -> None:
    assert len({names.label_value(text) for text in texts}) == len(texts)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (deployment("a.b"), deployment("a-b", uid="2")),
        (deployment("w", "My_F"), deployment("w", "my-f")),
        (deployment("w", "f", spec="1"), deployment("w", "f", spec="2")),
        (deployment("w", uid="1"), deployment("w", uid="2")),
        (deployment("a" * 60), deployment("a" * 61, uid="2")),
    ],
    ids=["dots", "case", "another spec", "a successor", "cut"],
)
def test_names_that_look_alike_once_they_are_cut_are_told_apart(one: str, other: str) -> None:
    assert one != other


def test_a_deployments_name_says_whose_it_is() -> None:
    assert deployment("counter", "add-one").startswith("counter-add-one-")


@given(name=object_names)
def test_no_function_may_read_a_secret_of_ours(name: str) -> None:
    assert names.is_reserved_secret(names.sidecar_secret(name))
    assert names.is_reserved_secret(names.OPERATOR_SECRET)


def test_a_selector_is_what_the_api_takes() -> None:
    assert names.selector({"b": "2", "a": "1"}) == "a=1,b=2"
