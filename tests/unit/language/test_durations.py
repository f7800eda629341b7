"""ISO 8601 durations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varflow.language import durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("PT5S", 5, id="seconds"),
        pytest.param("PT0S", 0, id="nothing"),
        pytest.param("PT1M", 60, id="an M behind the T is minutes"),
        pytest.param("P1M", 30 * 86400, id="an M before the T is months of 30 days"),
        pytest.param("P1Y", 365 * 86400, id="a year is 365 days"),
        pytest.param("P2W", 14 * 86400, id="weeks"),
        pytest.param("P1DT12H", 129600, id="date and time"),
        pytest.param("P1Y2M3W4DT5H6M7S", 38_898_367, id="all units, weeks among them"),
        pytest.param("PT0.25S", 0.25, id="a fraction of the last unit"),
        pytest.param("PT0,5H", 1800, id="a fraction with a comma"),
        pytest.param(" PT1H ", 3600, id="white space around it"),
    ],
)
def test_a_duration_is_a_number_of_seconds(text: str, seconds: float) -> None:
    assert durations.parse(text) == seconds


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param(
            "1h30m",
            "'1h30m' is not an ISO 8601 duration such as PT5S or P1DT12H; write PT1H30M",
            id="Go's",
        ),
        pytest.param(
            "2d", "'2d' is not an ISO 8601 duration such as PT5S or P1DT12H; write P2D", id="days"
        ),
        pytest.param("", "'' is not an ISO 8601 duration such as PT5S or P1DT12H", id="empty"),
        pytest.param("P", "'P' names no unit, as PT5S or P1DT12H do", id="P alone"),
        pytest.param("P1DT", "'P1DT' names no unit, as PT5S or P1DT12H do", id="T alone"),
        pytest.param(
            "-PT5S", "'-PT5S' is not an ISO 8601 duration such as PT5S or P1DT12H", id="negative"
        ),
        pytest.param(
            "PT1.5H3S", "'PT1.5H3S' has a fraction before its last unit", id="inner fraction"
        ),
        pytest.param("P101Y", "'P101Y' is longer than 100 years", id="longer than any timer"),
        pytest.param(
            "PT١S", "'PT١S' is not an ISO 8601 duration such as PT5S or P1DT12H", id="other digits"
        ),
        pytest.param(
            5, "must be an ISO 8601 duration such as PT5S, not 5; write PT5S", id="a number"
        ),
        pytest.param(
            -5, "must be an ISO 8601 duration such as PT5S, not -5", id="less than nothing"
        ),
        pytest.param(
            True, "must be an ISO 8601 duration such as PT5S, not True", id="a truth value"
        ),
        pytest.param(None, "must be an ISO 8601 duration such as PT5S, not None", id="nothing"),
    ],
)
def test_what_is_no_duration_is_refused_with_an_example(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=r"PT5S|fraction|longer") as caught:
        durations.parse(value)

    assert str(caught.value) == message


@given(st.integers(0, 99), st.integers(0, 9999), st.integers(0, 9999), st.integers(0, 99999))
def test_units_add_up(days: int, hours: int, minutes: int, seconds: int) -> None:
    text = f"P{days}DT{hours}H{minutes}M{seconds}S"

    assert durations.parse(text) == days * 86400 + hours * 3600 + minutes * 60 + seconds


@given(st.text(alphabet="PTYMWDHS0123456789.,", max_size=12))
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    try:
        seconds = durations.parse(text)
    except ValueError:
        seconds = 0

    assert 0 <= seconds <= durations.MAX_SECONDS
