"""Paths: where objects lie, and that no owner reaches into another's prefix."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.variables import OWNERS, address
from varflow.errors import InvalidInput
from varflow.variables import keys, paths
from varflow.variables.paths import Content
from varflow.variables.scopes import Address, Scope, StateAddress

ROOT = "v1/cluster/namespace/"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (paths.variable(address("k", Scope.NAMESPACE)), "n/k"),
        (paths.variable(address("k", Scope.WORKFLOW)), "w/workflow/k"),
        (paths.variable(address("k", Scope.INSTANCE)), "i/instance/vars/k"),
        (paths.decision(OWNERS, "3.greet"), "i/instance/decisions/3.greet"),
        (paths.data(OWNERS, "r"), "i/instance/data/r"),
        (paths.data_beside(paths.decision(OWNERS, "3.greet"), "r"), "i/instance/data/r"),
        (paths.log_chunk(OWNERS, "0001"), "i/instance/log/0001"),
        (paths.body(OWNERS, "f00"), "bodies/f00"),
        (paths.owner(OWNERS), "owner.json"),
    ],
    ids=lambda value: value.removeprefix(ROOT),
)
def test_objects_lie_where_the_design_says(path: str, expected: str) -> None:
    assert path == ROOT + expected


def is_key(text: str) -> bool:
    return keys.find_fault(text) is None


@given(key=st.text(min_size=1, max_size=60).filter(is_key), scope=st.sampled_from(Scope))
def test_a_key_is_found_again_in_its_path(key: str, scope: Scope) -> None:
    path = paths.variable(Address(OWNERS, scope, key))

    assert paths.key_of(path) == key
    assert path == paths.scope_prefix(OWNERS, scope) + key


def test_an_owners_prefix_is_not_the_beginning_of_anothers() -> None:
    longer = replace(OWNERS, namespace="namespace2")

    assert not paths.namespace_prefix(longer).startswith(paths.namespace_prefix(OWNERS))


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\nb", "x" * 254], ids=repr)
@pytest.mark.parametrize("field", ["cluster", "namespace", "workflow", "instance"])
def test_an_owner_that_cannot_stand_in_a_path_is_named(field: str, name: str) -> None:
    owners = replace(OWNERS, **{field: name})

    with pytest.raises(InvalidInput, match=field):
        paths.workflow_prefix(owners) + paths.instance_prefix(owners)


def test_the_namespaces_variables_need_no_workflow_and_no_instance() -> None:
    owners = replace(OWNERS, workflow="", instance="")

    assert paths.variable(Address(owners, Scope.NAMESPACE, "k")) == ROOT + "n/k"


def test_a_decision_is_one_segment() -> None:
    with pytest.raises(InvalidInput, match="decision"):
        paths.decision(OWNERS, "../vars/k")


@pytest.mark.parametrize(
    ("path", "content"),
    [
        *((paths.variable(address("k", scope)), Content.RECORD) for scope in Scope),
        (paths.variable(StateAddress(OWNERS, "poll/manual")), Content.RECORD),
        (paths.variable(StateAddress(OWNERS, "poll/manual/ada")), Content.RECORD),
        (paths.revision(paths.variable(address()), "1-00000000"), Content.REVISION),
        (
            paths.revision(paths.variable(address("k", Scope.WORKFLOW)), "1-00000000"),
            Content.REVISION,
        ),
        (paths.decision(OWNERS, "d"), Content.DECISION),
        (paths.body(OWNERS, "b"), Content.BODY),
        (paths.data(OWNERS, "r"), Content.OTHER),
        (paths.log_chunk(OWNERS, "0001"), Content.OTHER),
        (paths.owner(OWNERS), Content.OTHER),
        (paths.marks(ROOT), Content.OTHER),
        (ROOT + "n/k/deeper", Content.UNKNOWN),
        (ROOT + "of-the-future", Content.UNKNOWN),
        (ROOT + "x/k", Content.UNKNOWN),
    ],
)
def test_what_lies_at_a_path_is_known_from_it(path: str, content: Content) -> None:
    assert paths.content_of(path) is content


@pytest.mark.parametrize("scope", [Scope.NAMESPACE, Scope.WORKFLOW])
def test_the_record_of_a_revision_is_found_from_its_path(scope: Scope) -> None:
    record = paths.variable(address("k", scope))

    assert paths.record_of_revision(paths.revision(record, "1-00000000")) == record


def test_behind_a_prefix_is_the_next_one() -> None:
    names = [
        ROOT + "bodies/",
        ROOT + "bodies/\U0010ffff",
        paths.behind(ROOT + "bodies/"),
        ROOT + "h/",
    ]

    assert sorted(names) == names
