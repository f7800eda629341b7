"""What operator and sidecar say to each other survives the way there."""

from __future__ import annotations

import math
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varflow.contract import (
    Dispatch,
    FileMount,
    FileType,
    Outcome,
    OutcomeStatus,
    SidecarSettings,
    output_value,
)
from varflow.errors import InvalidMessage
from varflow.variables.probe.promises import Promise, Verdict
from varflow.variables.scopes import Owners

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
FILES = st.builds(
    FileMount,
    key=TEXT,
    scope=TEXT,
    as_name=TEXT,
    type=st.sampled_from(FileType),
    permissions=st.none() | st.integers(0, 0o777),
)
DISPATCHES = st.builds(
    Dispatch,
    action_id=TEXT,
    function=TEXT,
    owners=st.builds(Owners, TEXT, TEXT, TEXT, TEXT),
    decision=TEXT,
    idempotency_key=TEXT,
    epoch=st.integers(0, 2**53),
    deadline=st.floats(0, 1e12),
    input=JSON,
    iterator=st.integers(0, 10**6),
    attempt=st.integers(0, 10**6),
    files=st.lists(FILES, max_size=3).map(tuple),
)
OUTCOMES = st.builds(
    Outcome,
    status=st.sampled_from(OutcomeStatus),
    output=JSON,
    code=TEXT,
    message=TEXT,
    warnings=st.lists(TEXT, max_size=3).map(tuple),
)


@given(DISPATCHES)
def test_a_dispatch_arrives_as_it_was_sent(dispatch: Dispatch) -> None:
    assert Dispatch.decode(dispatch.encode()) == dispatch


@given(OUTCOMES)
def test_an_outcome_arrives_as_it_was_sent(outcome: Outcome) -> None:
    assert Outcome.decode(outcome.encode()) == outcome


@given(data=JSON.map(lambda value: Outcome(status=OutcomeStatus.FAILED, output=value).encode()))
def test_what_is_no_dispatch_is_an_error_of_ours(data: bytes) -> None:
    with pytest.raises(InvalidMessage):
        Dispatch.decode(data)


@given(
    st.builds(
        SidecarSettings,
        store=TEXT,
        token=TEXT,
        shared_dir=TEXT,
        action_port=st.integers(0, 65535),
        concurrency=st.integers(1, 1000),
        cancel_grace_seconds=st.floats(0, 1e6),
        function_start_seconds=st.floats(0, 1e6, exclude_min=True),
        verdict=st.builds(Verdict, st.frozensets(st.sampled_from(Promise))),
    )
)
def test_settings_arrive_as_they_were_sent(settings: SidecarSettings) -> None:
    assert SidecarSettings.decode(settings.encode()) == settings


def test_settings_that_are_not_there_have_their_defaults() -> None:
    assert SidecarSettings.decode({}) == SidecarSettings()
    assert SidecarSettings.decode({"VARFLOW_SIDECAR_SERVICE_HOST": "10.0.0.1"}) == SidecarSettings()


@pytest.mark.parametrize("text", ["x", "", "-1", "nan", "inf", "1.5.1"])
@pytest.mark.parametrize(
    "name",
    [
        spec.metadata["env"]
        for spec in fields(SidecarSettings)
        if spec.type not in {"str", "Verdict"}
    ],
)
def test_a_setting_that_is_no_number_is_named(name: str, text: str) -> None:
    with pytest.raises(InvalidMessage, match=name):
        SidecarSettings.decode({name: text})


def test_a_setting_that_is_no_list_of_promises_is_named() -> None:
    with pytest.raises(InvalidMessage, match="VARFLOW_STORE_LACKS: 'updates,x' is no list"):
        SidecarSettings.decode({"VARFLOW_STORE_LACKS": "updates,x"})


def test_secrets_are_not_shown() -> None:
    settings = SidecarSettings(token="hidden-token", store="s3://key:hidden-key@host/bucket")

    assert "hidden" not in repr(settings)


@pytest.mark.parametrize(
    ("body", "value"),
    [(b"", ""), (b"1", 1), (b"null", None), (b"x", "eA=="), (b'"x"', "x"), (b"NaN", "TmFO")],
    ids=repr,
)
def test_an_answer_is_json_or_base64_or_empty(body: bytes, value: object) -> None:
    assert output_value(body) == value
    assert not isinstance(value, float) or math.isfinite(value)
