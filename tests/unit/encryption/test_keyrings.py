"""Keys as text, and which of them is written with."""

from __future__ import annotations

import pytest

from tests.support.encryption import FIRST, RING, SECOND
from varflow.errors import InvalidInput
from varflow.variables.encryption import policies
from varflow.variables.encryption.keyrings import Key, KeyRing
from varflow.variables.encryption.policies import Policy


def test_keys_survive_their_text() -> None:
    ring = RING.added(SECOND.secret)
    assert KeyRing.decode(ring.encode(), source="a test") == ring


def test_keys_may_stand_between_commas_and_spaces() -> None:
    text = RING.added(SECOND.secret).encode().replace("\n", " , ")
    assert KeyRing.decode(text, source="a test").keys == (FIRST, SECOND)


def test_a_key_that_stands_twice_is_one() -> None:
    assert KeyRing.decode(RING.encode() * 2, source="a test") == RING


def test_a_new_key_is_not_written_with_until_it_is_used() -> None:
    ring = RING.added(SECOND.secret)
    assert ring.current == FIRST
    assert ring.using(SECOND).current == SECOND
    assert ring.using(SECOND).find(FIRST.id) == FIRST


def test_without_a_key_the_others_stay_in_their_order() -> None:
    third = Key.of(bytes(32))
    ring = RING.added(SECOND.secret).added(third.secret).using(third)

    assert ring.without(FIRST).keys == (third, SECOND)


def test_no_key_is_added_with_which_all_could_not_be_read() -> None:
    keys = tuple(Key.of(bytes([number]) * 32) for number in range(64))
    full = KeyRing.decode(KeyRing(keys).encode(), source="a test")

    with pytest.raises(InvalidInput, match="64 keys"):
        full.added(SECOND.secret)


def test_text_of_keys_shows_no_key() -> None:
    shown = f"{RING} {RING!r} {FIRST}"
    assert FIRST.name not in FIRST.secret.hex()
    assert FIRST.secret.hex() not in shown
    assert repr(FIRST.secret)[2:-1] not in shown


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("AAAA", id="a short key"),
        pytest.param(RING.encode().replace("A", "?"), id="no base64"),
        pytest.param(RING.encode() * 65, id="too many"),
        pytest.param(RING.encode() + "AAAA", id="a good one and a short one"),
    ],
)
def test_text_without_keys_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"in a test|a test holds") as refusal:
        KeyRing.decode(text, source="a test")
    assert RING.encode().strip() not in str(refusal.value)
    assert "AAAA" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "has_keys", "expected"),
    [
        ("", True, Policy.ON),
        ("", False, Policy.OFF),
        ("migrate", True, Policy.MIGRATE),
        ("off", True, Policy.OFF),
    ],
)
def test_whoever_has_keys_encrypts_unless_told_otherwise(
    text: str, has_keys: bool, expected: Policy
) -> None:
    assert policies.parse(text, has_keys=has_keys) is expected


@pytest.mark.parametrize(("text", "has_keys"), [("on", False), ("migrate", False), ("yes", True)])
def test_a_policy_that_cannot_be_is_refused(text: str, has_keys: bool) -> None:
    with pytest.raises(InvalidInput, match="encryption"):
        policies.parse(text, has_keys=has_keys)
